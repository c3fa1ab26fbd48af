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
from datetime import datetime, timedelta

from syncd.state.engine import WAIT_SECONDS, connect, place, sqlite_file, wall_clock
from syncd.state.inbox import StoredInbox
from syncd.state.lease import FileLease, Lease, RowLease, boottime
from syncd.state.migrate import bring_up_to_date
from syncd.state.operator_actions import OperatorActions
from syncd.state.outbox import StoredOutbox
from syncd.state.polls import StoredPolls
from syncd.state.read_models import (
    AttemptView,
    ChangeView,
    ChangeWithAttempt,
    HalfHour,
    OperatorResult,
    PollView,
    Pruned,
    Released,
    SeenView,
    SourceStatus,
    Story,
    Summary,
)
from syncd.state.reports import Reports
from syncd.state.retention import prune
from syncd.state.store import Store

__all__ = [
    "AttemptView",
    "ChangeView",
    "ChangeWithAttempt",
    "HalfHour",
    "Lease",
    "OperatorResult",
    "PollView",
    "Pruned",
    "Released",
    "SeenView",
    "SourceStatus",
    "State",
    "Story",
    "Summary",
    "boottime",
    "open_state",
]


class State:
    """One state, in its parts. Thread-safe. Every method of a part may raise StateError; then nothing was written."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.polls = StoredPolls(store)
        self.outbox = StoredOutbox(store)
        self.inbox = StoredInbox(store)
        self.operator = OperatorActions(store)
        self.reports = Reports(store)

    def under(self, lease: Lease) -> State:
        """The same state for whoever acts by this lease: each transaction that writes fails with LeaseLostError once it
        is another's."""
        return State(self.store.under(lease))

    def lease(self) -> Lease:
        """The right to deliver from this state: one daemon at a time."""
        return self._lease("deliver", ".lock")

    def poll_lease(self) -> Lease:
        """The right to poll: one poll at a time, in whatever process. A page that was read before another poll's and
        staged after it would tell an older status after a newer one."""
        return self._lease("poll", ".poll.lock")

    def _lease(self, name: str, suffix: str) -> Lease:
        file = sqlite_file(self.store.engine.url)
        if file is None:
            return RowLease(self.store, self.store.lease_engine(), name, boottime)
        return FileLease(file.with_name(file.name + suffix), name)

    @property
    def place(self) -> str:
        """The state's name in messages."""
        return self.store.place

    def prune(self, now: datetime, retention: timedelta) -> Pruned:
        """Forget changes that ended, cancellations that were decided and orders that went missing more than
        `retention` ago. An order that still has a change waiting is kept."""
        return prune(self.store, now, retention)

    def cut_connections(self) -> None:
        """Whoever waits for an answer gets an error, and the next statement a new connection. For a network that was
        away: what was asked before is never answered."""
        self.store.cut_connections()

    def end_silent_writers(self) -> int:
        """End the sessions of processes that are frozen or gone while they hold the writers' lock. Returns how many;
        on SQLite there are none, for one process at a time works on it."""
        return self.store.end_silent_writers()

    def close(self) -> None:
        self.store.close()


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
    store = Store(engine, place(url), redact, wait_seconds)
    try:
        bring_up_to_date(store, create=create)
    except BaseException:
        store.close()
        raise
    return State(store)
