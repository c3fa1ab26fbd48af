"""`syncd run` as a service manager sees it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from syncd.runtime.daemon import Daemon
from syncd.runtime.service_manager import Manager
from syncd.settings import load
from tests.e2e.world import World, end


@pytest.fixture
def notify(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(f"{tmp_path}/notify")
        notify.settimeout(20)
        yield notify


def until(notify: socket.socket, last: str, seconds: float = 60) -> list[str]:
    """What is told, up to what begins with what is waited for."""
    ends_at = time.monotonic() + seconds
    told = [notify.recv(4096).decode()]
    while not told[-1].startswith(last):
        assert time.monotonic() < ends_at, f"{last}: not within {seconds:g} s, but {told[-5:]}"
        told.append(notify.recv(4096).decode())
    return told


def test_service_manager_is_notified_of_each_phase(world: World, notify: socket.socket) -> None:
    """The daemon tells it when it is ready, works and ends."""
    world.fresh = True
    daemon = world.start(NOTIFY_SOCKET=notify.getsockname(), WATCHDOG_USEC="120000000")

    assert notify.recv(4096) == b"READY=1"
    assert world.get("/healthz")[0] == 200
    until(notify, "WATCHDOG=1")
    assert end(daemon) == 0
    assert until(notify, "STATUS=stopping: waits for the pushes in flight")[-2] == "STOPPING=1"


def test_standby_is_ready_feeds_watchdog_names_leader(
    world: World, notify: socket.socket, postgresql_database: str
) -> None:
    leading = world.started(SYNCD_STATE__URL=postgresql_database)
    second = world.start(
        SYNCD_STATE__URL=postgresql_database,
        SYNCD_HTTP__BIND="",
        NOTIFY_SOCKET=notify.getsockname(),
        WATCHDOG_USEC="2000000",
    )

    assert until(notify, f"STATUS=This daemon stands by: process {leading.pid} on ")[0] == "READY=1"
    assert until(notify, "WATCHDOG=1")
    end(leading)
    until(notify, "STATUS=polls and pushes")
    assert until(notify, "WATCHDOG=1")
    assert end(second) == 0
    assert "STOPPING=1" in until(notify, "STATUS=stopping: waits for the pushes in flight")


def test_a_pause_shows_in_the_status(world: World, notify: socket.socket) -> None:
    world.shop.put("1", "new")
    world.started(NOTIFY_SOCKET=notify.getsockname(), SYNCD_IMSHOP__API_KEY="wrong")
    world.shop.put("1", "packed")

    told = until(notify, "STATUS=Delivery is paused: IMSHOP does not accept the key: ")
    assert "wrong" not in told[-1]


def test_stuck_thread_stops_feeding_the_watchdog(world: World, notify: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": notify.getsockname(), "WATCHDOG_USEC": "1000000"}
    daemon = Daemon(load(world.env, usual_env_files=()).settings, Manager(environ, os.getpid(), time.monotonic))
    thread = Thread(target=daemon.run)
    thread.start()
    try:
        until(notify, "WATCHDOG=1")
        daemon._pulses.beat("poll's driver", -1.0)  # a thread that promised to be back by now
        until(notify, "STATUS=The daemon has a fault: stuck: poll's driver")
        ends_at = time.monotonic() + 2.5  # in which a healthy daemon would feed it twice
        notify.settimeout(2.5)
        with suppress(TimeoutError):
            while time.monotonic() < ends_at:
                assert notify.recv(4096) != b"WATCHDOG=1"
    finally:
        daemon.stop()
        thread.join(20)
