"""What the service manager is told, over a real datagram socket, and by a real daemon."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.runtime.health import Pulses
from syncd.runtime.service_manager import Manager

PID = 42
WATCHED = {"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(PID)}


class Ear:
    """The service manager's end of the socket, and a clock that only moves when it is told to."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)
        self.now = 0.0

    def heard(self) -> list[str]:
        """What was told since this was asked last."""
        told = []
        while True:
            try:
                told.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    ear = Ear(f"{tmp_path}/notify")
    yield ear
    ear.close()


@pytest.fixture
def manager(tmp_path: Path, ear: Ear) -> Manager:
    return Manager({"NOTIFY_SOCKET": f"{tmp_path}/notify", **WATCHED}, PID, lambda: ear.now)


def test_manager_hears_ready_status_watchdog_and_stopping(manager: Manager, ear: Ear) -> None:
    manager.ready()
    manager.working("polls and pushes", [])
    manager.stopping()

    assert ear.heard() == [
        "READY=1",
        "STATUS=polls and pushes",
        "WATCHDOG=1",
        "STOPPING=1",
        "STATUS=stopping: waits for the pushes in flight",
    ]


def test_watchdog_is_fed_four_times_an_interval(manager: Manager, ear: Ear) -> None:
    for ear.now in range(120):
        manager.working("polls and pushes", [])

    assert ear.heard().count("WATCHDOG=1") == 4


def test_stuck_thread_starves_the_watchdog_until_it_returns(manager: Manager, ear: Ear) -> None:
    pulses = Pulses(lambda: ear.now)
    pulses.beat("poll", 10)
    manager.working("polls and pushes", pulses.stuck())
    assert ear.heard() == ["STATUS=polls and pushes", "WATCHDOG=1"]

    for ear.now in range(11, 300):
        manager.working("polls and pushes", pulses.stuck())
    assert ear.heard() == []

    pulses.beat("poll", 10)
    manager.working("polls and pushes", pulses.stuck())
    assert ear.heard() == ["WATCHDOG=1"]


def test_status_is_one_line_whatever_the_error(manager: Manager, ear: Ear) -> None:
    """A newline in an error would otherwise send the manager another message."""
    manager.working("polls fail: no table\nMAINPID=1" + "!" * 1000, [])

    status, _ = ear.heard()
    assert status.startswith("STATUS=polls fail: no table MAINPID=1!")
    assert len(status) < 400


def test_socket_in_the_abstract_namespace_works_too() -> None:
    name = f"syncd-test-{os.getpid()}"
    ear = Ear(f"\0{name}")

    Manager({"NOTIFY_SOCKET": f"@{name}"}, PID, lambda: 0.0).ready()

    assert ear.heard() == ["READY=1"]
    ear.close()


@pytest.mark.parametrize(
    "watchdog", [{}, {"WATCHDOG_USEC": "many"}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "43"}]
)
def test_absent_or_foreign_watchdog_is_not_fed(tmp_path: Path, ear: Ear, watchdog: dict[str, str]) -> None:
    Manager({"NOTIFY_SOCKET": f"{tmp_path}/notify", **watchdog}, PID, lambda: 0.0).working("polls and pushes", [])

    assert ear.heard() == ["STATUS=polls and pushes"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_manager_nothing_is_sent_or_logged(environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    Manager(environ, PID, lambda: 0.0).ready()

    assert caplog.records == []


def test_lost_manager_is_logged_once_and_stops_nothing(
    tmp_path: Path, manager: Manager, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once each time that the manager goes away."""
    ear.close()
    caplog.set_level(logging.WARNING, "syncd")
    manager.ready()
    manager.ready()
    assert [record.message for record in caplog.records] == ["manager_not_told"]

    (tmp_path / "notify").unlink()
    back = Ear(f"{tmp_path}/notify")
    manager.ready()
    assert back.heard() == ["READY=1"]
    back.close()
    manager.ready()
    assert len(caplog.records) == 2
