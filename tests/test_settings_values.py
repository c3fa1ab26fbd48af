"""What each kind of setting accepts, what it makes of it, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.http.addresses import is_insecure_remote
from syncd.redact import Redactor
from syncd.settings import masking, urls, values
from syncd.settings.cancel_settings import call_url
from syncd.sql import GRAMMARS

MARIADB = GRAMMARS["mysql"]

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEDNESDAY = datetime(2025, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        ("24h", timedelta(days=1)),
        ("90d", timedelta(days=90)),
        ("0s", timedelta()),
    ],
)
def test_a_duration_is_read_and_written_alike(text: str, value: timedelta) -> None:
    assert values.duration(text) == value
    assert values.duration_text(value) == text


@pytest.mark.parametrize("text", ["", "30", "soon", "-1s", "1.5h", "1 h", "1w", "30S", "٣s", "9999999999d"])
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        values.duration(text)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1_000", "x", "1e3", "٣"])
def test_what_is_not_a_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a whole number"):
        values.whole_number(text)


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1e9", ".5"])
def test_what_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        values.number(text)


@pytest.mark.parametrize(
    ("text", "hours"), [("UTC", 0), ("Europe/Moscow", 3), ("+03:00", 3), ("-03:30", -3.5), ("Asia/Kolkata", 5.5)]
)
def test_time_zone_is_a_name_or_an_offset(text: str, hours: float) -> None:
    assert values.time_zone(text).utcoffset(WEDNESDAY.replace(tzinfo=None)) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "Moscow", "+3", "+24:00", "MSK", "America", "../UTC", "/etc/localtime"])
def test_what_is_not_a_time_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone; write an IANA name"):
        values.time_zone(text)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9469", "127.0.0.1", 9469),
        ("[::1]:9469", "::1", 9469),
        (":80", "0.0.0.0", 80),
        ("metrics.local:0", "metrics.local", 0),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    address = values.address(text)
    assert address == (host, port)
    assert str(address).endswith(text)


def test_an_empty_address_means_no_http() -> None:
    assert values.address("") is None


@pytest.mark.parametrize("text", ["9469", "localhost", "::1:9469", "h:x", "h:65536", "[::1]", "http://h:80", "a b:80"])
def test_what_is_not_an_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        values.address(text)


def test_tracking_template_may_hold_only_the_tracking_number() -> None:
    template = "https://track.example/{tracking_number}?n={tracking_number}"
    assert values.tracking_template(template) == template


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://t.example/", "must hold {tracking_number}"),
        ("https://t.example/{}", "must hold {tracking_number}"),
        ("https://t.example/{tracking_number}/{order_id}", "nothing else in braces"),
        ("https://t.example/{tracking_number!r}", "nothing else in braces"),
        ("https://t.example/{tracking_number:>9}", "nothing else in braces"),
        ("https://t.example/{tracking_number", "unbalanced braces"),
        ("{tracking_number}", "is not a URL"),
        ("javascript:{tracking_number}", "is not a URL"),
    ],
)
def test_another_tracking_template_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        values.tracking_template(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "  select 1",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "-- orders; all of them\nSELECT 1",
        "/* DELETE\n */ # mysql\n (SELECT 1) UNION (SELECT 2)",
        "SELECT\t1",
    ],
)
def test_reading_query_is_accepted_after_any_comments(text: str) -> None:
    assert values.select(f"{text} ;\n", MARIADB) == text.strip()


@pytest.mark.parametrize("text", ["", "-- SELECT", "/* SELECT", "DELETE FROM x", "SELECTED", "/*SELECT*/ UPDATE x"])
def test_a_query_that_does_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a SELECT"):
        values.select(text, MARIADB)


def test_fault_quotes_at_most_one_line_of_input() -> None:
    with pytest.raises(ValueError, match=r"^'DELETE\\nx{50}\.\.\.' is not a SELECT"):
        values.select("DELETE\n" + "x" * 5000, MARIADB)


def test_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "orders.sql").write_bytes("SELECT 'заказ'".encode("cp1251"))
    with pytest.raises(ValueError, match=r"orders\.sql is not UTF-8"):
        values.sql_file(str(tmp_path / "orders.sql"), MARIADB)


@pytest.mark.parametrize(
    "text", ["https://h", "https://h:8443/a/b?c=d", "http://127.0.0.1:1/x", "HTTPS://[::1]/x", "https://пример.рф/x"]
)
def test_http_url_with_a_host_is_kept_unchanged(text: str) -> None:
    assert urls.imshop_url(text) == text


@pytest.mark.parametrize(
    "text", ["", "h/x", "ftp://h/x", "https://", "https:///x", "https://h:port/x", "https://h:0/x", "https://[::1/x"]
)
def test_what_is_not_an_http_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a URL of the form https://host/path|^holds white space"):
        urls.imshop_url(text)


@pytest.mark.parametrize("text", ["https://h/a b", "https://h/a\n", "https://h/\ta"])
def test_a_url_with_white_space_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="holds white space"):
        urls.imshop_url(text)


@pytest.mark.parametrize(
    ("url", "abroad"),
    [
        ("http://127.0.0.1/x", False),
        ("http://127.9.9.9:8080/x", False),
        ("http://[::1]:8080/x", False),
        ("http://LOCALHOST/x", False),
        ("https://imshop.example/x", False),
        ("http://imshop.example/x", True),
        ("http://10.0.0.1/x", True),
        ("http://localhost.imshop.example/x", True),
        ("http://127.0.0.1@imshop.example/x", True),
    ],
)
def test_plain_http_is_at_home_only_on_loopback(url: str, abroad: bool) -> None:
    assert is_insecure_remote(url) is abroad


@pytest.mark.parametrize("text", ["two words", "ключ", "k\n", "<key>"])
def test_key_that_no_header_can_carry_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no header can carry|placeholder"):
        urls.api_key(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("sqlite:////var/shop.db", "sqlite:////var/shop.db"),
        ("mysql://u:p%40@h:1/x?charset=utf8mb4", "mysql+pymysql://u:p%40@h:1/x?charset=utf8mb4"),
        ("mariadb://h/x", "mariadb+pymysql://h/x"),
        ("postgres:///shop", "postgresql+psycopg:///shop"),
        ("postgresql://h/x", "postgresql+psycopg://h/x"),
        ("POSTGRESQL+PSYCOPG://h/x", "postgresql+psycopg://h/x"),
        ("mssql+pymssql://h/x", "mssql+pymssql://h/x"),
        ("oracle+oracledb://h/?service_name=x", "oracle+oracledb://h/?service_name=x"),
    ],
)
def test_source_url_gets_a_driver_keeping_the_rest(text: str, read: str) -> None:
    assert urls.source_url(text) == read


@pytest.mark.parametrize(
    ("check", "text", "reason"),
    [
        (urls.source_url, "https://u:secret@/api", "is not a URL of the form https://host/path"),
        (urls.source_url, "https://u:secret@shop.example/my orders", "a space in it is written %20"),
        (urls.source_url, "mongodb://u:secret@h/x", "does not start with sqlite://, mysql://"),
        (urls.source_url, "/var/shop.db", "does not start with"),
        (urls.source_url, "mysql+mysqldb://u:secret@h/x", "does not start with"),
        (urls.source_url, "mysql://u:secret@h:secret/x", "is not of the form"),
        (urls.source_url, "mysql://u:<password>@h/x", "placeholder"),
        (urls.source_url, "sqlite://", "is in memory"),
        (urls.source_url, "sqlite://u:secret@h/x", "a file stands behind three slashes"),
        (urls.state_url, "mysql://u:secret@h/x", "does not start with sqlite://, postgresql://, postgres://$"),
        (urls.state_url, "sqlite:///:memory:", "is in memory, where nothing outlives a restart"),
        (urls.state_url, "sqlite:///file:x?mode=memory&uri=true", "is in memory"),
        (urls.state_url, "sqlite:///file::memory:?uri=true", "is in memory"),
    ],
)
def test_another_database_url_is_refused_without_repeating_it(
    check: Callable[[str], str], text: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        check(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h:8443/v1/token?key=x#y", "https://h:8443/***"),
        ("https://user:pass@h/v1", "https://h/***"),
        ("https://h", "https://h/***"),
    ],
)
def test_of_imshops_url_only_the_host_is_shown(url: str, shown: str) -> None:
    assert masking.mask_imshop_url(url) == shown


def test_database_url_hides_its_password_and_query_string() -> None:
    assert masking.mask_database_url("mysql+pymysql://u:p%40@h:1/x?password=y") == "mysql+pymysql://u:***@h:1/x?***"
    assert masking.mask_database_url("sqlite:////var/shop.db") == "sqlite:////var/shop.db"


def test_plain_url_has_no_secret_but_itself() -> None:
    """It has neither a path nor a password."""
    assert [secret for secret in masking.imshop_secrets("https://h") if len(secret) > 1] == ["https://h"]
    assert not any(masking.database_secrets("sqlite:////var/shop.db"))


def test_long_parts_of_a_url_are_secrets() -> None:
    """Long parts of the path and the query are secrets; ordinary words are not."""
    secrets = [*masking.imshop_secrets("https://h/statuses/sync/0123456789ab?sign=ba9876543210&v=1")]
    assert {"0123456789ab", "ba9876543210"} <= {*secrets}
    assert not {"statuses", "sync", "sign"} & {*secrets}


LOGINS = (
    (urls.source_url, "mysql+pymysql://shop:{}@127.0.0.1:3306/x"),
    (urls.source_url, "mssql://shop:{}@127.0.0.1/x"),
    (urls.source_url, "https://shop:{}@127.0.0.1/orders"),
    (urls.source_url, "https://{}@127.0.0.1/orders"),
    (urls.state_url, "postgresql://shop:{}@127.0.0.1:5432/x"),
    (urls.state_url, "postgresql://{}:pw@127.0.0.1:5432/x"),
    (urls.imshop_url, "https://shop:{}@127.0.0.1/v1/x"),
    (call_url, "https://shop:{}@127.0.0.1/v1/{{order_id}}"),
)


@pytest.mark.parametrize(
    "password", ["12@34Tail", "12/34Tail", "12#34Tail", "12?34Tail", "@Tail", "Tail@", "a/b@Tail#?"]
)
@pytest.mark.parametrize(("check", "url"), LOGINS)
def test_ambiguous_password_in_a_url_is_refused_unrepeated(
    check: Callable[[str], str], url: str, password: str
) -> None:
    """The URL could be split inside the password; the fault does not repeat any of it."""
    with pytest.raises(ValueError, match="%40 ") as caught:
        check(url.format(password))
    assert "Tail" not in str(caught.value)
    assert check(url.format(quote(password, safe="")))


@pytest.mark.parametrize("check_and_url", LOGINS[2:4])
def test_backslash_in_a_url_is_refused(
    check_and_url: tuple[Callable[[str], str], str],
) -> None:
    """Some programs end the host at a backslash."""
    check, url = check_and_url
    with pytest.raises(ValueError, match="%5C"):
        check(url.format("pa\\ss"))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=4, max_size=12))
def test_accepted_url_never_shows_its_password(password: str) -> None:
    for check, mask, url in (
        (urls.source_url, masking.mask_source_url, "mysql://shop:{}@127.0.0.1/x"),
        (urls.source_url, masking.mask_source_url, "https://shop:{}@127.0.0.1/orders"),
        (urls.state_url, masking.mask_database_url, "postgresql://shop:{}@127.0.0.1/x"),
    ):
        try:
            accepted = check(url.replace("{}", password))
        except ValueError:
            continue
        assert mask(accepted) in (
            "mysql+pymysql://shop:***@127.0.0.1/x",
            "https://***@127.0.0.1/orders",
            "postgresql+psycopg://shop:***@127.0.0.1/x",
        )
        assert {password, unquote(password)} <= {*masking.source_secrets(accepted)}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/rest/1/s3cr3tt0ken/crm.deal.list", "s3cr3tt0ken"),
        ("/rest/17/allletters/crm.deal.list", "allletters"),
        ("/hooks/T01/B02/plainword", "plainword"),
        ("/api/webhook/short", "short"),
        ("/api/abcdefghijklmnopq/orders", "abcdefghijklmnopq"),
        ("/api/550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
        ("/x/a1b2c3d4/orders", "a1b2c3d4"),
    ],
)
def test_key_in_the_path_is_masked_with_it(path: str, key: str) -> None:
    url = f"https://shop.example{path}"
    assert masking.mask_source_url(url) == "https://shop.example/***"
    assert masking.mask_call_url(f"{url}?a={{order_id}}") == "https://shop.example/***?***"
    redact = Redactor(masking.source_secrets(url))
    assert key not in redact(f"Cannot GET {path}; {url}/x; it said {key}")


@pytest.mark.parametrize(
    "path", ["", "/orders", "/api/v5/orders", "/rest/default/V1/orders", "/oauth2/admin/2024-10", "/{page}/orders.json"]
)
def test_a_path_of_words_is_shown(path: str) -> None:
    assert masking.mask_source_url(f"https://shop.example{path}") == f"https://shop.example{path}"
    assert not [*masking.path_secrets(path)]


def test_key_in_place_of_the_user_is_secret() -> None:
    for login in ("k3y", "k3y:"):
        assert "k3y" in {*masking.source_secrets(f"https://{login}@shop.example/api")}
