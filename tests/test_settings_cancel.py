"""SYNCD_CANCEL__…: how the shop is made to cancel."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.errors import SettingsError
from syncd.settings import Loaded, load, masked
from syncd.settings.cancel_settings import CancelSettings

NEEDED = {
    "SYNCD_IMSHOP__URL": "https://imshop.example/token",
    "SYNCD_SOURCE__URL": "sqlite:////shop.db",
    "SYNCD_SOURCE__QUERY": "SELECT 1",
}
CALL = "https://api.shop.example/orders/{order_id}"
UPDATE = "UPDATE orders SET state = 'x' WHERE id = :order_id"


def loaded(**given: str) -> Loaded:
    return load({**NEEDED, **{f"SYNCD_CANCEL__{name}": text for name, text in given.items()}}, usual_env_files=())


def cancel(**given: str) -> CancelSettings:
    return loaded(**given).settings.cancel


def fault(**given: str) -> str:
    with pytest.raises(SettingsError) as caught:
        cancel(**given)
    (told,) = caught.value.faults
    return told


def shown(variable: str, **given: str) -> list[str]:
    return [one.value for one in masked(loaded(**given)) if one.variable == f"SYNCD_CANCEL__{variable}"]


def test_without_a_key_nothing_is_on() -> None:
    assert cancel() == CancelSettings()
    assert cancel(TIMEOUT="2s").timeout == timedelta(seconds=2)


def test_a_key_needs_exactly_one_way_to_cancel() -> None:
    assert fault(API_KEY="key").startswith("SYNCD_CANCEL__SQL: SYNCD_CANCEL__API_KEY is set, so one of")
    assert "SYNCD_CANCEL__URL and SYNCD_CANCEL__COMMAND are set" in fault(URL=CALL, COMMAND="cancel")
    assert "SYNCD_CANCEL__URL and SYNCD_CANCEL__SQL are set" in fault(URL=CALL, SQL=UPDATE)
    for way in ({"URL": CALL}, {"COMMAND": "cancel"}, {"SQL": UPDATE}):
        assert cancel(API_KEY="key", **way).api_key is not None


@pytest.mark.parametrize(
    "url", ["orders/{order_id}", "https://{order_id}.example/", "https://a.example/ b", "ftp://a.example/"]
)
def test_call_is_a_url_with_a_fixed_host(url: str) -> None:
    assert "is not a URL of the form https://host/path" in fault(URL=url)


def test_method_of_a_call_is_from_a_list() -> None:
    assert cancel(URL=CALL, METHOD="delete").method == "DELETE"
    assert "'TRACE' is none of" in fault(URL=CALL, METHOD="trace")


def test_headers_come_one_by_one_or_as_json() -> None:
    expected = {"X-Token": "secret", "Accept": "text/plain"}
    single = cancel(HEADERS__X_TOKEN="secret", HEADERS__ACCEPT=" text/plain ").headers
    whole = cancel(HEADERS='{"X-Token": "secret", "accept": "text/plain"}').headers
    grouped = load(
        {**NEEDED, "SYNCD_CANCEL": '{"headers": {"X-Token": "secret", "Accept": "text/plain"}}'}, usual_env_files=()
    ).settings.cancel.headers
    for headers in (single, whole, grouped):
        assert {name: value.get_secret_value() for name, value in headers.items()} == expected


def test_header_that_http_cannot_carry_fails() -> None:
    assert "is not the name of a header" in fault(HEADERS='{"X Token": "a"}')
    assert "the value of X-Token holds a character" in fault(HEADERS__X_TOKEN="a\nb")


def test_unknown_name_beside_an_open_group_fails() -> None:
    assert "is not a setting of syncd" in fault(HEADERS__="a")
    assert "is not a setting of syncd" in fault(HEADER__X="a")


def test_body_is_json_with_quoted_places_or_form() -> None:
    assert cancel(URL=CALL, BODY='{"id": "{order_id}"}').body == '{"id": "{order_id}"}'
    assert cancel(URL=CALL, BODY="id={order_id}").body == "id={order_id}"
    form = "application/x-www-form-urlencoded"
    assert cancel(URL=CALL, HEADERS__CONTENT_TYPE=form, BODY="id={uuid}").body == "id={uuid}"
    assert "placeholders stand within quotes" in fault(URL=CALL, BODY='{"id": {order_id}}')
    assert "is not JSON" in fault(URL=CALL, HEADERS__CONTENT_TYPE="application/json", BODY="id={order_id}")
    assert "can be JSON or a form" in fault(URL=CALL, HEADERS__CONTENT_TYPE="text/xml", BODY="<a/>")


def test_a_command_is_split_as_a_shell_would() -> None:
    assert cancel(COMMAND="/opt/cancel --shop 'my shop'").command == ("/opt/cancel", "--shop", "my shop")
    assert "cannot be split into words" in fault(COMMAND="cancel 'my shop")


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DELETE FROM orders", "is not an UPDATE"),
        ("UPDATE orders SET state = 'x'", "does not say which order"),
        ("UPDATE orders SET state = 'x', id = :order_id", "does not say which order"),
        ("UPDATE orders SET state = 'x' WHERE id = ':order_id'", "does not say which order"),
        ("UPDATE orders SET state = 'x' WHERE id = :id", "holds :id, but there are only"),
    ],
)
def test_an_update_names_the_order_by_a_parameter(sql: str, why: str) -> None:
    assert why in fault(SQL=sql)


def test_an_update_may_cast_and_hold_times() -> None:
    sql = "UPDATE orders SET at = '12:30:00'::time WHERE uuid = :uuid;"
    assert cancel(SQL=sql).sql == sql[:-1]


@pytest.mark.parametrize(
    ("url", "sql", "why"),
    [
        ("mysql://u@h/d", "# to :x\nUPDATE o SET s = '\\':y' WHERE id = :order_id; # :z", ""),
        ("postgresql://u@h/d", "UPDATE o SET s = s # 1, t = a[1:2], u = $$:y;$$ WHERE id = :order_id -- :z", ""),
        ("mysql://u@h/d", "UPDATE o SET s = 1 # WHERE id = :order_id", "does not say which order"),
        (
            "sqlite:////s.db",
            "UPDATE o SET s = 1; UPDATE o SET s = 1 WHERE id = :order_id",
            "is more than one statement",
        ),
    ],
)
def test_update_is_read_as_its_database_reads_it(url: str, sql: str, why: str) -> None:
    if why:
        assert why in fault(SQL=sql, DATABASE_URL=url)
    else:
        assert ":order_id" in str(cancel(SQL=sql, DATABASE_URL=url).sql)


def test_secrets_show_nowhere() -> None:
    given = {
        "API_KEY": "the-key",
        "URL": "https://me:password@shop.example/{order_id}?token=a-token&r={reason}",
        "HEADERS__X_TOKEN": "header-secret",
        "HEADERS__ACCEPT": "text/plain",
        "DATABASE_URL": "postgresql://me:db-password@db.example/shop",
    }
    assert shown("API_KEY", **given) == shown("HEADERS__X-Token", **given) == ["***"]
    assert shown("URL", **given) == ["https://shop.example/{order_id}?***"]
    assert shown("URL", URL=CALL) == [CALL]
    assert "db-password" not in shown("DATABASE_URL", **given)[0]
    hidden = loaded(**given).settings.secrets()
    assert {"the-key", "password", "a-token", "header-secret", "db-password"} <= set(hidden)
    assert not {"text/plain", "{reason}"} & set(hidden)


def test_what_nobody_can_reach_is_a_fault() -> None:
    with pytest.raises(SettingsError, match="SYNCD_CANCEL: API_KEY is set, but SYNCD_HTTP__BIND is empty"):
        load(
            {**NEEDED, "SYNCD_CANCEL__API_KEY": "key", "SYNCD_CANCEL__URL": CALL, "SYNCD_HTTP__BIND": ""},
            usual_env_files=(),
        )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"URL": "https://shop.example/{order}"}, "did you mean {order_id}?"),
        ({"URL": CALL, "BODY": '{"id": "{orderid}"}'}, "did you mean {order_id}?"),
        ({"URL": CALL, "HEADERS__X_ID": "{id}"}, "which nothing fills in"),
        ({"URL": CALL, "BODY": "order=<id>{order_id}</id>"}, "XML or HTML"),
        ({"URL": CALL, "SUCCESS": "a.[b"}, "is no JMESPath"),
        ({"URL": CALL, "REASON": "a.[b"}, "is no JMESPath"),
        ({"URL": CALL, "SUCCESS": "a && nofunc(@)"}, "is no JMESPath: there is no function nofunc()"),
        ({"URL": CALL, "REASON": "a[?length(@, b)]"}, "length() takes 1 arguments, not 2"),
        ({"URL": CALL, "REFUSED": "409, late"}, "is not a list of HTTP codes"),
        ({"URL": CALL, "REFUSED": "200"}, "is not a list of HTTP codes"),
        ({"URL": CALL, "FROM": "new,,sent"}, "is not a list of the shop's codes"),
        ({"URL": "https://u:p@shop.example/{uuid}", "AUTH": "bearer:t"}, "a login stands in SYNCD_CANCEL__URL"),
        ({"URL": CALL, "HEADERS__AUTHORIZATION": "x", "AUTH": "bearer:t"}, "leave one of them out"),
        (
            {"URL": "https://u:p@shop.example/{uuid}", "HEADERS__AUTHORIZATION": "x"},
            "a login stands in SYNCD_CANCEL__URL; leave one",
        ),
        ({"COMMAND": "cancel", "AUTH": "bearer:t"}, "so is SYNCD_CANCEL__AUTH, which is for SYNCD_CANCEL__URL"),
        ({"URL": CALL, "AUTH": "token"}, "is neither bearer:TOKEN nor basic:USER:PASSWORD"),
        ({"COMMAND": "cancel", "CONFIRM": "true"}, "SYNCD_CANCEL__URL is not set"),
        ({"SQL": "UPDATE o SET s = 'x' WHERE id = :order_id + 0"}, "compares :order_id with more than a column"),
        ({"SQL": "UPDATE o SET s = 'x' WHERE id = :shopid"}, "holds :shopid, but there are only"),
        ({"PATH": "/orders/{shop_id}"}, "write the address of the shop's API"),
        ({"PATH": "orders"}, "is no path"),
        ({"PATH": "/orders?key=s3cret", "URL": "https://shop.example"}, "holds what looks like a key"),
        ({"PRESET": "true"}, "but SYNCD_SOURCE__PRESET is not set"),
        ({"PRESET": "perhaps"}, "is neither true nor false"),
    ],
)
def test_unsafe_or_meaningless_templates_are_refused(given: dict[str, str], why: str) -> None:
    assert why in fault(**given)


NO_ORDER = "does not say which order: write {order_id}, {shop_id} or {uuid} into SYNCD_CANCEL__URL"


@pytest.mark.parametrize(
    "given",
    [
        {"METHOD": "GET"},
        {"METHOD": "DELETE", "PATH": "/orders?why={reason}"},
        {"BODY": '{"status": "cancelled"}'},
        {"METHOD": "PUT", "BODY": "status=x", "HEADERS__X_WHY": "{reason}"},
    ],
)
def test_call_that_names_no_order_fails(given: dict[str, str]) -> None:
    assert NO_ORDER in fault(URL="https://shop.example/cancel", **given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"METHOD": "GET", "PATH": "/orders?n={uuid}"},
        {"BODY": '{"a": {"b": "{order_id}"}}'},
        {"METHOD": "DELETE", "HEADERS__X_ORDER": "{shop_id}"},
    ],
)
def test_any_part_of_a_call_can_name_orders(given: dict[str, str]) -> None:
    assert cancel(URL="https://shop.example/cancel", **given).calls_http


def test_what_is_confirmed_is_a_status() -> None:
    assert fault(URL=CALL, CONFIRM="true").startswith("SYNCD_CANCEL__STATUS: is not set, but SYNCD_CANCEL__CONFIRM")
    assert cancel(URL=CALL, CONFIRM="true", STATUS="cancelled").confirm


def test_lists_are_split_at_commas() -> None:
    chosen = cancel(URL=CALL, FROM=" new , packed", REFUSED="400,409")
    assert (chosen.from_, chosen.refused) == (("new", "packed"), (400, 409))
    assert shown("FROM", URL=CALL, FROM="new,packed") == ["new,packed"]
    assert shown("REFUSED") == ["409,410,422"]


def test_a_login_is_held_back() -> None:
    assert shown("AUTH", URL=CALL, AUTH="basic:user:s3cret") == ["***"]
    secrets = loaded(URL="https://user:p%40ss-word@shop.example/{uuid}").settings.secrets()
    assert {"p%40ss-word", "p@ss-word"} <= set(secrets)
