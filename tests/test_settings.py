"""Settings: what is made of them, and what is said when they cannot be used. Every fault at once, no secret ever."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from syncd.errors import SettingsError
from syncd.redact import Redactor
from syncd.settings import VARIABLES, Loaded, Settings, load, masked

TOKEN = "5f9c5363a1b2c3d4"
REQUIRED = {
    "SYNCD_IMSHOP__URL": f"https://imshop.example/v1/clients/acme/statuses/sync/{TOKEN}",
    "SYNCD_SOURCE__URL": "mysql://reader:p%40ssw0rd@db.example/shop?ssl_key=/etc/key.pem",
    "SYNCD_SOURCE__QUERY": "SELECT order_id, status FROM orders",
}


AN_API = {
    "SYNCD_SOURCE__URL": "https://shop.example/orders?page={page}",
    "SYNCD_SOURCE__QUERY": "",
    "SYNCD_SOURCE__PAGING": "page",
    "SYNCD_SOURCE__FIELDS": '{"order_id": "id", "status": "state"}',
}


def loaded(**variables: str) -> Loaded:
    return load({**REQUIRED, **variables}, usual_env_files=())


def faults(**variables: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        loaded(**variables)
    return caught.value.faults


def test_the_three_required_settings_are_enough() -> None:
    settings = loaded().settings
    assert settings.imshop.url == SecretStr(REQUIRED["SYNCD_IMSHOP__URL"])
    assert settings.source.sql == REQUIRED["SYNCD_SOURCE__QUERY"]
    assert settings.state.url == SecretStr("sqlite:///syncd.db")
    assert settings.imshop.give_up_after == timedelta(hours=24)


def test_settings_are_immutable() -> None:
    settings = loaded().settings
    with pytest.raises(ValidationError):
        settings.first_run = "push"
    with pytest.raises(ValidationError):
        settings.poll.interval = timedelta(seconds=1)


def test_only_variables_given_to_load_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the process itself is not read."""
    monkeypatch.setenv("SYNCD_FIRST_RUN", "push")
    assert loaded().settings.first_run == "baseline"


def test_every_required_setting_that_is_missing_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        load({}, usual_env_files=())
    assert [fault.split(":")[0] for fault in caught.value.faults] == sorted(REQUIRED, key=[*VARIABLES].index)
    assert all("required" in fault for fault in caught.value.faults)


def test_every_fault_of_every_kind_is_reported_together(tmp_path: Path) -> None:
    found = faults(
        SYNCD_IMSHOP__URL="ftp://nowhere",
        SYNCD_IMSHOP__TIMEOUT="1h",
        SYNCD_IMSHOP__ALLOW_HTTP="ja",
        SYNCD_IMSHOP__ID="number",
        SYNCD_POLL__INTERVAL="soon",
        SYNCD_GUARD="5",
        SYNCD_POOL__INTERVAL="30s",
        SYNCD_SECRETS_DIR=str(tmp_path / "missing"),
        SYNCD_ENV_FILE=str(tmp_path / "missing.env"),
    )
    assert found == [
        f"SYNCD_ENV_FILE: {tmp_path}/missing.env cannot be read: No such file or directory",
        f"SYNCD_SECRETS_DIR: {tmp_path}/missing cannot be read: No such file or directory",
        'SYNCD_GUARD: is a group, so it must be a JSON object, e.g. {"name": "value"}',
        "SYNCD_POOL__INTERVAL: is not a setting of syncd; did you mean SYNCD_POLL__INTERVAL? (environment)",
        "SYNCD_IMSHOP__ALLOW_HTTP: 'ja' is neither true nor false",
        "SYNCD_IMSHOP__URL: is not a URL of the form https://host/path; write it as IMSHOP's manager gave it",
        "SYNCD_IMSHOP__ID: 'number' is none of 'auto', 'uuid' or 'order_id'",
        "SYNCD_IMSHOP__TIMEOUT: '1h' is out of bounds; write 100ms to 5m",
        "SYNCD_POLL__INTERVAL: 'soon' is not a duration; write e.g. 500ms, 30s, 10m, 24h, 90d",
    ]


def test_plain_http_is_reported_with_other_faults() -> None:
    found = faults(SYNCD_IMSHOP__URL="http://imshop.example/sync", SYNCD_IMSHOP__TIMEOUT="soon")
    assert [fault.split(":")[0] for fault in found] == ["SYNCD_IMSHOP__URL", "SYNCD_IMSHOP__TIMEOUT"]
    assert "SYNCD_IMSHOP__ALLOW_HTTP=true" in found[0]


def test_plain_http_is_accepted_where_it_is_allowed() -> None:
    assert loaded(SYNCD_IMSHOP__URL="http://imshop.example/sync", SYNCD_IMSHOP__ALLOW_HTTP="true")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("SYNCD_IMSHOP_URL", "SYNCD_IMSHOP__URL"),
        ("SYNCD_SOURCE__QUERRY", "SYNCD_SOURCE__QUERY"),
        ("SYNCD_imshop__api_key", "SYNCD_IMSHOP__API_KEY"),
        ("SYNCD_ENVFILE", "SYNCD_ENV_FILE"),
    ],
)
def test_unknown_variable_names_the_nearest_but_no_value(written: str, meant: str) -> None:
    (fault,) = faults(**{written: "s3cr3t"})
    assert fault == f"{written}: is not a setting of syncd; did you mean {meant}? (environment)"


def test_setting_of_a_later_version_is_not_ignored() -> None:
    assert len(faults(SYNCD_CANCEL__API_KEY="key")) == 1


def test_a_foreign_or_lower_case_variable_is_ignored() -> None:
    assert loaded(PATH="/bin", syncd_poll__interval="soon").settings.poll.interval == timedelta(seconds=30)


def test_empty_value_is_unset_except_where_it_disables() -> None:
    settings = loaded(
        SYNCD_IMSHOP__API_KEY="", SYNCD_POLL__INTERVAL="", SYNCD_POLL__RECONCILE="", SYNCD_HTTP__BIND=""
    ).settings
    assert settings.imshop.api_key is None
    assert settings.poll.interval == timedelta(seconds=30)
    assert settings.poll.reconcile is None
    assert settings.http.bind is None


def test_single_variables_override_a_group_given_as_json() -> None:
    whole = json.dumps({"rate": 2.5, "allow_http": True, "timeout": "5s", "id": "uuid", "api_key": None})
    result = loaded(SYNCD_IMSHOP=whole, SYNCD_IMSHOP__TIMEOUT="7s")
    imshop = result.settings.imshop
    assert (imshop.rate, imshop.allow_http, imshop.id, imshop.api_key) == (2.5, True, "uuid", None)
    assert imshop.timeout == timedelta(seconds=7)
    assert result.origins["SYNCD_IMSHOP__RATE"] == "environment"


@pytest.mark.parametrize("text", ["30s", "[]", "{", '"interval"'])
def test_group_that_is_not_a_json_object_fails(text: str) -> None:
    assert faults(SYNCD_POLL=text) == ['SYNCD_POLL: is a group, so it must be a JSON object, e.g. {"name": "value"}']


def test_an_empty_group_sets_nothing() -> None:
    assert loaded(SYNCD_POLL="").settings == loaded().settings


def test_faults_within_a_json_group_name_their_variable() -> None:
    nested, unknown = faults(SYNCD_POLL=json.dumps({"interval": ["30s"], "recocnile": ""}))
    assert nested == "SYNCD_POLL__INTERVAL: is a JSON list; write one value"
    assert "did you mean SYNCD_POLL__RECONCILE?" in unknown


def test_the_query_comes_from_one_place(tmp_path: Path) -> None:
    file = tmp_path / "orders.sql"
    file.write_text("-- all of them\nSELECT 1;\n")
    settings = loaded(SYNCD_SOURCE__QUERY="", SYNCD_SOURCE__QUERY_FILE=str(file)).settings
    assert settings.source.sql == "-- all of them\nSELECT 1"
    (both,) = faults(SYNCD_SOURCE__QUERY_FILE=str(file))
    assert both == "SYNCD_SOURCE__QUERY: is set, and so is SYNCD_SOURCE__QUERY_FILE; leave one of them out"


def test_unusable_query_file_is_a_single_fault(tmp_path: Path) -> None:
    """A file that is missing or that writes is not reported as a missing query too."""
    file = tmp_path / "orders.sql"
    assert faults(SYNCD_SOURCE__QUERY="", SYNCD_SOURCE__QUERY_FILE=str(file)) == [
        f"SYNCD_SOURCE__QUERY_FILE: {file} cannot be read: No such file or directory"
    ]
    file.write_text("DELETE FROM orders")
    (fault,) = faults(SYNCD_SOURCE__QUERY="", SYNCD_SOURCE__QUERY_FILE=str(file))
    assert fault.startswith("SYNCD_SOURCE__QUERY_FILE: 'DELETE FROM orders' is not a SELECT")


def test_statuses_file_must_be_readable(tmp_path: Path) -> None:
    file = tmp_path / "statuses.toml"
    file.touch()
    assert loaded(SYNCD_STATUSES__FILE=str(file)).settings.statuses.file == file
    (fault,) = faults(SYNCD_STATUSES__FILE=str(tmp_path))
    assert fault == f"SYNCD_STATUSES__FILE: {tmp_path} cannot be read: Is a directory"


def test_how_the_key_is_sent_needs_a_key() -> None:
    (fault,) = faults(SYNCD_IMSHOP__AUTH="body")
    assert fault.startswith("SYNCD_IMSHOP__AUTH: says how the key is sent, but SYNCD_IMSHOP__API_KEY is not set")
    assert loaded(SYNCD_IMSHOP__AUTH="X-API-Key", SYNCD_IMSHOP__API_KEY="k3y").settings.imshop.auth == "x-api-key"


def test_no_fault_shows_a_secret() -> None:
    told = faults(
        SYNCD_IMSHOP__URL="https//imshop.example/s3cr3t",
        SYNCD_IMSHOP__API_KEY="Bearer s3cr3t",
        SYNCD_SOURCE__URL="mysql://u:s3cr3t@host:port/db",
        SYNCD_STATE__URL="mysql://u:s3cr3t@host/db",
    )
    assert len(told) == 4
    assert "s3cr3t" not in "".join(told)


def test_error_carries_no_secret_in_its_cause() -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(SYNCD_IMSHOP__API_KEY="Bearer s3cr3t")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_masked_shows_every_setting_and_origin_without_secrets() -> None:
    result = loaded(
        SYNCD_IMSHOP__API_KEY="k3y-k3y", SYNCD_STATE__URL="postgres://s:p4ss@h:5/s?password=p4ss&sslmode=require"
    )
    shown = {variable: (value, origin) for variable, value, origin in masked(result)}
    assert list(shown) == list(VARIABLES)
    assert shown["SYNCD_IMSHOP__URL"] == ("https://imshop.example/***", "environment")
    assert shown["SYNCD_IMSHOP__API_KEY"] == ("***", "environment")
    assert shown["SYNCD_SOURCE__URL"] == ("mysql+pymysql://reader:***@db.example/shop?***", "environment")
    assert shown["SYNCD_STATE__URL"] == ("postgresql+psycopg://s:***@h:5/s?***", "environment")
    assert shown["SYNCD_POLL__INTERVAL"] == ("30s", "default")


def test_printed_settings_show_no_secret() -> None:
    printed = repr(loaded(SYNCD_IMSHOP__API_KEY="k3y-k3y"))
    assert not [secret for secret in ("k3y-k3y", TOKEN, "ssw0rd") if secret in printed]


def test_secrets_are_known_in_each_spelling() -> None:
    """Secrets are the key, the URL, its path, the token in it, and passwords."""
    result = loaded(SYNCD_IMSHOP__API_KEY="k3y-k3y", SYNCD_STATE__URL="postgres:///s?user=me&password=p4ss")
    assert result.settings.secrets() == [
        "k3y-k3y",
        REQUIRED["SYNCD_IMSHOP__URL"],
        f"/v1/clients/acme/statuses/sync/{TOKEN}",
        TOKEN,
        "p@ssw0rd",
        "p%40ssw0rd",
        "p4ss",
    ]


BOUNDS = {
    name: bounds.groups()
    for name, variable in VARIABLES.items()
    if (bounds := re.search(r"\((\w+) to (\w+)\)$", variable.field.description or ""))
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_in_descriptions_are_the_real_ones(name: str) -> None:
    low, high = BOUNDS[name]
    source = AN_API if (VARIABLES[name].field.description or "").startswith("API") else {}
    assert loaded(**source, **{name: low})
    assert loaded(**source, **{name: high})
    beyond = {f"9{high}", re.sub("[1-9]", "0", low)} - {low}
    for text in beyond:
        assert faults(**source, **{name: text}) == [f"{name}: {text!r} is out of bounds; write {low} to {high}"]


def test_importing_settings_imports_no_heavy_library() -> None:
    program = (
        "import sys, syncd.settings; print(*sys.modules.keys() & {'sqlalchemy', 'apscheduler', 'requests', 'flask'})"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"


def test_settings_can_be_built_only_with_known_names() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Settings.model_validate({"imshop": {"url": "https://h/x"}, "source": {"url": "sqlite:///x"}, "pool": {}})


def test_notify_urls_are_masked_wherever_they_stand() -> None:
    """Separated by blanks or commas; a comma within a URL is part of it. Addresses of servers are no secret."""
    urls = "tgram://1234567:B0T-T0KEN/98765432, mailtos://shop%40example.com:pa55word@smtp.example.com?to=a@b.c,d@e.f"
    heartbeat = "https://hc.example/ping/9a1b2c3d-4e5f-6789"
    result = loaded(SYNCD_NOTIFY__URLS=urls, SYNCD_NOTIFY__HEARTBEAT_URL=heartbeat)
    assert len(result.settings.notify.url_list) == 2
    shown = {one.variable: one.value for one in masked(result)}
    assert shown["SYNCD_NOTIFY__URLS"] == "tgram://*** mailtos://***"
    assert shown["SYNCD_NOTIFY__HEARTBEAT_URL"] == "https://hc.example/***"
    redact = Redactor(result.settings.secrets())
    said = redact(f"{urls} {heartbeat} B0T-T0KEN 98765432 pa55word 9a1b2c3d-4e5f-6789 smtp.example.com")
    assert not [secret for secret in ("T0KEN", "98765432", "pa55word", "9a1b2c3d") if secret in said]
    assert "smtp.example.com" in said


@pytest.mark.parametrize("name", ["SYNCD_NOTIFY__URLS", "SYNCD_NOTIFY__HEARTBEAT_URL"])
def test_what_is_no_url_for_notices_is_refused(name: str) -> None:
    (fault,) = faults(**{name: "S3CRET"})
    assert fault.startswith(name)
    assert "S3CRET" not in fault
