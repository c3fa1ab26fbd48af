"""The shop's own HTTP call, against a real server."""

from __future__ import annotations

import gzip
import json
import ssl
import zlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from syncd.cancel.by_http import HttpCall, HttpCanceller
from syncd.cancel.interface import NO_SUCH_ORDER
from syncd.cancel.protocol import NOT_KNOWN
from syncd.errors import CancelError
from syncd.model import CancelDecision
from syncd.redact import Redactor
from tests.cancel.shops import HttpServer, cancellation, served

NASTY = "a\"b'c\\d/../e&f=g?h#i\r\nX-Evil: 1;{order_id}$(id)`id`%00|"
ACCEPTED = CancelDecision("accepted")

REFUSED = (409, 410, 422)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with served(HttpServer()) as server:
        yield server


def shop(server: HttpServer, path: str = "/orders/{order_id}/cancel", **given: Any) -> HttpCanceller:
    return HttpCanceller(HttpCall(**{"url": server.url + path, "method": "POST", "refused": REFUSED, **given}), str)


def failure(shop: HttpCanceller, seconds: float = 5.0, **given: Any) -> CancelError:
    with pytest.raises(CancelError) as caught:
        shop.cancel(cancellation(**given), seconds)
    return caught.value


def test_call_carries_all_fields_and_the_token(server: HttpServer) -> None:
    assert shop(server).cancel(cancellation(shop_id="348"), 5) == ACCEPTED
    (made,) = server.calls
    assert (made.method, made.path) == ("POST", "/orders/7/cancel")
    assert made.json() == {"id": "token-1", "order_id": "7", "shop_id": "348", "uuid": "u-7", "reason": "Передумал"}
    assert made.headers["Idempotency-Key"] == "token-1"
    assert made.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_method_without_a_body_sends_none(server: HttpServer, method: str) -> None:
    assert shop(server, method=method).cancel(cancellation(), 5) == ACCEPTED
    assert (server.calls[0].method, server.calls[0].body) == (method, b"")


def test_shop_id_replaces_its_placeholder(server: HttpServer) -> None:
    by_key = shop(server, "/orders/{shop_id}", method="PUT", body='{"status": "cancelled"}')
    assert by_key.wants_shop_id
    assert by_key.cancel(cancellation(shop_id="348"), 5) == ACCEPTED
    assert server.calls[0].path == "/orders/348"


def test_no_value_leaves_its_place(server: HttpServer) -> None:
    made = shop(
        server,
        "/o/{order_id}?why={reason}",
        headers={"X-Order": "no {order_id}", "X-Why": "{reason}; a=b"},
        body='{"order": ["{order_id}"], "why": "because {reason}", "n": 1.10}',
    )
    made.cancel(cancellation(NASTY, reason="Ж" + NASTY), 5)
    (call,) = server.calls
    assert call.path.startswith("/o/a%22b%27c%5Cd%2F..%2Fe%26f%3Dg%3Fh%23i%0D%0AX-Evil%3A%201%3B")
    assert call.path.count("?") == 1
    assert "X-Evil" not in call.headers
    assert call.headers["X-Why"].startswith("%D0%96a%22b%27c")
    assert call.headers["X-Why"].endswith("; a=b")
    assert call.json() == {"order": [NASTY], "why": "because Ж" + NASTY, "n": 1.10}
    assert b"1.10" in call.body


def test_a_form_is_quoted_as_a_form(server: HttpServer) -> None:
    shop(server, body="order={order_id}&why={reason}").cancel(cancellation(reason="a&b=c d"), 5)
    assert server.calls[0].body == b"order=7&why=a%26b%3Dc+d"
    assert server.calls[0].headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("path", "body", "order_id", "uuid"),
    [
        ("/{order_id}", None, None, "u"),
        ("/{order_id}", None, "..", "u"),
        ("/", '["{order_id}"]', "..", "u"),
    ],
)
def test_order_without_identifier_is_refused_without_a_call(
    server: HttpServer, path: str, body: str | None, order_id: str | None, uuid: str | None
) -> None:
    decision = shop(server, path, body=body).cancel(cancellation(order_id, uuid), 5)
    assert (decision, server.calls) == (NO_SUCH_ORDER, [])


@pytest.mark.parametrize(
    ("path", "body"), [("/{uuid}", None), ("/{order_id}/{uuid}", None), ("/", '["{uuid}"]'), ("/", "n={uuid}")]
)
def test_order_lacking_a_placeholders_value_fails(server: HttpServer, path: str, body: str | None) -> None:
    error = failure(shop(server, path, body=body), uuid=None)
    assert "order 7 has no uuid, and the shop's call asks for it" in str(error)
    assert (error.in_doubt, server.calls) == (False, [])


@pytest.mark.parametrize(("path", "body"), [("/?ids=1,{order_id}", None), ("/", "o=Order {order_id}")])
def test_value_that_could_alter_the_call_fails(server: HttpServer, path: str, body: str | None) -> None:
    """Where other text stands beside the placeholder, a value with blanks is not sent."""
    error = failure(shop(server, path, body=body), order_id="7 OR 1")
    assert "order 7 OR 1: {order_id} stands beside other text" in str(error)
    assert (error.in_doubt, server.calls) == (False, [])


REASON = "Уже в пути"
JSON = json.dumps({"message": REASON}, ensure_ascii=False)
ZIPPED = [gzip.compress(part, mtime=0) for part in (JSON.encode()[:9], JSON.encode()[9:])]


@pytest.mark.parametrize(
    ("content_type", "answer", "message"),
    [
        ("application/json", JSON.encode(), REASON),
        ("application/json", b'{"message": "late\\n now"}', "late now"),
        ("application/json", b'{"error": "late"}', "late"),
        ("application/json", b'{"message": "<b>late</b>&nbsp;now<script>x</script>"}', "late now"),
        ("application/json; charset=windows-1251", JSON.encode("cp1251"), REASON),
        ("application/json", b"\xef\xbb\xbf" + JSON.encode(), REASON),
        ("text/plain; charset=utf-8", REASON.encode(), REASON),
        ("text/plain; charset=windows-1251", REASON.encode("cp1251"), REASON),
        ("text/plain; charset=none-such", REASON.encode(), REASON),
        ("text/plain", b"x" * 300, "x" * 200),
        ("application/json", b'["late"]', None),
        ("application/json", b'{"message": {"ru": "late"}}', None),
        ("application/json", b'"late"', None),
        ("application/json", b"{", None),
        ("application/json", b"[" * 60_000, None),
        ("text/html", b"<p>no</p>", None),
        ("text/html; charset=UTF-8", JSON.encode(), REASON),
        ("text/plain", JSON.encode(), REASON),
        ("", JSON.encode(), REASON),
        ("text/plain", b'{"code": 3}', None),
        ("text/plain", b'{"message": "late"', None),
        ("text/plain", b'Warning: x in y\n{"message": "late"}', None),
        ("text/plain", REASON.encode("cp1251"), REASON),
        ("application/json", JSON.encode("cp1251"), REASON),
        ("text/plain; charset=windows-1251", b"late\x98", None),
        ("text/plain", b"<html>no</html>", None),
    ],
)
def test_a_refusal_is_told_in_the_shops_words(
    server: HttpServer, content_type: str, answer: bytes, message: str | None
) -> None:
    server.status, server.answer, server.content_type = 409, answer, content_type
    assert shop(server).cancel(cancellation(), 5) == CancelDecision("refused", message=message)


@pytest.mark.parametrize(
    ("coding", "answer", "message"),
    [
        ("gzip", gzip.compress(JSON.encode(), mtime=0), REASON),
        ("gzip", ZIPPED[0] + ZIPPED[1] + b"\0\0", REASON),
        ("deflate", zlib.compress(JSON.encode()), REASON),
        ("UTF-8", JSON.encode(), REASON),
        ("none", JSON.encode(), REASON),
        ("", JSON.encode(), REASON),
        ("gzip", gzip.compress(JSON.encode(), mtime=0)[:-9], None),
        ("gzip", JSON.encode(), REASON),
        ("gzip", gzip.compress(bytes(10_000_000), mtime=0), None),
        ("identity", b"x" * 10_000_000, None),
    ],
)
def test_refusal_text_may_be_compressed_and_is_bounded(
    server: HttpServer, coding: str, answer: bytes, message: str | None
) -> None:
    server.status, server.answer, server.more = 422, answer, {"Content-Encoding": coding}
    assert shop(server).cancel(cancellation(), 5) == CancelDecision("refused", message=message)


def test_the_codes_of_a_refusal_can_be_others(server: HttpServer) -> None:
    server.status, server.answer = 400, b'{"errorMsg": "late"}'
    refusing = shop(server, refused=(400,), reason="errorMsg")
    assert refusing.cancel(cancellation(), 5) == CancelDecision("refused", message="late")


def test_order_unknown_to_the_shop_is_refused(server: HttpServer, caplog: pytest.LogCaptureFixture) -> None:
    """A warning is logged, for the call's address may be wrong."""
    server.status, server.answer = 404, b'{"message": "no route"}'
    decision = shop(server).cancel(cancellation(), 5)
    assert (decision.state, decision.message) == ("refused", NOT_KNOWN)
    assert "no route" in str(decision.error)
    assert [(entry.levelname, entry.message) for entry in caplog.records] == [
        ("WARNING", "cancellation_of_unknown_order")
    ]


@pytest.mark.parametrize(
    ("status", "in_doubt"),
    [(302, False), (400, False), (401, False), (403, False), (405, False), (429, False), (500, True), (503, True)],
)
def test_other_codes_are_failures_with_the_text(server: HttpServer, status: int, *, in_doubt: bool) -> None:
    server.status, server.answer = status, b'{"message": "the key is secret-key"}'
    error = failure(
        HttpCanceller(
            HttpCall(url=server.url + "/{order_id}", method="POST", refused=REFUSED), Redactor(["secret-key"])
        )
    )
    assert f"HTTP {status}" in str(error)
    assert "the key is ***" in str(error)
    assert error.in_doubt is in_doubt


@pytest.mark.parametrize(
    ("success", "answer", "decision"),
    [
        ("success", b'{"success": true}', ACCEPTED),
        ("@", b"true", ACCEPTED),
        ("status == 'cancelled'", b'{"status": "cancelled"}', ACCEPTED),
        ("ok", b'{"ok": 1}', ACCEPTED),
        ("success", b'{"success": false, "why": "late"}', CancelDecision("refused", message="late")),
        ("success", b'{"why": "<i>late</i>"}', CancelDecision("refused", message="late")),
        ("@", b"false", CancelDecision("refused")),
        ("status == 'cancelled'", b'{"status": "done"}', CancelDecision("refused")),
    ],
)
def test_a_yes_is_what_the_answer_says(
    server: HttpServer, success: str, answer: bytes, decision: CancelDecision
) -> None:
    server.answer = answer
    assert shop(server, success=success, reason="why").cancel(cancellation(), 5) == decision


@pytest.mark.parametrize("content_type", ["text/html; charset=UTF-8", "text/plain"])
def test_json_is_read_whatever_it_is_called(server: HttpServer, content_type: str) -> None:
    server.content_type = content_type
    server.answer = b'{"ok": true}'
    assert shop(server, success="ok", reason="why").cancel(cancellation(), 5) == ACCEPTED
    server.answer = b'{"ok": false, "why": "late"}'
    refused = CancelDecision("refused", message="late")
    assert shop(server, success="ok", reason="why").cancel(cancellation(), 5) == refused


@pytest.mark.parametrize(
    "answer",
    [b"", b"{", b"true", b'"done"', b"<html>log in</html>", b'{"success": "perhaps"}', b"[]", b" " * 2_000_000],
)
def test_unclear_answer_is_failure_in_doubt(server: HttpServer, answer: bytes) -> None:
    server.answer = answer
    error = failure(shop(server, success="success", reason="why"))
    assert "SYNCD_CANCEL__SUCCESS" in str(error) or "1 MiB" in str(error)
    assert error.in_doubt


def test_words_that_cannot_be_found_are_none(server: HttpServer) -> None:
    server.answer = b'{"ok": false, "code": 7}'
    assert shop(server, success="ok", reason="length(code)").cancel(cancellation(), 5) == CancelDecision("refused")


def test_without_condition_any_2xx_is_acceptance(server: HttpServer) -> None:
    """The body does not matter."""
    server.status, server.answer, server.more = 201, b"no gzip at all", {"Content-Encoding": "gzip"}
    assert shop(server).cancel(cancellation(), 5) == ACCEPTED


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        ({"auth": "basic:user:pa:ss"}, "Basic " + b64encode(b"user:pa:ss").decode()),
        ({"auth": "bearer:token"}, "Bearer token"),
        ({"headers": {"authorization": "Bearer own"}}, "Bearer own"),
        ({}, None),
    ],
)
def test_a_login_is_sent(server: HttpServer, call: dict[str, Any], sent: str | None) -> None:
    shop(server, **call).cancel(cancellation(), 5)
    assert server.calls[0].headers.get("Authorization") == sent


def test_a_login_in_the_address_is_used(server: HttpServer) -> None:
    server.url = server.url.replace("http://", "http://user:p%40ss@")
    shop(server).cancel(cancellation(), 5)
    assert server.calls[0].headers["Authorization"] == "Basic " + b64encode(b"user:p@ss").decode()


def test_unreachable_shop_is_failure_without_doubt() -> None:
    error = failure(shop(HttpServer(url="http://127.0.0.1:1")))
    assert "127.0.0.1 cannot be reached: Connection refused" in str(error)
    assert not error.in_doubt


def test_unknown_host_error_hides_the_url() -> None:
    error = failure(
        HttpCanceller(HttpCall(url="http://shop.invalid/{order_id}?token=secret", method="POST", refused=REFUSED), str)
    )
    assert "shop.invalid cannot be reached" in str(error)
    assert "secret" not in str(error)


def test_slow_shop_is_failure_in_doubt(server: HttpServer) -> None:
    server.seconds = 1
    error = failure(shop(server), seconds=0.2)
    assert "did not answer" in str(error)
    assert error.in_doubt


def test_this_machine_is_called_without_the_environments_proxy(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert shop(server).cancel(cancellation(), 5) == ACCEPTED
    near = HttpServer(url=server.url.replace("127.0.0.1", "localhost"))
    assert shop(near).cancel(cancellation(), 5) == ACCEPTED


def test_remote_host_is_called_through_the_proxy(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    assert shop(HttpServer(url="http://shop.example")).cancel(cancellation(), 5) == ACCEPTED
    assert server.calls[0].path == "http://shop.example/orders/7/cancel"


def test_certificate_is_checked_against_environments_bundle(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    error = failure(shop(HttpServer(url=server.url.replace("http:", "https:"))))
    assert "cannot be reached" in str(error) or "did not answer" in str(error)
    assert ssl  # the bundle is missing: nothing is sent over a connection that nobody vouches for
    assert server.calls == []
