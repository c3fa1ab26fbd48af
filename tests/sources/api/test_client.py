"""What an API may answer instead of orders, and how it is asked: bounded, paced, and on its own host alone."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd.errors import SourceError
from syncd.http import connections
from syncd.redact import Redactor
from syncd.sources.api import ApiConfig, ApiSource, client
from syncd.sources.api.client import ClientClocks
from tests.imshop.stub import Act, Stub, drip, reply
from tests.sources.api.server import FIELDS, REQUIRED, STYLES, ApiShop
from tests.sources.shop import NOON

ONE = {"orders": [{"id": "1", "status": "new", "changed": "2026-03-02T12:00:00Z"}]}
PUNYCODE = "магазин.рф".encode("idna").decode()
SECRET = "t0ken-t0ken"


@dataclass
class Ticking:
    """A clock that moves only when somebody waits."""

    waited: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=sum(self.waited))

    def clocks(self) -> ClientClocks:
        return ClientClocks(self.now, lambda: sum(self.waited), self.waited.append)


@pytest.fixture
def shop() -> Iterator[ApiShop]:
    with closing(ApiShop(STYLES[0])) as api_shop:
        api_shop.add(("1", "new", NOON))
        yield api_shop


def source_at(url: str, clocks: ClientClocks | None = None, **changes: Any) -> ApiSource:
    api = ApiConfig(
        **{**REQUIRED, "url": url, "items": "orders", "fields": FIELDS, "auth": f"bearer:{SECRET}", **changes}
    )
    return ApiSource(
        api=api,
        timezone=UTC,
        lookback=timedelta(),
        lookback_rows=1000,
        batch=1000,
        redact=Redactor([SECRET]),
        clocks=clocks or Ticking().clocks(),
    )


def read(source: ApiSource) -> list[str]:
    with closing(source):
        return [str(row[0]) for page in source.fetcher.all_orders() for row in page]


def fault_of(*acts: Act, **changes: Any) -> str:
    """What is told of an API that answers so."""
    with Stub(acts=[*acts]) as stub, pytest.raises(SourceError) as caught:
        read(source_at(stub.url, **changes))
    return str(caught.value)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (reply(200, b"<html>Log in</html>", Content_Type="text/html"), "a page of HTML instead of JSON"),
        (reply(200, b" <!doctype html>"), "Check SYNCD_SOURCE__URL and SYNCD_SOURCE__AUTH"),
        (reply(200, b'{"orders": [{"id": 1}'), "are no whole JSON (Expecting ',' delimiter at character 21)"),
        (reply(200, b"[" * 100_000), "are no whole JSON"),
        (reply(200), "answers with nothing (HTTP 200)"),
        (reply(401, b"who?"), "does not accept the login (HTTP 401): who?. Check SYNCD_SOURCE__AUTH and SYNCD_SOURCE_"),
        (reply(403, b"<html>"), "does not accept the login (HTTP 403). Check SYNCD_SOURCE__AUTH"),
        (reply(404), "knows no such page (HTTP 404). Check SYNCD_SOURCE__URL"),
        (reply(400, {"error": f"bad {SECRET}"}), "refuses the request (HTTP 400): bad ***. Check"),
        (reply(501), "failed (HTTP 501). The next poll tries again"),
        (reply(300), "redirects to nowhere (HTTP 300)"),
        (reply(200, {"items": [], "total": 1}), 'API\'s answer, which is an object with "items", "total". Write'),
        (reply(200, {"orders": "x"}), "finds text, not a list, in the API's answer"),
        (reply(200, {"orders": {"1": {}}}), "finds an object, not a list,"),
        (reply(200, b"[1]"), "SYNCD_SOURCE__ITEMS (orders) finds nothing in the API's answer, which is a list of 1"),
        (reply(200, b"null"), "which is null"),
        (reply(200, b"{}"), "which is an empty object"),
        (reply(200, gzip.compress(b"{}", mtime=0)[:-6], Content_Encoding="gzip"), "the compressed answer is cut short"),
        (reply(200, b"\x1f\x8b no gzip"), "compresses its answers in a way that cannot be undone"),
        (reply(200, b"\x1b\x10\xf8", Content_Encoding="br"), "in a way that was not asked for (br). See that no proxy"),
        (reply(200, b"<?xml version='1.0'?><feed/>"), "answers in XML instead of JSON. Ask for JSON"),
    ],
)  # fmt: skip
def test_unusable_answer_names_the_setting_to_check(act: Act, says: str) -> None:
    told = fault_of(act)
    assert says in told
    assert SECRET not in told


def test_unreadable_number_skips_its_order_alone() -> None:
    """NaN, infinity or too many digits cost a field or an order, not the page."""
    orders = [
        '{"id": 1, "status": NaN}',
        '{"id": 2, "status": "a", "sum": -Infinity}',
        f'{{"id": {"9" * 5000}, "status": "a"}}',
        f'{{"id": 4, "status": "a", "weight": {"9" * 5000}}}',
        '{"id": 5, "status": 1e999}',
    ]
    answer = reply(200, f'{{"orders": [{", ".join(orders)}]}}'.encode())
    fields = {"order_id": "id", "status": "status", "payment_id": "sum"}
    with Stub(acts=[answer]) as stub, closing(source_at(stub.url, fields=fields)) as source:
        page = source.sample(0)
    assert [(order.order_id, [one.field for one in order.dropped]) for order in page.orders] == [
        ("2", ["payment_id"]),
        ("4", []),
    ]
    where = "no number that can be read: see what SYNCD_SOURCE__FIELDS__"
    assert [row.detail for row in page.skipped] == [
        f"order 1: status is nan, {where}STATUS (status) leads to",
        f"order without an id: order_id is inf, {where}ORDER_ID (id) leads to",
        f"order 5: status is inf, {where}STATUS (status) leads to",
    ]


def test_failed_request_is_tried_three_times() -> None:
    ticking = Ticking()
    cut = reply(200, json.dumps(ONE).encode()).replace(b"Content-Length: 7", b"Content-Length: 9")

    def drop(connection: socket.socket) -> None:
        connection.sendall(cut)

    with Stub(acts=[drop, reply(500), reply(200, ONE)]) as stub:
        assert read(source_at(stub.url, ticking.clocks())) == ["1"]
    assert ticking.waited == [0.5, 1.0]
    assert "cannot be read" in fault_of(drop)
    assert "failed (HTTP 502). The next poll" in fault_of(reply(502))


def test_nobody_there_is_told_with_the_host() -> None:
    with pytest.raises(SourceError) as caught:
        read(source_at("http://127.0.0.1:1/x"))
    told = "127.0.0.1:1 cannot be read: Connection refused. Check SYNCD_SOURCE__URL, the network and the proxy"
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "act",
    [
        drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
    ],
    ids=["headers", "body"],
)
def test_slowly_dripping_answer_ends_at_the_timeout(act: Act) -> None:
    started = time.monotonic()
    assert "did not answer within SYNCD_SOURCE__TIMEOUT" in fault_of(act, timeout_seconds=0.5)
    assert time.monotonic() - started < 5


def test_headers_that_do_not_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.BoundedResponse, "allowance", 1000)
    told = fault_of(lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 9999 + b"\r\n"))
    assert "cannot be read: the answer does not end" in told


def test_silence_ends_at_the_time_out() -> None:
    def silent(connection: socket.socket) -> None:
        connection.recv(1)

    assert "did not answer within SYNCD_SOURCE__TIMEOUT" in fault_of(silent, timeout_seconds=0.2)


def test_an_answer_that_does_not_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BODY_LIMIT", 1000)
    assert "longer than 32 MiB. Lower SYNCD_SOURCE__BATCH" in fault_of(reply(200, b" " * 2000))
    bomb = gzip.compress(b" " * 5000)
    assert "longer than 32 MiB" in fault_of(reply(200, bomb, Content_Encoding="gzip"))


def test_compressed_answers_are_read(shop: ApiShop) -> None:
    def compressed(answer: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Encoding": "gzip"}
        return {**answer, "headers": headers, "body": gzip.compress(json.dumps(answer["body"]).encode())}

    shop.bend = compressed
    assert read(shop.source()) == ["1"]
    assert shop.received[0]["accept-encoding"] == "gzip"


def test_stated_charset_is_used() -> None:
    body = json.dumps({"orders": [{"id": "Ж", "status": "new"}]}, ensure_ascii=False)
    for charset in ("cp1251", "utf-8"):
        stated = f"application/json; charset={charset}"
        with Stub(acts=[reply(200, body.encode(charset), Content_Type=stated)]) as stub:
            assert read(source_at(stub.url)) == ["Ж"]
    with Stub(acts=[reply(200, b"\xef\xbb\xbf" + body.encode(), Content_Type="application/json; charset=odd")]) as stub:
        assert read(source_at(stub.url)) == ["Ж"]


BUSY = [
    ({"Retry-After": "7"}, 7.0),
    ({"Retry-After": "Mon, 02 Mar 2026 12:00:09 GMT"}, 9.0),
    ({"Retry-After": "Mon, 02 Mar 2026 12:00:05 -0000"}, 5.0),
    ({"Retry-After": "soon"}, 1.0),
    ({}, 1.0),
    ({"X-Wait": "2500", "Retry-After": "60"}, 2.5),
]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("headers", "seconds"), BUSY)
def test_who_asks_to_wait_is_waited_for(status: int, headers: dict[str, str], seconds: float) -> None:
    ticking = Ticking()
    busy = reply(status, b"", **{name.replace("-", "_"): value for name, value in headers.items()})
    with Stub(acts=[busy, reply(200, ONE)]) as stub:
        assert read(source_at(stub.url, ticking.clocks(), retry_after_ms_header="X-Wait")) == ["1"]
    assert sum(ticking.waited) == seconds


def test_long_retry_after_pauses_the_polls() -> None:
    """No request is sent until the time that the API asked for is over."""
    ticking = Ticking()
    with Stub(acts=[reply(429, Retry_After="600"), reply(200, ONE)]) as stub:
        source = source_at(stub.url, ticking.clocks())
        for _ in range(3):
            with pytest.raises(SourceError, match="asks to wait: it is left alone for 600 s before the next"):
                read(source)
        assert len(stub.received) == 1
        ticking.waited.append(600)
        assert read(source) == ["1"]


def test_repeated_retry_after_is_waited_for_twice() -> None:
    ticking = Ticking()
    with (
        Stub(acts=[reply(429, Retry_After="50")]) as stub,
        pytest.raises(SourceError, match="asks to wait: it is left alone for 50 s"),
    ):
        read(source_at(stub.url, ticking.clocks()))
    assert ticking.waited == [50, 50]


def test_busy_without_retry_after_is_reported_as_busy() -> None:
    """The error does not claim that the API asked for the wait."""
    with (
        Stub(acts=[reply(503)]) as stub,
        pytest.raises(SourceError, match=r"is busy \(HTTP 503\): it is left alone for"),
    ):
        read(source_at(stub.url))


def test_a_busy_api_is_told_in_its_words() -> None:
    why = {"error": "OVERLOAD_LIMIT", "error_description": f"blocked: {SECRET}"}
    with (
        Stub(acts=[reply(503, why)]) as stub,
        pytest.raises(
            SourceError, match=r"busy \(HTTP 503\): .*OVERLOAD_LIMIT.*blocked: \*\*\*.*: it is left alone for"
        ),
    ):
        read(source_at(stub.url))


def test_error_of_missing_page_quotes_the_api() -> None:
    told = fault_of(reply(404, {"message": "No entity Document_Order"}))
    assert "knows no such page (HTTP 404): No entity Document_Order. Check SYNCD_SOURCE__URL" in told


@pytest.mark.parametrize("asked", ["0", "Mon, 02 Mar 2026 11:00:00 GMT", "Mon, 02 Mar 99999999999 11:00:00 GMT"])
def test_repeated_tiny_retry_after_is_backed_off(asked: str) -> None:
    ticking = Ticking()
    with Stub(acts=[reply(429, Retry_After=asked)]) as stub, pytest.raises(SourceError, match="it is left alone for"):
        read(source_at(stub.url, ticking.clocks()))
    assert len(stub.received) < 20


def test_retry_after_date_uses_the_apis_clock() -> None:
    ticking = Ticking()
    slow = reply(429, Date="Mon, 02 Mar 2026 08:55:00 GMT", Retry_After="Mon, 02 Mar 2026 08:55:30 GMT")
    with Stub(acts=[slow, reply(200, ONE)]) as stub:
        assert read(source_at(stub.url, ticking.clocks())) == ["1"]
    assert ticking.waited == [30]


@pytest.mark.parametrize("date", ["Mon, 02 Mar 99999999999 11:00:00 GMT", "yesterday", ""])
def test_a_date_that_cannot_be_read_is_none(date: str) -> None:
    with Stub(acts=[reply(200, ONE, Date=date)]) as stub:
        source = source_at(stub.url)
        assert read(source) == ["1"]
        assert source.now() == NOON


def test_requests_keep_to_the_rate(shop: ApiShop) -> None:
    ticking = Ticking()
    source = shop.source(clocks=ticking.clocks(), rate=4.0)
    for _ in range(3):
        read(source)
    assert ticking.waited == [0.25, 0.25]


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"auth": "bearer:abc"}, "Bearer abc"),
        ({"auth": "basic:u:p:q"}, "Basic dTpwOnE="),
        ({"auth": "basic:key"}, "Basic a2V5Og=="),
        ({"headers": {"Authorization": "Shop abc"}}, "Shop abc"),
    ],
)
def test_the_login_is_sent(shop: ApiShop, settings: dict[str, Any], sent: str) -> None:
    read(shop.source(**settings))
    assert shop.received[0]["authorization"] == sent


def test_login_in_url_is_sent_but_not_shown(shop: ApiShop) -> None:
    source = shop.source(url=shop.url.replace("//", "//us%40r:p%3Aw@"))
    read(source)
    assert shop.received[0]["authorization"] == "Basic dXNAcjpwOnc="
    assert "us" not in source.client.base_url


def test_no_cache_may_answer(shop: ApiShop) -> None:
    """It would show former statuses, and buyers would be told them once more."""
    read(shop.source())
    assert shop.received[0]["cache-control"] == "no-cache"


def test_netrc_and_cookies_are_not_used(shop: ApiShop, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login u password p")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    shop.headers = {"Set-Cookie": "session=1; Path=/"}
    source = shop.source()
    read(source)
    read(source)
    assert not {"authorization", "cookie"} & shop.received[1].keys()


def test_proxy_is_bypassed_for_this_machine(shop: ApiShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    assert read(shop.source()) == ["1"]


def test_redirect_on_same_host_keeps_the_login() -> None:
    with Stub(acts=[reply(302, Location="/v2/orders"), reply(200, ONE)]) as stub:
        assert read(source_at(stub.url)) == ["1"]
        assert [one.headers["authorization"] for one in stub.received] == [f"Bearer {SECRET}"] * 2


@pytest.mark.parametrize("body", [gzip.compress(b"", mtime=0), gzip.compress(b"<html>", mtime=0), b"<html>", b""])
def test_a_redirect_is_followed_whatever_its_body_is(body: bytes) -> None:
    with Stub(acts=[reply(302, body, Location="/v2", Content_Encoding="gzip"), reply(200, ONE)]) as stub:
        assert read(source_at(stub.url)) == ["1"]


@pytest.mark.parametrize("location", ["http://localhost:9/x", "https://127.0.0.1/x", "//shop.example/x", "ftp://x/"])
def test_credentials_go_to_no_other_host(location: str) -> None:
    told = fault_of(reply(307, Location=location))
    assert "where the credentials must not go. If that is the shop, write it in SYNCD_SOURCE__URL" in told


def test_next_page_on_another_host_is_refused(shop: ApiShop) -> None:
    shop.bend = lambda answer: {**answer, "headers": {"Link": '<http://127.0.0.2:9/x>; rel="next"'}}
    with pytest.raises(SourceError, match=r"sends to http://127\.0\.0\.2:9, where the credentials must not go"):
        read(shop.source(paging="link"))


def test_redirects_in_a_circle_are_a_fault() -> None:
    assert "redirects in a circle" in fault_of(reply(301, Location="/"))


def test_http_may_redirect_to_https_of_same_host() -> None:
    source = source_at("http://shop.example/orders")
    source.client._check_origin("https://shop.example/orders", "redirects")
    with pytest.raises(SourceError, match="redirects to"):
        source.client._check_origin("https://shop.example:8443/orders", "redirects")


def test_api_without_date_uses_this_machines_clock() -> None:
    ticking = Ticking()
    with Stub(acts=[reply(200, ONE, Date="no date")]) as stub:
        source = source_at(stub.url, ticking.clocks())
        read(source)
        assert source.now() == NOON


def test_an_untrusted_certificate_is_told(tls_stub: Stub) -> None:
    with pytest.raises(SourceError, match=r"cannot be trusted: .*REQUESTS_CA_BUNDLE"):
        read(source_at(tls_stub.url))


def test_unsendable_header_names_the_setting() -> None:
    with pytest.raises(SourceError, match="check SYNCD_SOURCE__URL and SYNCD_SOURCE__HEADERS"):
        read(source_at("http://127.0.0.1:1/", headers={"X": "a\nb"}))


@pytest.mark.parametrize("written", ["магазин.рф", PUNYCODE, f"{PUNYCODE.upper()}.", "магазин.рф:80"])
@pytest.mark.parametrize("leads", [PUNYCODE, f"{PUNYCODE}.", "МАГАЗИН.рф", f"{PUNYCODE}:80"])
@pytest.mark.parametrize("how", ["link", "redirect", "cursor"])
def test_the_own_host_is_known_in_each_spelling(
    shop: ApiShop, monkeypatch: pytest.MonkeyPatch, how: str, written: str, leads: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", shop.url.removesuffix("/orders"))
    second = f"http://{leads}/orders?second"

    def bend(answer: dict[str, Any]) -> dict[str, Any]:
        if "second" in shop.asked[-1]:
            return {**answer, "body": {"orders": []} if how != "redirect" else answer["body"]}
        match how:
            case "redirect":
                return {**answer, "status": 301, "headers": {"Location": second.encode().decode("latin-1")}}
            case "link":
                return {**answer, "headers": {"Link": f'<{second}>; rel="next"'.encode().decode("latin-1")}}
        return {**answer, "body": {**answer["body"], "next": second}}

    shop.bend = bend
    paging = {"redirect": "none"}.get(how, how)
    source = shop.source(url=f"http://{written}/orders", paging=paging, next="next", query_params={})
    assert read(source) == ["1"]
    assert len(shop.asked) == 2


@pytest.mark.parametrize("location", ["http://[broken/", "http://127.0.0.1:port/"])
def test_a_redirect_to_no_url_is_told(location: str) -> None:
    assert "redirects to" in fault_of(reply(302, Location=location))
