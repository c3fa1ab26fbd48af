"""The sandbox as a server: what it can read, what it keeps, how it starts and ends."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import requests

from syncd.errors import SyncdError
from syncd.sandbox import Applied, Failure, Judgement, Kind, Sandbox

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ORDER = {"id": "05671863", "code": "packed", "message": "Готов к выдаче"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(clock=lambda: NOON) as running:
        yield running


def post(sandbox: Sandbox, body: object = ORDER, timeout: float | tuple[float, float] = 5) -> requests.Response:
    return requests.post(sandbox.url, json=body, timeout=timeout)


def raw(sandbox: Sandbox, message: bytes) -> bytes:
    """All that the sandbox sends back before it closes."""
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=5) as connection:
        connection.sendall(message)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in 5 s"
        time.sleep(0.002)


def test_applied_status_is_kept_with_time_and_body(sandbox: Sandbox) -> None:
    post(sandbox)
    assert sandbox.applied == [Applied(NOON, "05671863", "packed", ORDER)]
    assert sandbox.orders == {"05671863": "packed"}


@pytest.mark.parametrize(
    ("message", "status", "fault"),
    [
        (b"\x16\x03\x01\r\n\r\n", b"400", b"without TLS"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400", b"Content-Length is not a number"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411", b"needs a Content-Length"),
        (b"POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n" + b" " * 65537, b"413", b"longer than 65536 bytes"),
        (b"POST / HTTP/1.1\r\nX: " + b"x" * 40_000, b"431", b"the headers are longer"),
    ],
)
def test_unreadable_request_is_answered_and_reported(message: bytes, status: bytes, fault: bytes) -> None:
    told: list[Judgement] = []
    with Sandbox(on_request=lambda _received, judgement: told.append(judgement)) as sandbox:
        answer = raw(sandbox, message)
    assert answer.split()[1] == status
    assert fault in answer
    assert [str(judgement.status).encode() for judgement in told] == [status]


def test_connection_stays_open_until_the_client_closes_it(sandbox: Sandbox) -> None:
    with requests.Session() as session:
        for number in range(5):
            session.post(sandbox.url, json={**ORDER, "id": str(number)}, timeout=5)
    assert (sandbox.requests, sandbox.connections) == (5, 1)
    assert raw(sandbox, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 404")
    assert raw(sandbox, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 404")


def test_request_sent_in_pieces_is_put_together(sandbox: Sandbox) -> None:
    path = urlsplit(sandbox.url).path
    body = b'{"id": "1", "code": "n"}'
    head = f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head + body:
            connection.sendall(bytes([byte]))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def in_threads(count: int, work: Callable[[int], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_requests_in_flight_and_overlaps_are_counted(sandbox: Sandbox) -> None:
    """An overlap is two requests at once for one order."""
    go = threading.Event()
    sandbox.behave = lambda _received: None if go.wait(5) else Failure("drop")
    threads = in_threads(4, lambda number: post(sandbox, {**ORDER, "id": "same" if number < 2 else str(number)}))
    until(lambda: sandbox.in_flight == 4)
    go.set()
    for thread in threads:
        thread.join(5)
    assert (sandbox.in_flight, sandbox.max_in_flight, sandbox.overlaps) == (0, 4, 1)


def test_requests_one_after_the_other_never_overlap(sandbox: Sandbox) -> None:
    def hurry(number: int) -> None:
        with requests.Session() as session:
            for _ in range(50):
                session.post(sandbox.url, json={**ORDER, "id": str(number)}, timeout=5)

    for thread in in_threads(4, hurry):
        thread.join(20)
    assert (sandbox.requests, sandbox.overlaps, sandbox.in_flight) == (200, 0, 0)


@pytest.mark.parametrize("kind", ["timeout", "late", "slow"])
def test_client_that_gave_up_does_not_overlap_itself(sandbox: Sandbox, kind: Kind) -> None:
    sandbox.behave = lambda _received: Failure(kind, seconds=30)
    for _ in range(5):
        with pytest.raises(requests.Timeout):
            post(sandbox, timeout=(5, 0.05))
    until(lambda: sandbox.requests == 5)
    assert (sandbox.overlaps, sandbox.max_in_flight) == (0, 1)


def test_a_request_that_breaks_off_is_none(sandbox: Sandbox) -> None:
    assert raw(sandbox, b"POST / HT") == b""
    assert raw(sandbox, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n{") == b""
    assert sandbox.requests == 0


def test_keep_limits_the_stored_orders_and_statuses() -> None:
    with Sandbox(keep=2) as sandbox:
        for order_id in ("1", "2", "1", "3"):
            post(sandbox, {**ORDER, "id": order_id})
    assert list(sandbox.orders) == ["1", "3"]
    assert [applied.id for applied in sandbox.applied] == ["1", "3"]


@pytest.mark.parametrize("kind", ["timeout", "late", "slow", "drip", "endless"])
def test_stop_cuts_off_waiting_clients_within_a_second(kind: Kind) -> None:
    sandbox = Sandbox(behave=lambda _received: Failure(kind, seconds=60)).start()

    def wait_for_an_answer(_number: int) -> None:
        with contextlib.suppress(requests.RequestException):
            post(sandbox, timeout=30)

    clients = in_threads(3, wait_for_an_answer)
    until(lambda: sandbox.requests == 3)
    started = time.monotonic()
    sandbox.stop()
    until(lambda: not any(thread.name.startswith("sandbox") for thread in threading.enumerate()))
    assert time.monotonic() - started < 1
    for client in clients:
        client.join(5)


def test_stopped_sandbox_restarts_on_the_same_port(sandbox: Sandbox) -> None:
    """While it is stopped, it refuses connections."""
    url = sandbox.url
    with requests.Session() as idle:
        idle.post(url, json=ORDER, timeout=5)
        sandbox.stop()
    with pytest.raises(requests.ConnectionError):
        post(sandbox)
    sandbox.start()
    assert sandbox.url == url
    assert post(sandbox).status_code == 200
    assert sandbox.requests == 2


def test_port_in_use_is_reported_with_a_remedy(sandbox: Sandbox) -> None:
    with pytest.raises(SyncdError, match=rf"cannot listen on 127.0.0.1:{sandbox.port}.*Choose another port"):
        Sandbox(port=sandbox.port).start()
