"""What the doctor says of the address for metrics and health."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from syncd.doctor.host_checks import check_address
from syncd.settings.values import Address
from tests.imshop.stub import Stub, reply
from tests.servers import free_port


def found(bind: Address | None, *, runs: bool = False) -> tuple[str, str]:
    (finding,) = check_address(bind, lambda: runs)
    return finding.level, finding.text


@contextmanager
def served(health: str, status: int) -> Iterator[Address]:
    """A web server that says so of its health."""
    with Stub([reply(status, health.encode())]) as stub:
        host, port = stub.address.split(":")
        yield Address(host, int(port))
        assert [received.start for received in stub.received] == ["GET /healthz HTTP/1.1"]


def test_no_address_is_well() -> None:
    assert found(None) == ("ok", "metrics and health are off: SYNCD_HTTP__BIND is empty")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_free_address_is_well_and_stays_free(host: str) -> None:
    bind = Address(host, free_port())
    assert found(bind) == ("ok", f"{bind} is free")
    assert found(bind) == ("ok", f"{bind} is free")


def test_this_installations_daemon_may_have_the_address() -> None:
    with served("ok\n", 200) as bind:
        assert found(bind, runs=True) == ("ok", f"a daemon answers at {bind}, and is well")


def test_a_daemon_that_is_stuck_is_a_warning() -> None:
    with served("stuck: poll, overdue by 9 s\nstuck: delivery, overdue by 7 s\n", 503) as bind:
        stuck = "stuck: poll, overdue by 9 s; stuck: delivery, overdue by 7 s"
        assert found(bind, runs=True) == ("warning", f"a daemon answers at {bind}: {stuck}")


def test_another_installations_daemon_is_in_the_way() -> None:
    with served("ok\n", 200) as bind:
        assert found(bind) == ("fault", f"{bind} is taken by a syncd that works with another state")


def test_another_web_server_is_in_the_way() -> None:
    with served("welcome", 200) as bind:
        assert found(bind, runs=True) == ("fault", f"{bind} is taken by another program")


def test_another_program_is_in_the_way() -> None:
    with Stub([b"SSH-2.0-OpenSSH\r\n"]) as stub:
        host, port = stub.address.split(":")
        assert found(Address(host, int(port)), runs=True) == ("fault", f"{stub.address} is taken by another program")


def test_address_of_another_machine_is_a_fault() -> None:
    level, text = found(Address("192.0.2.1", 9469))
    assert level == "fault"
    assert text == "cannot listen on 192.0.2.1:9469: Cannot assign requested address"


def test_unresolvable_name_is_a_fault() -> None:
    level, text = found(Address("host.invalid", 9469))
    assert level == "fault"
    assert text.startswith("cannot listen on host.invalid:9469: ")
