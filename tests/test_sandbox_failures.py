"""The ways in which the sandbox misbehaves, as a client meets them."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import requests

from syncd.sandbox import Failure, Kind, PushReceived, Sandbox

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ORDER = {"id": "1", "code": "packed"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(clock=lambda: NOON) as running:
        yield running


def meet(sandbox: Sandbox, failure: Failure, *, follow: bool = False) -> requests.Response:
    """One push that meets this failure."""
    sandbox.behave = lambda _received: failure
    return requests.post(sandbox.url, json=ORDER, timeout=5, allow_redirects=follow)


@pytest.mark.parametrize("status", [300, 304, 400, 404, 429, 500, 503, 599])
def test_http_failure_applies_nothing_and_keeps_the_connection(sandbox: Sandbox, status: int) -> None:
    with requests.Session() as session:
        for _ in range(2):
            sandbox.behave = lambda _received: Failure("http", status=status)
            assert session.post(sandbox.url, json=ORDER, timeout=5, allow_redirects=False).status_code == status
    assert sandbox.applied == []
    assert sandbox.connections == 1


def test_http_failure_is_json_or_a_web_page(sandbox: Sandbox) -> None:
    assert meet(sandbox, Failure("http", status=502)).json()["success"] is False
    page = meet(sandbox, Failure("http", status=502, body="html"))
    assert (page.status_code, page.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert page.text.startswith("<!DOCTYPE html>")


def test_retry_after_is_in_seconds_or_a_date(sandbox: Sandbox) -> None:
    assert meet(sandbox, Failure("http", status=429, retry_after=7)).headers["Retry-After"] == "7"
    dated = meet(sandbox, Failure("http", status=503, retry_at=60))
    assert dated.headers["Retry-After"] == "Wed, 01 May 2024 12:01:00 GMT"


def test_redirect_leads_elsewhere_and_followers_are_counted(sandbox: Sandbox) -> None:
    answer = meet(sandbox, Failure("redirect"))
    assert (answer.status_code, urlsplit(answer.headers["Location"]).port) == (302, sandbox.port)
    assert sandbox.followed == 0
    meet(sandbox, Failure("http", status=307), follow=True)
    assert sandbox.followed == 1
    assert sandbox.applied == []


def test_refuse_answers_success_false(sandbox: Sandbox) -> None:
    answer = meet(sandbox, Failure("refuse"))
    assert (answer.status_code, answer.json()["success"]) == (200, False)
    assert sandbox.applied == []


def test_othercode_applies_and_answers_with_another_status(sandbox: Sandbox) -> None:
    answer = meet(sandbox, Failure("othercode", code="returned")).json()
    assert (answer["success"], answer["newStatus"]) == (True, "returned")
    assert sandbox.orders == {"1": "packed"}


def test_nosuccess_answers_json_without_the_success_field(sandbox: Sandbox) -> None:
    answer = meet(sandbox, Failure("nosuccess")).json()
    assert "success" not in answer
    assert answer["newStatus"] == "packed"
    assert sandbox.applied == []


def test_html_answers_200_with_a_web_page(sandbox: Sandbox) -> None:
    answer = meet(sandbox, Failure("html"))
    assert (answer.status_code, answer.text[:15]) == (200, "<!DOCTYPE html>")
    assert sandbox.applied == []


def test_badjson_applies_and_its_json_breaks_off(sandbox: Sandbox) -> None:
    answer = meet(sandbox, Failure("badjson"))
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert sandbox.orders == {"1": "packed"}


@pytest.mark.parametrize("kind", ["http", "nosuccess", "html"])
def test_failure_can_be_told_to_apply_anyway(sandbox: Sandbox, kind: Kind) -> None:
    meet(sandbox, Failure(kind, applied=True))
    assert sandbox.orders == {"1": "packed"}


def test_drop_closes_without_an_answer_and_without_applying(sandbox: Sandbox) -> None:
    with pytest.raises(requests.ConnectionError, match="without response"):
        meet(sandbox, Failure("drop"))
    assert sandbox.applied == []


def test_cut_before_the_answer_has_applied(sandbox: Sandbox) -> None:
    with pytest.raises(requests.ConnectionError, match="without response"):
        meet(sandbox, Failure("cut", at="before"))
    assert sandbox.orders == {"1": "packed"}


def test_cut_sends_the_head_and_half_the_body(sandbox: Sandbox) -> None:
    sandbox.behave = lambda _received: Failure("cut")
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    connection.request(
        "POST", urlsplit(sandbox.url).path, b'{"id":"1","code":"n"}', {"Content-Type": "application/json"}
    )
    answer = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead) as cut:
        answer.read()
    connection.close()
    assert cut.value.partial.startswith(b'{"success": true')
    assert sandbox.orders == {"1": "n"}


def test_timeout_closes_after_a_while_without_applying(sandbox: Sandbox) -> None:
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        meet(sandbox, Failure("timeout", seconds=0.2))
    assert time.monotonic() - started >= 0.2
    assert sandbox.applied == []


@pytest.mark.parametrize("kind", ["slow", "late", "drip"])
def test_slow_late_and_drip_answer_after_a_while(kind: Kind) -> None:
    """Only `slow` applies as late as it answers."""
    with Sandbox() as sandbox:
        started = datetime.now(UTC)
        answer = meet(sandbox, Failure(kind, seconds=0.4))
        took = datetime.now(UTC) - started
        [applied] = sandbox.applied
    assert answer.json()["success"] is True
    assert took > timedelta(seconds=0.35)
    assert (applied.at - started > timedelta(seconds=0.35)) is (kind == "slow")


def test_slow_applies_even_after_its_client_has_gone(sandbox: Sandbox) -> None:
    sandbox.behave = lambda _received: Failure("slow", seconds=1.0)
    with pytest.raises(requests.Timeout):
        requests.post(sandbox.url, json=ORDER, timeout=0.05)
    assert sandbox.applied == []
    deadline = time.monotonic() + 5
    while not sandbox.applied and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sandbox.orders == {"1": "packed"}


def test_drip_sends_the_answer_byte_by_byte(sandbox: Sandbox) -> None:
    sandbox.behave = lambda _received: Failure("drip", seconds=0.3)
    body = b'{"id": "1", "code": "packed"}'
    head = f"POST {urlsplit(sandbox.url).path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        pieces = list(iter(lambda: connection.recv(65536), b""))
    assert b"".join(pieces).startswith(b"HTTP/1.1 ")
    assert len(pieces) > 100


def test_endless_body_lasts_until_the_client_leaves(sandbox: Sandbox) -> None:
    sandbox.behave = lambda _received: Failure("endless", seconds=30)
    with requests.post(sandbox.url, json=ORDER, timeout=5, stream=True) as answer:
        assert len(answer.raw.read(1_000_000)) == 1_000_000
    deadline = time.monotonic() + 5
    while sandbox.in_flight and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sandbox.in_flight == 0


def test_an_endless_body_is_closed_after_its_time(sandbox: Sandbox) -> None:
    started = time.monotonic()
    assert meet(sandbox, Failure("endless", seconds=0.2)).text.endswith("x")
    assert time.monotonic() - started < 3


def test_failure_does_not_apply_a_faulty_request_either(sandbox: Sandbox) -> None:
    sandbox.behave = lambda _received: Failure("late", seconds=0)
    answer = requests.post(sandbox.url, json={"id": "1"}, timeout=5)
    assert answer.status_code == 400
    assert sandbox.applied == []


def test_failure_may_depend_on_the_request(sandbox: Sandbox) -> None:
    def second_fails(received: PushReceived) -> Failure | None:
        return Failure("http", status=503) if received.number == 2 and received.order_id == "1" else None

    sandbox.behave = second_fails
    assert [requests.post(sandbox.url, json=ORDER, timeout=5).status_code for _ in range(3)] == [200, 503, 200]
