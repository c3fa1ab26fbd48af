"""The state: what was seen, what must be told, and what became of it. One code for SQLite and PostgreSQL.

    tables, migrate, look    the schema            polls, facts       where polling stands
    engine, store, faults    transactions          seen, compare      what was observed
    postgresql               an end to each wait   waiting, holds     changes that wait
    lease                    one daemon a state
    reports, lately, views   for people            outbox, outcomes   what is sent, and what became of it
    retention                what is forgotten     remedies           what an operator does
    cancellations, meant     what buyers want cancelled, and of which order
    standing                 what must wait for that, and how long a decision holds
    numbers                  an order that gets another number stays one order

A transaction is whole or nothing, and never open while something else is waited for.
"""

from __future__ import annotations

from collections.abc import Callable

from syncd.state.cancellations import CancellationsPart
from syncd.state.compare import ComparePart
from syncd.state.engine import WAIT_SECONDS, connect, place
from syncd.state.holds import HoldsPart
from syncd.state.lately import LatelyPart
from syncd.state.lease import Lease, lease_on
from syncd.state.migrate import bring_up_to_date
from syncd.state.outbox import OutboxPart
from syncd.state.polls import PollsPart
from syncd.state.remedies import RemediesPart
from syncd.state.reports import ReportsPart
from syncd.state.retention import RetentionPart
from syncd.state.seen import SeenPart
from syncd.state.views import (
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
        return lease_on(self, "deliver")

    def poll_lease(self) -> Lease:
        """The right to poll: one poll at a time, in whatever process. A page that was read before another poll's and
        staged after it would tell an older status after a newer one."""
        return lease_on(self, "poll")


def open_state(
    url: str, *, redact: Callable[[str], str], create: bool = True, wait_seconds: float = WAIT_SECONDS
) -> State:
    """Open the state that a SQLAlchemy URL of SQLite or PostgreSQL names, and bring its schema up to date.

    `redact` takes secrets out of messages. `create` False: the state must be there already. `wait_seconds` bounds
    each wait for a lock or a connection. StateError says what is wrong and what to do: no directory, no rights,
    locked, damaged, written by a newer version, not reachable.
    """
    state = State(connect(url, create=create, wait_seconds=wait_seconds), place(url), redact, wait_seconds)
    try:
        bring_up_to_date(state, create=create)
    except BaseException:
        state.close()
        raise
    return state
