"""The exchange when the server misbehaves."""

from __future__ import annotations

import gzip
import logging
import socket
import traceback
from contextlib import closing, suppress
from threading import Barrier, Event, Thread
from time import monotonic

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.errors import PushError
from syncd.http.connections import BoundedReader, set_timeout
from syncd.model import Answer
from tests.imshop.stub import (
    BOUND,
    SENT_WITHOUT_ANSWER,
    TAKEN,
    Act,
    Stub,
    a_push,
    an_imshop,
    cut,
    drip,
    failed,
    failure,
    outcome,
    reply,
    wait_for_the_end,
)
from tests.servers import free_port

ANSWERED_IN_DOUBT = (False, None, True, True)


def test_connections_are_kept_and_used_again(stub: Stub) -> None:
    stub.acts = [
        reply(503, b"busy"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        TAKEN,
    ]
    with closing(an_imshop(stub.url)) as imshop:
        for _ in range(2):
            with pytest.raises(PushError):
                imshop.push(a_push())
        imshop.push(a_push())
    assert len(stub.received) == 3
    assert len(stub.connections) == 1


def test_a_connection_whose_answer_goes_on_is_not_used_again(stub: Stub) -> None:
    """Its rest would be the next order's answer. A layer has appended a line to a packed body."""
    packed = gzip.compress(b'{"success": true}') + b"\n<!-- 12 ms -->"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    stub.acts = [head + b"%x\r\n%b\r\n" % (len(packed), packed)]
    with closing(an_imshop(stub.url)) as imshop:
        for _ in range(2):
            assert imshop.push(a_push()).http_status == 200
    assert len(stub.connections) == 2


def test_a_connection_on_which_the_protocol_changes_is_not_used_again(stub: Stub) -> None:
    stub.acts = [b"HTTP/1.1 101 Switching Protocols\r\n\r\n", TAKEN]
    with closing(an_imshop(stub.url)) as imshop:
        with pytest.raises(PushError):
            imshop.push(a_push())
        imshop.push(a_push())
    assert len(stub.connections) == 2


def test_a_connection_in_use_is_closed_after_its_push_too(stub: Stub) -> None:
    is_sent, goes_on = Event(), Event()

    def answer_later(sock: socket.socket) -> None:
        is_sent.set()
        goes_on.wait(BOUND)
        sock.sendall(TAKEN)
        assert sock.recv(1) == b""  # closed from the other side

    stub.acts = [answer_later]
    imshop = an_imshop(stub.url)
    pushing = Thread(target=lambda: imshop.push(a_push()))
    pushing.start()
    assert is_sent.wait(BOUND)
    imshop.close()
    goes_on.set()
    pushing.join(BOUND)
    stub.wait_for_hang_up()
    assert imshop._transport._idle == []


def test_a_short_time_out_is_not_that_of_the_connection() -> None:
    one, other = socket.socketpair()
    with one, other:
        for seconds in (0.05, 0.1, 10.0, 5.0):
            set_timeout(one, seconds)
            assert one.gettimeout() == seconds
        set_timeout(one, 4.99)
        assert one.gettimeout() == 5.0
        with pytest.raises(TimeoutError):
            set_timeout(one, 0.0)


def test_many_threads_push_at_once(stub: Stub) -> None:
    together = Barrier(4)

    def answer_when_all_are_here(sock: socket.socket) -> None:
        together.wait(BOUND)
        sock.sendall(TAKEN)

    stub.acts = [answer_when_all_are_here]
    answers: list[Answer] = []
    with closing(an_imshop(stub.url)) as imshop:
        threads = [Thread(target=lambda: answers.append(imshop.push(a_push()))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND)
    assert len(answers) == 4


def test_connection_closed_by_server_is_replaced(stub: Stub) -> None:
    stub.acts = [lambda sock: sock.sendall(TAKEN), TAKEN]
    with closing(an_imshop(stub.url)) as imshop:
        imshop.push(a_push())
        stub.wait_for_hang_up()
        imshop.push(a_push())
    assert len(stub.connections) == 2


@pytest.mark.parametrize(
    "act",
    [
        cut,
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    ],
    ids=[
        "cut at once",
        "not HTTP",
        "garbage status",
        "too many headers",
        "two lengths",
        "no end",
    ],
)
def test_request_without_http_answer_is_in_doubt(stub: Stub, act: Act) -> None:
    error = failed(stub, act)
    assert outcome(error) == SENT_WITHOUT_ANSWER
    assert error.http_status is None


def test_kept_connection_cut_early_is_in_doubt(stub: Stub) -> None:
    """The request may have arrived, so it is not sent again."""
    stub.acts = [TAKEN, cut]
    with closing(an_imshop(stub.url)) as imshop:
        imshop.push(a_push())
        with pytest.raises(PushError) as caught:
            imshop.push(a_push())
    assert outcome(caught.value) == SENT_WITHOUT_ANSWER
    assert len(stub.connections) == 1
    assert len(stub.received) == 2


@pytest.mark.parametrize(
    ("act", "flaw"),
    [
        (lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-"), "does not say"),
        (lambda sock: sock.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"success": true'), "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n", "broke off"),
        (
            lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n" + b"x" * 99),
            "broke off",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + b"x" * 999_999, "longer than 64 KiB"),
        (reply(200, b'{"success": true' + b" " * 65_536 + b"}"), "longer than 64 KiB"),
        (lambda sock: sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 999_999), "longer than 64 KiB"),
        (reply(200, gzip.compress(b"x" * 50_000_000), Content_Encoding="gzip"), "longer than 64 KiB"),
        (reply(200, b"\x1f\x8b no gzip", Content_Encoding="gzip"), "compressed in a way that cannot be undone"),
        (reply(200, b"\x1b\x10\x00\xf8", Content_Encoding="br"), "compressed in a way that was not asked for"),
    ],
)
def test_incomplete_answer_is_in_doubt(stub: Stub, act: Act, flaw: str) -> None:
    error = failed(stub, act)
    assert outcome(error) == ANSWERED_IN_DOUBT
    assert flaw in str(error)


TRUE = b'{"success": true}'
CHUNKED = b"11\r\n" + TRUE + b"\r\n0\r\n\r\n"
ZIPPED = gzip.compress(TRUE)


@pytest.mark.parametrize(
    "act",
    [
        lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + TRUE),
        lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED[:-5]),
        lambda sock: sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + ZIPPED[:-4]),
        b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 17\r\n\r\n" + TRUE,  # is not read beyond what is none
    ],
    ids=["too great a length", "no last chunk", "cut gzip", "no length"],
)
def test_an_object_that_is_closed_is_whole(stub: Stub, act: Act) -> None:
    stub.acts = [act]
    with closing(an_imshop(stub.url, timeout=1)) as imshop:
        assert imshop.push(a_push()).http_status == 200


@pytest.mark.parametrize("coding", ["gzip, chunked", "Chunked ", "chunked\r\nTransfer-Encoding: chunked"])
def test_chunks_are_read_however_they_are_named(stub: Stub, coding: str) -> None:
    stub.acts = [f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n".encode() + CHUNKED]
    with closing(an_imshop(stub.url)) as imshop:
        assert imshop.push(a_push()).http_status == 200


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_what_comes_before_the_answer_is_none(stub: Stub, status: int) -> None:
    early = f"HTTP/1.1 {status} Early\r\nLink: </a.css>; rel=preload\r\n\r\n".encode()
    stub.acts = [early + early + reply(200, {"success": True, "newStatus": str(turn)}) for turn in range(2)]
    with closing(an_imshop(stub.url)) as imshop:
        assert [imshop.push(a_push()).new_status for _ in range(2)] == ["0", "1"]
    assert len(stub.connections) == 1


def test_rejected_key_is_understood_from_cut_answer(stub: Stub) -> None:
    error = failed(stub, lambda sock: sock.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 99\r\n\r\nwho"))
    assert error.pauses_delivery == "unauthorized"


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (wait_for_the_end, SENT_WITHOUT_ANSWER),
        (drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), SENT_WITHOUT_ANSWER),
        (drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), SENT_WITHOUT_ANSWER),
        (drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"), ANSWERED_IN_DOUBT),
    ],
    ids=["silence", "dripping headers", "endless 100 Continue", "dripping body"],
)
def test_slow_server_is_bounded_by_the_timeout(
    stub: Stub, act: Act, expected: tuple[bool, str | None, bool, bool]
) -> None:
    started = monotonic()
    error = failed(stub, act, timeout=0.5)
    assert 0.3 < monotonic() - started < 1.5
    assert outcome(error) == expected


def test_timeout_between_two_reads_ends_the_answer() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb", buffering=0) as raw:
        theirs.sendall(b"more and more")
        ours.settimeout(0)
        with BoundedReader(ours, raw, 100) as reader, pytest.raises(TimeoutError):
            reader.read(1)


def test_errors_and_logs_contain_no_secret(stub: Stub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    errors = [
        failure(f"http://127.0.0.1:{free_port()}/T0KEN"),
        failed(stub, cut),
        failed(stub, lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n")),
    ]
    told = caplog.text + "".join(line for error in errors for line in traceback.format_exception(error))
    assert "T0KEN" not in told
    assert "K3Y" not in told


HTTP_LIKE = st.lists(
    st.sampled_from(
        [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 ", b"503", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"\r\n",
         b"-1", b"7", b"Content-Encoding: deflate\r\n", b"Retry-After: ", b"Location: //[", b'{"success": true}',
         b"Set-Cookie: \xff;=;expires=0", b"Content-Type: a;charset=\xff\r\n", b"\n\n", b" ", b"\x00\xff"]
    )
    | st.binary(max_size=5)
).map(b"".join)  # fmt: skip


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=HTTP_LIKE)
def test_any_reply_gives_answer_or_push_error(stub: Stub, answer: bytes) -> None:
    stub.acts = [lambda sock: sock.sendall(answer)]
    with closing(an_imshop(stub.url)) as imshop, suppress(PushError):
        assert isinstance(imshop.push(a_push()), Answer)
