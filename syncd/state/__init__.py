"""The state: what was seen, what must be told, and what became of it. One code for SQLite and PostgreSQL.

    tables, migrate, look    the schema            polls, facts       where polling stands
    engine, store, faults    transactions          seen, compare      what was observed
    postgresql               an end to each wait   waiting, holds     changes that wait
    lease, filelease         who may act
    reports, lately, views   for people            outbox, outcomes   what is sent, and what became of it
    retention                what is forgotten     remedies           what an operator does
    cancellations, meant     what buyers want cancelled, and of which order
    standing                 what must wait for that, and how long a decision holds
    numbers                  an order that gets another number stays one order

A transaction is whole or nothing, and never open while something else is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from syncd.state.engine import WAIT_SECONDS, connect, connect_for_lease, place, sqlite_file, wall_clock
from syncd.state.inbox import CancellationsPart
from syncd.state.lease import FileLease, Lease, RowLease, boottime
from syncd.state.migrate import bring_up_to_date
from syncd.state.operator_actions import RemediesPart
from syncd.state.outbox import OutboxPart
from syncd.state.polls import ComparePart, HoldsPart, PollsPart
from syncd.state.read_models import (
    AttemptView,
    ChangeView,
    OperatorResult,
    PollView,
    Pruned,
    Released,
    SeenView,
    Slot,
    SourceStatus,
    Story,
    Summary,
    Told,
)
from syncd.state.reports import LatelyPart, ReportsPart
from syncd.state.retention import RetentionPart
from syncd.state.seen import SeenPart

__all__ = [
    "AttemptView",
    "ChangeView",
    "Lease",
    "OperatorResult",
    "PollView",
    "Pruned",
    "Released",
    "SeenView",
    "Slot",
    "SourceStatus",
    "State",
    "Story",
    "Summary",
    "Told",
    "boottime",
    "open_state",
]


class State(
    PollsPart,
    ComparePart,
    HoldsPart,
    RemediesPart,
    CancellationsPart,
    SeenPart,
    OutboxPart,
    RetentionPart,
    ReportsPart,
    LatelyPart,
):
    """All of the state. Thread-safe. Every method may raise StateError; then nothing was written."""

    def lease(self) -> Lease:
        """The right to deliver from this state: one daemon at a time."""
        return self._lease("deliver", ".lock")

    def poll_lease(self) -> Lease:
        """The right to poll: one poll at a time, in whatever process. A page that was read before another poll's and
        staged after it would tell an older status after a newer one."""
        return self._lease("poll", ".poll.lock")

    def _lease(self, name: str, suffix: str) -> Lease:
        file = sqlite_file(self.engine.url)
        if file is None:
            self._for_leases = self._for_leases or connect_for_lease(self.engine.url)
            return RowLease(self, self._for_leases, name, boottime)
        return FileLease(file.with_name(file.name + suffix), name)


def open_state(
    url: str,
    *,
    redact: Callable[[str], str],
    create: bool = True,
    wait_seconds: float = WAIT_SECONDS,
    clock: Callable[[], datetime] = wall_clock,
) -> State:
    """Open the state that a SQLAlchemy URL of SQLite or PostgreSQL names, and bring its schema up to date.

    `redact` takes secrets out of messages. `create` False: the state must be there already. `wait_seconds` bounds
    each wait for a lock or a connection. `clock` is the database's own where that is SQLite. StateError says what is
    wrong and what to do: no directory, no rights, locked, damaged, written by a newer version, not reachable.
    """
    engine = connect(url, create=create, wait_seconds=wait_seconds, clock=clock)
    state = State(engine, place(url), redact, wait_seconds)
    try:
        bring_up_to_date(state, create=create)
    except BaseException:
        state.close()
        raise
    return state
