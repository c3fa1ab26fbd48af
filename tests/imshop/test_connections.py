"""Connections that cannot be made, TLS, and the environment's proxy and CA bundle."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest

from syncd.errors import SettingsError
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
    receive,
    reply,
)
from tests.servers import free_port

UNREACHABLE = (False, "unreachable", False, False)
NO_TLS = (False, "tls", False, False)


def refuse_in_plain_text(listener: socket.socket) -> None:
    sock, _ = listener.accept()
    with sock:
        sock.recv(9999)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def tunnel_to(server: Stub) -> Callable[[socket.socket], None]:
    """Opens the tunnel that a proxy is asked for, and answers at its other end for that server."""

    def act(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        assert server.tls is not None
        with server.tls.wrap_socket(sock, server_side=True) as talk, talk.makefile("rb") as stream:
            if received := receive(stream):
                server.received.append(received)
                talk.sendall(TAKEN)

    return act


def test_a_refused_connection_pauses_delivery(stub: Stub) -> None:
    error = failure(f"http://127.0.0.1:{free_port()}/T0KEN")
    assert outcome(error) == UNREACHABLE
    assert "Cannot connect to 127.0.0.1: Connection refused" in str(error)


def test_an_unknown_host_pauses_delivery() -> None:
    assert outcome(failure("http://host.invalid/T0KEN")) == UNREACHABLE


def test_late_connection_sends_nothing(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver is slow, or the process is frozen while it connects."""
    resolve = socket.getaddrinfo

    def slowly(*arguments: Any, **options: Any) -> Any:
        sleep(0.3)
        return resolve(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    error = failure(stub.url, timeout=0.2)
    assert outcome(error) == UNREACHABLE
    assert "connecting took too long" in str(error)
    assert stub.received == []


def test_kernel_drops_unsent_data(stub: Stub) -> None:
    """At the time-out, and when the process ends: it must not arrive after the next status."""
    with (
        closing(an_imshop(stub.url, timeout=0.2)) as imshop,
        closing(imshop._transport.open_connection(1)) as connection,
    ):
        sock = connection.sock
        assert sock is not None
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 200
        assert struct.unpack("ii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 0)


def test_a_connection_that_is_not_accepted_pauses_delivery() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):  # fill the queue of connections: Linux then drops what comes
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        started = monotonic()
        error = failure(f"http://127.0.0.1:{listener.getsockname()[1]}/T0KEN", timeout=0.6)
    assert outcome(error) == UNREACHABLE
    assert monotonic() - started < 1.5


def test_untrusted_certificate_pauses_delivery(tls_stub: Stub) -> None:
    """Nothing is sent."""
    error = failure(tls_stub.url)
    assert outcome(error) == NO_TLS
    assert "Cannot trust 127.0.0.1: " in str(error)
    assert "certificate verify failed" in str(error)
    assert tls_stub.received == []


def test_a_certificate_of_another_host_pauses_delivery(
    tls_stub: Stub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert outcome(failure(tls_stub.url.replace("127.0.0.1", "localhost"))) == NO_TLS


def test_a_server_without_tls_pauses_delivery() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=refuse_in_plain_text, args=(listener,))
        thread.start()
        error = failure(f"https://127.0.0.1:{listener.getsockname()[1]}/T0KEN")
        thread.join(BOUND)
    assert outcome(error) == NO_TLS


def test_silent_tls_handshake_pauses_delivery() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = failure(f"https://127.0.0.1:{listener.getsockname()[1]}/T0KEN", timeout=0.5)
    assert outcome(error) == UNREACHABLE


def test_the_environments_ca_bundle_is_trusted(
    tls_stub: Stub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with closing(an_imshop(tls_stub.url)) as imshop:
        imshop.push(a_push())
        imshop.push(a_push())
    assert len(tls_stub.received) == 2
    assert len(tls_stub.connections) == 1


def test_a_dripping_server_is_bounded_over_tls_too(
    tls_stub: Stub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    started = monotonic()
    error = failed(tls_stub, drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), timeout=0.6)
    assert monotonic() - started < 1.6
    assert outcome(error) == SENT_WITHOUT_ANSWER


def test_missing_ca_bundle_fails_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(SettingsError, match=r"REQUESTS_CA_BUNDLE.*/nowhere/ca\.pem"):
        an_imshop("https://127.0.0.1/T0KEN")


@pytest.mark.parametrize("proxy", ["socks5://user:PASSW0RD@127.0.0.1:1080", "http://user:PASSW0RD@"])
def test_unusable_proxy_fails_at_start(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as caught:
        an_imshop("https://imshop.example/T0KEN")
    assert "PASSW0RD" not in str(caught.value)


def test_the_environments_proxy_is_asked(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:password@{stub.address}")
    with closing(an_imshop("http://imshop.example/T0KEN")) as imshop:
        imshop.push(a_push())
        assert imshop.proxy == stub.address
        assert imshop.connect(BOUND).certificate_ends is None
    assert stub.received[0].start == "POST http://imshop.example/T0KEN HTTP/1.1"
    assert stub.received[0].headers["host"] == "imshop.example"
    assert stub.received[0].headers["proxy-authorization"] == "Basic dXNlcjpwYXNzd29yZA=="


def test_a_proxy_with_tls_is_given_the_whole_url_of_a_plain_push(
    tls_stub: Stub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"https://{tls_stub.address}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with closing(an_imshop("http://imshop.example/T0KEN")) as imshop:
        imshop.push(a_push())
    assert tls_stub.received[0].start == "POST http://imshop.example/T0KEN HTTP/1.1"


@pytest.mark.parametrize(
    ("host", "header"),
    [
        ("imshop.example", "imshop.example"),
        ("IMSHOP.example.:80", "imshop.example"),
        ("imshop.example:8080", "imshop.example:8080"),
        ("user:password@[2001:db8::7]:81", "[2001:db8::7]:81"),
        ("магазин.рф", "xn--80aairftm.xn--p1ai"),
    ],
)
def test_the_host_is_named_as_servers_expect_it(
    stub: Stub, host: str, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{stub.address}")
    with closing(an_imshop(f"http://{host}/T0KEN")) as imshop:
        imshop.push(a_push())
    assert stub.received[0].headers["host"] == header


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_is_asked_for_this_machine(stub: Stub, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with closing(an_imshop(stub.url.replace("127.0.0.1", host))) as imshop:
        assert imshop.push(a_push()).http_status == 200
        assert imshop.proxy is None


def test_the_environments_proxy_makes_a_tunnel_for_tls(
    stub: Stub, tls_stub: Stub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{stub.address}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    stub.acts = [tunnel_to(tls_stub)]
    with closing(an_imshop("https://imshop.example/T0KEN")) as imshop:
        assert imshop.push(a_push()).http_status == 200
        assert imshop.connect(BOUND).certificate_ends is not None
    assert stub.received[0].start.startswith("CONNECT imshop.example:443 ")
    assert "authorization" not in stub.received[0].headers
    assert tls_stub.received[0].headers["host"] == "imshop.example"


def test_a_connection_can_be_tried_without_sending_anything(
    tls_stub: Stub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with closing(an_imshop(tls_stub.url)) as imshop:
        ends = imshop.connect(BOUND).certificate_ends
        assert imshop.proxy is None
    assert ends is not None
    assert timedelta(days=1) < ends - datetime.now(UTC) < timedelta(days=3)
    assert tls_stub.received == []


@pytest.mark.parametrize(
    "act",
    [
        reply(407, b"who are you?"),
        b"not HTTP\r\n\r\n",
        cut,
        drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
    ],
    ids=["unauthorized", "not HTTP", "cut", "dripping"],
)
def test_a_proxy_that_gives_no_tunnel_pauses_delivery(stub: Stub, act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{stub.address}")
    stub.acts = [act]
    started = monotonic()
    error = failure("https://imshop.example/T0KEN", timeout=1)
    assert outcome(error) == UNREACHABLE
    assert monotonic() - started < 2.5
