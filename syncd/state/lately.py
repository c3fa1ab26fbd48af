"""What happened lately, for the status page: a bounded look along the indexes, however many changes there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from syncd.model import ChangeState
from syncd.state.reports import attempt_view, change_view
from syncd.state.store import Store
from syncd.state.tables import attempts, changes, in_state
from syncd.state.views import Slot, Told

SLOT = timedelta(minutes=30)
SLOTS = 48
LAGS_A_SLOT = 200
"""Enough for a median. Each costs a look at its change, while counting goes by the index alone."""

FAILED: tuple[ChangeState, ...] = ("refused", "dead")
ENDED = changes.c.ended_at.is_not(None)
"""Said again where only what ended is in that state: without it SQLite passes the partial index by."""
_FIRST_HELD = select(func.min(changes.c.id)).where(in_state("held")).scalar_subquery()


class LatelyPart(Store):
    def day(self, now: datetime) -> Sequence[Slot]:
        """The day up to `now`, oldest first: SLOTS slots that each last SLOT."""
        with self.read() as connection:
            return [_slot(connection, now - SLOT * (left + 1)) for left in reversed(range(SLOTS))]

    def oldest(self) -> Mapping[ChangeState, datetime]:
        """Since when the oldest change is held, refused or dead, for those of these states that there are."""
        with self.read() as connection:
            held = connection.execute(select(changes.c.detected_at).where(changes.c.id == _FIRST_HELD)).scalar()
            since: dict[ChangeState, datetime | None] = {"held": held}
            since |= {state: _first_ended(connection, state) for state in FAILED}
        return {state: at for state, at in since.items() if at}

    def told(self, limit: int) -> Sequence[Told]:
        """The newest changes, newest first, and what IMSHOP said last."""
        newest = select(changes).order_by(changes.c.id.desc()).limit(limit)
        with self.read() as connection:
            views = [change_view(row) for row in connection.execute(newest)]
            of_these = attempts.c.change_id.in_([view.id for view in views])
            tries = connection.execute(select(attempts).where(of_these).order_by(attempts.c.id))
            last = {row.change_id: attempt_view(row) for row in tries}
        return [Told(view, last.get(view.id)) for view in views]


def _slot(connection: Connection, since: datetime) -> Slot:
    within = [in_state("delivered"), ENDED, changes.c.ended_at >= since, changes.c.ended_at < since + SLOT]
    pushed = connection.execute(select(func.count()).select_from(changes).where(*within)).scalar_one()
    started = func.coalesce(changes.c.source_updated_at, changes.c.detected_at, type_=changes.c.detected_at.type)
    newest = select(started, changes.c.ended_at).where(*within).order_by(changes.c.ended_at.desc()).limit(LAGS_A_SLOT)
    lags = [max(0.0, (ended - begun).total_seconds()) for begun, ended in connection.execute(newest)] if pushed else []
    return Slot(since, pushed, sorted(lags))


def _first_ended(connection: Connection, state: ChangeState) -> datetime | None:
    return connection.execute(select(func.min(changes.c.ended_at)).where(in_state(state), ENDED)).scalar()
