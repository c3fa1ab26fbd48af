"""What the HTTP clients share: addresses, encodings, and an answer's own words."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from urllib3 import HTTPResponse

from syncd.http.addresses import ascii_host, is_insecure_remote, is_loopback, origin, shown
from syncd.http.bodies import BodyTooLongError, decode_text, is_html, parse_json, read_body
from syncd.http.connections import Route, causes, root_cause
from syncd.http.error_messages import message_in, message_in_text, reports_error
from syncd.http.headers import retry_after_seconds

zipped = partial(gzip.compress, mtime=0)
PUNYCODE = "магазин.рф".encode("idna").decode()
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "spelling",
    [
        "https://магазин.рф/a",
        "HTTPS://МАГАЗИН.РФ",
        f"https://{PUNYCODE}/b",
        f"https://{PUNYCODE.upper()}.:443?c",
        "https://u:p@магазин。рф.",
    ],
)
def test_a_host_is_the_same_in_each_spelling(spelling: str) -> None:
    assert origin(spelling) == ("https", PUNYCODE, 443)


@pytest.mark.parametrize(
    "other", [f"http://{PUNYCODE}", f"https://www.{PUNYCODE}", f"https://{PUNYCODE}:444", "https://магазин.com"]
)
def test_another_host_scheme_or_port_is_another(other: str) -> None:
    assert origin(other) != origin("https://магазин.рф")


@pytest.mark.parametrize("host", ["my_shop.example", "-a.example", "", "xn--.example", "\ud800.рф"])
def test_unregistrable_host_stays_as_it_is(host: str) -> None:
    assert ascii_host(host) == ascii_host(ascii_host(host))


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("LocalHost.", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_plain_http_to_another_machine_is_insecure() -> None:
    assert is_insecure_remote("HTTP://shop.example/")
    assert not is_insecure_remote("http://LOCALHOST.:80/")
    assert not is_insecure_remote("https://shop.example/")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://u:p@Магазин.рф:8443/t", "магазин.рф:8443"),
        ("http://[::1]:80/", "[::1]:80"),
        ("/path", "nowhere"),
    ],
)
def test_a_host_is_shown_without_its_login(url: str, host: str) -> None:
    assert shown(url) == host


@pytest.mark.parametrize("exempt", ["магазин.рф", PUNYCODE])
@pytest.mark.parametrize("url", ["http://магазин.рф:8080/a", f"http://{PUNYCODE}:8080/a"])
def test_no_proxy_knows_a_host_in_each_spelling(monkeypatch: pytest.MonkeyPatch, url: str, exempt: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "other.example")
    assert Route.to(url).proxies["http"] == "http://proxy.example:3128"
    monkeypatch.setenv("NO_PROXY", exempt)
    assert not Route.to(url).proxies


def test_invalid_host_name_has_a_way_without_proxy() -> None:
    assert not Route.to("http://xn--a-ecp.ru/").proxies
    assert not Route.to("http://xn--0/").proxies


def test_the_cause_lies_under_all_others() -> None:
    inner, outer = OSError(111, "Connection refused"), ValueError("quotes the URL")
    outer.__cause__ = inner
    assert [*causes(outer)] == [outer, inner]
    assert root_cause(outer) == (inner, "Connection refused")


TEXT = '{"message": "Заказ собран, №5 «Ёж»"}'


def read(body: bytes, headers: Mapping[str, str], limit: int = 10_000) -> str:
    response = HTTPResponse(io.BytesIO(body), headers=headers, preload_content=False, decode_content=False)
    return decode_text(read_body(response, limit), headers)


@pytest.mark.parametrize(
    ("body", "stated"),
    [
        *((TEXT.encode("utf-8"), stated) for stated in ("", "utf-8", "windows-1251", "iso-8859-1", "utf-16", "odd")),
        *((TEXT.encode("cp1251"), stated) for stated in ("", "utf-8", "windows-1251", "iso-8859-1", "win-1251", "hex")),
        (TEXT.encode("koi8-r", "ignore"), "koi8-r"),
        (TEXT.encode("utf-8-sig"), "windows-1251"),
        (b"\xef\xbb\xbf\r\n" + TEXT.encode("utf-8-sig"), ""),
        (TEXT.encode("utf-16"), ""),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-8"),
        (TEXT.encode("utf-16-le"), "utf-8"),
        (TEXT.encode("utf-16-be"), ""),
        (TEXT.encode("utf-32"), ""),
    ],
)
def test_a_charset_is_seen_or_stated_or_guessed(body: bytes, stated: str) -> None:
    headers = {"Content-Type": f"application/json; charset={stated}" if stated else "application/json"}
    found = read(body, headers)
    assert found == (TEXT if stated != "koi8-r" else body.decode("koi8-r"))


def test_letter_cut_in_two_is_replaced_alone() -> None:
    cut = "Заказ соб".encode() + b"\xd1" + b'"'
    assert read(cut, {}) == 'Заказ соб\ufffd"'


def test_western_letters_are_read_where_they_are_stated() -> None:
    assert read("Café à Liège".encode("latin-1"), {"Content-Type": "text/plain; charset=ISO-8859-1"}) == "Café à Liège"


GZIP = {"Content-Encoding": "gzip"}
BODY = TEXT.encode()


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (zipped(BODY), "gzip"),
        (zipped(BODY), "x-gzip"),
        (zipped(BODY), "UTF-8"),
        (zipped(BODY), ""),
        (zipped(BODY[:7]) + zipped(b"") + zipped(BODY[7:]), "gzip"),
        (zipped(BODY) + b"\0" * 9, "gzip"),
        (zipped(BODY[:7]) + b"\0\0" + zipped(BODY[7:]), "gzip"),
        (zipped(BODY) + b"<!-- cached -->", "gzip"),
        (zipped(zipped(BODY)), "gzip, gzip"),
        (zipped(zlib.compress(BODY)), "deflate, gzip"),
        (zlib.compress(BODY), "deflate"),
        (zlib.compress(BODY, 1), "Deflate, utf-8"),
        (zlib.compress(BODY)[2:-4], "deflate"),
        (zlib.compress(BODY) + b"more", "deflate"),
        (BODY, "deflate"),
        (BODY, "gzip"),
        (BODY, "none"),
    ],
)
def test_body_is_decoded_by_its_actual_bytes(body: bytes, coding: str) -> None:
    assert read(body, {"Content-Encoding": coding}) == TEXT


class Dripping(io.BytesIO):
    """A socket that gives one byte at a time."""

    def read1(self, _size: int | None = -1, /) -> bytes:
        return super().read(1)


def test_a_body_may_come_byte_by_byte() -> None:
    stream = Dripping(zipped(BODY[:7]) + zipped(BODY[7:]) + b"\x1f")
    response = HTTPResponse(stream, preload_content=False, decode_content=False)
    assert read_body(response, 1000) == BODY


@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_short_body_is_no_compressed_one(size: int) -> None:
    for coding in ("gzip", "deflate"):
        assert read(b"{}"[:size], {"Content-Encoding": coding}) == "{}"[:size]


@pytest.mark.parametrize("body", [zipped(b" " * 5000), zipped(zipped(b" " * 5000)), b" " * 1001])
def test_decoded_body_has_a_limit(body: bytes) -> None:
    with pytest.raises(BodyTooLongError):
        read(body, {}, limit=1000)


@pytest.mark.parametrize(
    ("body", "coding", "error"),
    [
        (zipped(BODY)[:-9], "gzip", ConnectionError),
        (zlib.compress(BODY)[:-6], "deflate", ConnectionError),
        (b"\x1f\x8b no gzip", "gzip", zlib.error),
        (b"no deflate", "deflate", zlib.error),
    ],
)
def test_a_broken_body_is_no_text(body: bytes, coding: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(body, {"Content-Encoding": coding})


def test_json_under_the_name_of_html_is_json() -> None:
    html = {"Content-Type": "text/html"}
    assert [is_html(text, html) for text in ('{"a": 1}', "[]", "{{ page }}", "<p>")] == [False, False, True, True]
    assert not is_html("plain", {})


def test_numbers_that_are_none_are_not_finite() -> None:
    assert repr(parse_json(f"[NaN, -Infinity, {'9' * 5000}]")) == "[nan, -inf, inf]"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "9" * 30}, 24 * 3600),
        ({"Retry-After": "Mon, 02 Mar 2026 12:00:30 GMT"}, 30),
        ({"Retry-After": "Monday, 02-Mar-26 12:00:30 GMT"}, 30),
        ({"Retry-After": "Mon, 02 Mar 2026 11:59:30 GMT"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "soon"}, None),
        ({"X-Wait": "1500", "Retry-After": "9"}, 1.5),
        ({"X-Wait": "x", "Retry-After": "9"}, 9),
        ({}, None),
    ],
)
def test_how_long_an_answer_asks_to_wait(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, NOON, "X-Wait") == seconds


@pytest.mark.parametrize(
    "content",
    [
        {"success": False, "errorMsg": "Доступ закрыт"},
        {"success": "false"},
        {"ok": 0, "description": "x"},
        {"error": "x"},
        {"error": {"code": 7}},
        {"errors": [{"error": "x", "code": 1056}]},
        {"odata.error": {"code": "8", "message": {"lang": "ru", "value": "x"}}},
        {"status": "error", "message": "x"},
        {"response": {"hasErrors": True}},
        {"ОШИБКА": "x"},
        {"fault": {"faultstring": "x"}},
        {"code": 401, "message": "x"},
        {"meta": {"statusCode": "503"}},
        {"status": "denied"},
    ],
)
def test_an_error_is_seen_in_each_usual_form(content: Any) -> None:
    assert reports_error(content)


@pytest.mark.parametrize(
    "content",
    [
        {"success": True, "errors": [], "error": None, "errorMsg": "", "orders": []},
        {"error": 0, "errors": {}, "errorCode": 5, "ok": 1},
        {"error": {"code": 0, "message": "OK"}},
        {"error": {"code": 0, "message": "Нет ошибок"}, "errorMessage": "No errors"},
        {"code": 200, "status": 404, "orders": []},
        {"status": "paid", "result": {"orders": []}, "state": "active"},
        [],
        [{"error": "x"}],
        None,
    ],
)
def test_what_says_no_error_is_none(content: Any) -> None:
    assert not reports_error(content)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r'{"success": false, "errorMsg": "\u0417\u0430\u043a\u0440\u044b\u0442\u043e"}', "Закрыто"),
        ('{"errors": [{"error": "Ошибка аутентификации", "code": 1056}]}', "Ошибка аутентификации"),
        ('{"odata.error": {"code": "8", "message": {"lang": "ru", "value": "Нет прав"}}}', "Нет прав"),
        ('{"error": "LIMIT", "error_description": "Too many"}', "LIMIT; Too many"),
        ('{"errorMsg": "Bad", "errors": {"filter": ["is odd", "is old"]}}', "Bad; filter: is odd; filter: is old"),
        ('[{"message": "a"}, {"message": "a"}]', "a"),
        (r'{"code": "\u0436"}', '{"code": "ж"}'),
        ("no JSON \\u0436", "no JSON \\u0436"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_an_answer_is_told_in_its_own_words(text: str, words: str) -> None:
    assert message_in_text(text) == words


def test_a_deep_error_is_still_one() -> None:
    content: Any = "x"
    for _ in range(800):
        content = [content]
    assert reports_error({"error": content})
    assert message_in({"message": "told", "error": content}) == "told"
