"""The settings of an API: what they may be, how names are written, and that no secret shows."""

from __future__ import annotations

import re

import pytest

from syncd.redact import Redactor
from syncd.settings import Loaded, load, masked
from syncd.settings.api_values import FIELDS
from syncd.sources.columns import KNOWN
from tests.test_settings import AN_API, REQUIRED, faults

BASE = {"SYNCD_IMSHOP__URL": REQUIRED["SYNCD_IMSHOP__URL"], **AN_API}


def loaded(**variables: str) -> Loaded:
    return load({**BASE, **variables}, usual_env_files=())


def api_faults(**variables: str) -> list[str]:
    return faults(**{**AN_API, **variables})


def shown(found: Loaded) -> dict[str, str]:
    return {one.variable: one.value for one in masked(found)}


def test_fields_have_the_names_of_query_columns() -> None:
    assert {*FIELDS} == {*KNOWN}


def test_group_is_variables_or_one_json_object() -> None:
    source = loaded(
        SYNCD_SOURCE__QUERY_PARAMS='{"filter[from]": "{since}", "Shop": "1", "size": "9"}',
        SYNCD_SOURCE__QUERY_PARAMS__SIZE="{limit}",
        SYNCD_SOURCE__QUERY_PARAMS__sortBy="changed",
    ).settings.source
    params = {name: value.get_secret_value() for name, value in source.query_params.items()}
    assert params == {"filter[from]": "{since}", "Shop": "1", "size": "{limit}", "sortBy": "changed"}


def test_header_name_has_underscores_or_comes_from_json() -> None:
    """In a variable an underscore stands for a hyphen; in JSON the name stands as it is."""
    source = loaded(SYNCD_SOURCE__HEADERS__X_API_KEY="k1", SYNCD_SOURCE__HEADERS='{"X_Odd": "v"}').settings.source
    assert {name: value.get_secret_value() for name, value in source.headers.items()} == {
        "X_Odd": "v",
        "X-API-KEY": "k1",
    }


def test_a_field_is_named_in_any_case() -> None:
    found = loaded(SYNCD_SOURCE__FIELDS="", SYNCD_SOURCE__FIELDS__order_id="n", SYNCD_SOURCE__FIELDS__STATUS="s")
    assert found.settings.source.fields == {"order_id": "n", "status": "s"}


SECRETS = {
    "SYNCD_SOURCE__URL": "https://u:p4ssw0rd@shop.example/rest/1/a1b2c3d4e5f6/orders?apiKey=k1k1k1&x=long4nd5ecret&p={page}",
    "SYNCD_SOURCE__AUTH": "basic:user:s3cr3t-s3cr3t",
    "SYNCD_SOURCE__HEADERS__X_SHOP": "header-v4lue",
    "SYNCD_SOURCE__QUERY_PARAMS__SHOP_KEY": "param-k3y",
    "SYNCD_SOURCE__QUERY_PARAMS__SHOP": "north",
}
HIDDEN = ("p4ssw0rd", "a1b2c3d4e5f6", "k1k1k1", "long4nd5ecret", "s3cr3t-s3cr3t", "header-v4lue", "param-k3y")


def test_no_secret_of_an_api_is_shown() -> None:
    found = loaded(**SECRETS)
    values = shown(found)
    assert values["SYNCD_SOURCE__URL"] == "https://***@shop.example/***?***"
    assert values["SYNCD_SOURCE__AUTH"] == values["SYNCD_SOURCE__HEADERS__X-SHOP"] == "***"
    assert (values["SYNCD_SOURCE__QUERY_PARAMS__shop_key"], values["SYNCD_SOURCE__QUERY_PARAMS__shop"]) == (
        "***",
        "north",
    )
    assert not [secret for secret in HIDDEN if secret in repr(found)]


@pytest.mark.parametrize("secret", [*HIDDEN, "dXNlcjpzM2NyM3QtczNjcjN0"])
def test_the_redactor_knows_each_secret_of_an_api(secret: str) -> None:
    assert secret not in Redactor(loaded(**SECRETS).settings.secrets())(f"it said {secret}!")


@pytest.mark.parametrize("secret", ["pa55/word", "pa55%2Fword", "dXNlcjpwYTU1L3dvcmQ="])
def test_redactor_knows_a_url_login_in_each_spelling(secret: str) -> None:
    secrets = loaded(SYNCD_SOURCE__URL="https://user:pa55%2Fword@shop.example/{page}").settings.secrets()
    assert secret not in Redactor(secrets)(f"it said {secret}!")


def test_path_with_a_key_is_refused() -> None:
    """A key belongs in a setting that is masked."""
    for path in ("/rest/1/word/crm.deal.list", "/x/a1b2c3d4e5f6/orders"):
        (fault,) = api_faults(SYNCD_SOURCE__PATH=path)
        assert fault.startswith("SYNCD_SOURCE__PATH: holds what looks like a key")
    assert loaded(SYNCD_SOURCE__PATH="/listOfChangedOrders").settings.source.path == "/listOfChangedOrders"


def test_a_bearer_token_is_a_secret() -> None:
    assert "t0ken-t0ken" in loaded(SYNCD_SOURCE__AUTH="Bearer:t0ken-t0ken").settings.secrets()


def test_database_settings_are_refused_for_an_api() -> None:
    told = api_faults(SYNCD_SOURCE__QUERY="SELECT 1", SYNCD_SOURCE__INIT_SQL="SET x")
    names = ("INIT_SQL", "QUERY")
    why = "is for databases, but SYNCD_SOURCE__URL is that of an API; leave it out"
    assert sorted(told) == [f"SYNCD_SOURCE__{name}: {why}" for name in names]


def test_api_settings_are_refused_for_a_database() -> None:
    told = faults(SYNCD_SOURCE__HEADERS__X="1", SYNCD_SOURCE__RATE="5", SYNCD_SOURCE__PAGING="link")
    why = "is for APIs, but SYNCD_SOURCE__URL is that of a database; leave it out"
    assert sorted(told) == [f"SYNCD_SOURCE__{name}: {why}" for name in ("HEADERS", "PAGING", "RATE")]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("ITEMS", "orders[", "is no JMESPath"),
        ("NEXT", "a..b", "is no JMESPath"),
        ("FIELDS__STATUS", "state ||", "is no JMESPath"),
        ("FIELDS__STATSU", "x", "SYNCD_SOURCE__FIELDS__STATSU is no field of an order; did you mean STATUS?"),
        ("FIELDS", '{"status": "s"}', "SYNCD_SOURCE__FIELDS__ORDER_ID is required"),
        ("FIELDS", '{"order_id": "s"}', "SYNCD_SOURCE__FIELDS__STATUS is required"),
        ("FIELDS", "", "SYNCD_SOURCE__FIELDS__ORDER_ID is required"),
        ("PAGING", "pages", "is none of"),
        ("PAGING", "offset", "no SYNCD_SOURCE__QUERY_PARAMS__… holds {offset}"),
        ("PAGING", "keyset", "no SYNCD_SOURCE__QUERY_PARAMS__… holds {since}"),
        ("PAGING", "cursor", "SYNCD_SOURCE__NEXT, which leads to it in the answer, is not set"),
        ("QUERY_PARAMS__FROM", "{sinse}", "did you mean {since}?"),
        ("SINCE_FORMAT", "unix", "is none of iso, epoch, epoch_ms"),
        ("AUTH", "t0ken", "is neither bearer:TOKEN nor basic:USER:PASSWORD"),
        ("AUTH", "bearer:a b", "holds a space"),
        ("AUTH", "bearer:<token>", "placeholder"),
        ("HEADERS__X", "a\nb", "no header can carry"),
        ("HEADERS", '{"X:Y": "v"}', "cannot be the name of a header"),
        ("RETRY_AFTER_MS_HEADER", "Retry After", "cannot be the name of a header"),
    ],
)
def test_fault_names_its_variable_and_a_remedy(name: str, text: str, says: str) -> None:
    (told,) = api_faults(**{f"SYNCD_SOURCE__{name}": text})
    assert re.match(rf"SYNCD_SOURCE__{name.partition('__')[0]}\S*: ", told)
    assert says in told


def test_unknown_name_in_braces_in_a_url_fails() -> None:
    told = api_faults(SYNCD_SOURCE__URL="https://shop.example/orders?p={page}&from={sinse}")
    assert told[0] == "SYNCD_SOURCE__URL: holds a name in braces that nothing fills in; did you mean {since}?"


@pytest.mark.parametrize("paging", ["", "none"])
def test_page_placeholder_without_paging_fails(paging: str) -> None:
    (told,) = api_faults(SYNCD_SOURCE__PAGING=paging)
    assert told == (
        "SYNCD_SOURCE__PAGING: is none, so that nothing fills in {page}, and only the first page would be read"
    )


def test_keyset_needs_the_time_or_the_sequence() -> None:
    keyset = {"SYNCD_SOURCE__PAGING": "keyset", "SYNCD_SOURCE__QUERY_PARAMS__X": "{since}"}
    (told,) = api_faults(**keyset)
    assert told == (
        "SYNCD_SOURCE__PAGING: is keyset, but neither SYNCD_SOURCE__FIELDS__UPDATED_AT nor "
        "SYNCD_SOURCE__FIELDS__SEQUENCE is set"
    )
    assert loaded(**keyset, SYNCD_SOURCE__FIELDS__SEQUENCE="number").settings.source.paging == "keyset"


def test_plain_http_is_accepted_in_a_local_network() -> None:
    assert loaded(SYNCD_SOURCE__URL="http://192.168.1.5/orders?page={page}").settings.source.is_api


def test_path_may_hold_the_placeholders_of_its_paging() -> None:
    source = loaded(SYNCD_SOURCE__PATH="/orders?p={page}", SYNCD_SOURCE__PAGING="page").settings.source
    assert source.path == "/orders?p={page}"


@pytest.mark.parametrize("name", ["PATH", "STATUSES_PATH"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("orders", "'orders' is no path: it begins with / and holds no space and no #"),
        ("/or ders", "'/or ders' is no path"),
        ("/orders#1", "'/orders#1' is no path"),
        ("/orders/{pages}", "holds a name in braces that nothing fills in; did you mean {page}?"),
        ("/orders?x=1&api_key=s3cr3t", "holds what looks like a key; write that behind SYNCD_SOURCE__URL"),
    ],
)
def test_what_is_no_path_is_refused(name: str, text: str, says: str) -> None:
    (fault,) = api_faults(**{f"SYNCD_SOURCE__{name}": text})
    assert fault.startswith(f"SYNCD_SOURCE__{name}: {says}")
    assert "s3cr3t" not in fault
