"""IMSHOP's certificate is looked at now and then, and kept in the state for all who show what is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from syncd.errors import PushError
from syncd.runtime.certificate import LOOK_AGAIN, LOOK_EVERY, CertificateWatch
from syncd.state import State
from tests.made import NOON

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


class Server:
    """`ends` None: it cannot be reached."""

    def __init__(self) -> None:
        self.ends: datetime | None = NOON + 90 * DAY
        self.asked = 0

    def __call__(self) -> datetime:
        self.asked += 1
        if self.ends is None:
            raise PushError("no connection")
        return self.ends


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def watch(memory: State, server: Server) -> Iterator[CertificateWatch]:
    lease = memory.lease()
    assert lease.acquire()
    yield CertificateWatch(memory, lease, server)
    lease.release()


def test_certificate_is_looked_at_twice_a_day(memory: State, watch: CertificateWatch, server: Server) -> None:
    watch.look(NOON)
    watch.look(NOON + LOOK_EVERY - MINUTE)
    assert (server.asked, memory.reports.summary().certificate_ends) == (1, NOON + 90 * DAY)
    watch.look(NOON + LOOK_EVERY)
    assert server.asked == 2


def test_one_that_ends_soon_is_looked_at_each_hour(watch: CertificateWatch, server: Server) -> None:
    server.ends = NOON + 13 * DAY
    watch.look(NOON)
    watch.look(NOON + LOOK_AGAIN - MINUTE)
    assert server.asked == 1
    watch.look(NOON + LOOK_AGAIN)
    assert server.asked == 2


def test_one_that_cannot_be_seen_stays_as_it_was(memory: State, watch: CertificateWatch, server: Server) -> None:
    """And the server is not asked again at once."""
    watch.look(NOON)
    server.ends = None
    watch.look(NOON + LOOK_EVERY)
    watch.look(NOON + LOOK_EVERY + MINUTE)
    assert (server.asked, memory.reports.summary().certificate_ends) == (2, NOON + 90 * DAY)


def test_nobody_is_asked_while_the_answer_cannot_be_kept(memory: State, server: Server) -> None:
    """Else IMSHOP would be connected to at each look, while the disk is full."""
    lease = memory.lease()
    assert lease.acquire()
    memory.store.refuse_writing("no room")
    CertificateWatch(memory, lease, server).look(NOON)
    assert server.asked == 0
    lease.release()


def test_clock_set_back_stops_no_look(watch: CertificateWatch, server: Server) -> None:
    watch.look(NOON + 90 * DAY)
    watch.look(NOON)
    assert server.asked == 2


def test_who_stands_by_does_not_look(memory: State, server: Server) -> None:
    CertificateWatch(memory, memory.lease(), server).look(NOON)
    assert server.asked == 0
