"""Changes that are held, and what lets them go: the end of their poll, a status that is listed now, an operator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, func, select, update

from syncd.model import Hold
from syncd.state.compare import accept_missing
from syncd.state.store import Store, in_chunks
from syncd.state.tables import changes, held_as
from syncd.state.views import Released
from syncd.state.waiting import end, let_go


class HoldsPart(Store):
    """See `syncd.staging.StagingState` and `syncd.poll.PollState`."""

    def is_counting(self) -> bool:
        with self.read() as connection:
            return _held(connection, "counting") > 0

    def settle(self, max_changes: int, now: datetime) -> int:
        with self.read() as connection:
            if not _held(connection, "counting"):
                return 0
        with self.write() as connection:
            counted = _held(connection, "counting")
            if max_changes and counted > max_changes:
                connection.execute(update(changes).where(held_as("counting")).values(hold="guard"))
                return counted
            let_go(connection, now, "counting")
            return 0

    def let_listed_go(
        self, verdict: Callable[[str], Literal["push", "skip", "hold"]], max_changes: int, now: datetime
    ) -> None:
        with self.read() as connection:
            if all(verdict(status) == "hold" for status in _unlisted(connection)):
                return
        with self.write() as connection:
            statuses = _unlisted(connection)
            for skipped in in_chunks(status for status in statuses if verdict(status) == "skip"):
                end(connection, "discarded", now, held_as("status"), changes.c.status.in_(skipped))
            pushed = [status for status in statuses if verdict(status) == "push"]
            tripped = max_changes and sum(statuses[status] for status in pushed) > max_changes
            for some in in_chunks(pushed):
                listed = changes.c.status.in_(some)
                if tripped:
                    connection.execute(update(changes).where(held_as("status"), listed).values(hold="guard"))
                else:
                    let_go(connection, now, "status", listed)

    def release(self, now: datetime) -> Released:
        """An operator lets the guard's changes go. If the last full compare refused to forget orders, the next one
        may forget that many."""
        with self.write() as connection:
            return Released(changes=let_go(connection, now, "guard"), missing=accept_missing(connection))


def _held(connection: Connection, hold: Hold) -> int:
    return connection.execute(select(func.count()).select_from(changes).where(held_as(hold))).scalar_one()


def _unlisted(connection: Connection) -> dict[str, int]:
    """How many changes wait for each status to be listed."""
    counts = select(changes.c.status, func.count()).where(held_as("status")).group_by(changes.c.status)
    return dict(connection.execute(counts).all())
