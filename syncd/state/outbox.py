"""The outbox: which changes are sent next, and what became of those that were.

A change that is taken is claimed for as long as its request may be under way, on the database's clock. Whoever comes
after the process that took it waits for that, order by order, and holds up no other: `_LEFT`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, and_, bindparam, func, literal_column, or_, select, update

from syncd.model import Outcome, Pause, Push
from syncd.news import payment_of
from syncd.state.outcomes import write_outcomes
from syncd.state.schema import CLAIMED, DUE_SOMETIME, MICROSECOND, changes, database_time, from_now, seen
from syncd.state.store import Store, get_fact, in_chunks, pause_fact, put_fact
from syncd.state.transitions import NEWER_WILL_BE_SENT, end_changes, supersede_without_news

_SENT = {
    "id",
    *("order_id", "revision", "status", "message", "tracking_url", "user_id", "imshop_uuid"),
    *("content", "with_payment", "detected_at", "source_updated_at"),
    *("attempts", "refusals", "failing_since", "in_doubt", "claim"),
}
LONGEST_CLAIM = timedelta(seconds=14)
_other = changes.alias("other")
_FIRST_OF_ITS_ORDER = ~(
    select(_other.c.id)
    .where(
        _other.c.order_id == changes.c.order_id,
        _other.c.ended_at.is_(None),
        _other.c.state == literal_column("'pending'"),
        or_(_other.c.claimed_at.is_not(None), _other.c.id > changes.c.id),
    )
    .exists()
)
"""No other change of the order is being sent, and none is newer."""
_DUE = (DUE_SOMETIME, changes.c.next_attempt_at <= bindparam("now"))
_ANY_DUE = select(changes.c.id).where(*_DUE).limit(1)
_ANY_GOING = select(changes.c.id).where(or_(and_(*_DUE), CLAIMED)).limit(1)
_NEXT = (
    select(*(column for column in changes.columns if column.key in _SENT))
    .where(*_DUE, _FIRST_OF_ITS_ORDER)
    .order_by(changes.c.next_attempt_at, changes.c.id)
    .limit(bindparam("most"))
)
_LENGTH = bindparam("length", type_=BigInteger)
_CLAIM = (
    update(changes)
    .where(changes.c.id.in_(bindparam("ids", expanding=True)))
    .values(claimed_at=bindparam("now"), claim=changes.c.claim + 1, claim_ends_at=from_now(_LENGTH))
)
_OVER = or_(
    changes.c.claim_ends_at.is_(None),
    changes.c.claim_ends_at <= database_time(),
    changes.c.claim_ends_at > from_now(_LENGTH),
)
"""A claim whose request must be over. One that ends later than any can was made before the clock was set back."""
_CLAIMS = select(changes.c.id, changes.c.claim, _OVER.label("is_over")).where(CLAIMED)
_STILL_LEFT = _CLAIMS.where(changes.c.id.in_(bindparam("left", expanding=True)))
_SHARED = (
    select(seen.c.imshop_uuid)
    .where(seen.c.imshop_uuid.in_(bindparam("uuids", expanding=True)))
    .group_by(seen.c.imshop_uuid)
    .having(func.count() > 1)
)


class StoredOutbox:
    """See `pipeline.deliver.Outbox`. One delivery loop uses it."""

    def __init__(self, store: Store) -> None:
        """`_handed`: what was handed out and is not reported yet, by which claim. `_unsure`: turns whose end is not
        known. `_left`: claims of others. A change that was handed out may be another's by now: it was taken again after
        this process had been frozen."""
        self._store = store
        self._handed: dict[int, int] = {}
        self._unsure: list[datetime] = []
        self._left: set[int] | None = None

    def leadership_gained(self) -> None:
        """Another may have led meanwhile: look for what it left behind."""
        self._left = None

    def claims_of_others(self) -> int | None:
        """How many changes another process took that may still be on their way; None: not known yet."""
        return None if self._left is None else len(self._left)

    def record_and_claim(
        self,
        outcomes: Sequence[Outcome],
        limit: int,
        pause: Pause | None,
        now: datetime,
        claim: timedelta = LONGEST_CLAIM,
    ) -> list[Push]:
        if not (outcomes or self._unsure or self._is_work(limit, pause, now, claim)):
            return []
        self._unsure.append(now)
        with self._store.write() as connection:
            self._give_back(connection, self._unsure[:-1], now)
            left = self._release_left(connection, claim, now)
            write_outcomes(connection, outcomes)
            if get_fact(connection, "pause") != pause_fact(pause):
                put_fact(connection, "pause", pause_fact(pause))
            pushes = _take(connection, limit, claim, now) if limit else []
        self._left = left
        self._take_back(outcomes)
        self._handed |= {push.change_id: push.claim for push in pushes}
        self._unsure.clear()
        return pushes

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Write down what became of pushes, whoever leads now. Nothing is taken."""
        if outcomes:
            with self._store.write(fenced=False) as connection:
                write_outcomes(connection, outcomes)
            self._take_back(outcomes)

    def _take_back(self, outcomes: Sequence[Outcome]) -> None:
        for push in (outcome.push for outcome in outcomes):
            if self._handed.get(push.change_id) == push.claim:
                del self._handed[push.change_id]

    def make_all_due(self, now: datetime) -> int:
        """Have every change that waits for its time tried now: it was set by a clock that has been set back since."""
        waiting = (DUE_SOMETIME, changes.c.next_attempt_at > now)
        with self._store.write() as connection:
            return connection.execute(update(changes).where(*waiting).values(next_attempt_at=now)).rowcount

    def is_delivering(self, now: datetime) -> bool:
        """Whether a change is being sent, or is due to be."""
        with self._store.read() as connection:
            return connection.execute(_ANY_GOING, {"now": now}).first() is not None

    def _is_work(self, limit: int, pause: Pause | None, now: datetime, claim: timedelta) -> bool:
        """Looked at before the transaction that locks out others: most turns of a quiet day find nothing."""
        with self._store.read() as connection:
            if get_fact(connection, "pause") != pause_fact(pause):
                return True
            left = self._look_for_left(connection, claim)
            self._left = set(left)
            return any(left.values()) or (limit > 0 and connection.execute(_ANY_DUE, {"now": now}).first() is not None)

    def _look_for_left(self, connection: Connection, claim: timedelta) -> dict[int, bool]:
        """The claims that are not this process's, so of one that is gone, or of a turn of this one whose end was lost;
        and whether each must be over."""
        length = claim // MICROSECOND
        if self._left is None:
            found = connection.execute(_CLAIMS, {"length": length})
        elif self._left:
            found = connection.execute(_STILL_LEFT, {"left": sorted(self._left), "length": length})
        else:
            return {}
        return {row.id: bool(row.is_over) for row in found if self._handed.get(row.id) != row.claim}

    def _release_left(self, connection: Connection, claim: timedelta, now: datetime) -> set[int]:
        """What was left behind, and must be over, is due again, in doubt, unless a newer change of its order waits.
        Returns what may still be on its way."""
        left = self._look_for_left(connection, claim)
        for ids in in_chunks(change_id for change_id, is_over in left.items() if is_over):
            over = (CLAIMED, changes.c.id.in_(ids))
            connection.execute(update(changes).where(*over).values(in_doubt=True))
            end_changes(connection, "superseded", now, *over, NEWER_WILL_BE_SENT)
            connection.execute(update(changes).where(*over).values(claimed_at=None, next_attempt_at=now))
        return {change_id for change_id, is_over in left.items() if not is_over}

    def _give_back(self, connection: Connection, failed_at: Sequence[datetime], now: datetime) -> None:
        """Turns that failed may have been written all the same: a connection can be cut right at the commit. What they
        took was never handed out, so nobody would ever send it. What another daemon took meanwhile is its own.

        What was staged since took it for being sent: it waits beside it, and may say nothing new."""
        if not failed_at:
            return
        taken = select(changes.c.id, changes.c.order_id, changes.c.claim).where(
            CLAIMED, changes.c.claimed_at.in_(failed_at)
        )
        lost = [row for row in connection.execute(taken) if self._handed.get(row.id) != row.claim]
        for ids in in_chunks(row.id for row in lost):
            these = (CLAIMED, changes.c.id.in_(ids))
            end_changes(connection, "superseded", now, *these, NEWER_WILL_BE_SENT)
            connection.execute(update(changes).where(*these).values(claimed_at=None))
        supersede_without_news(connection, [row.order_id for row in lost], now)


def _take(connection: Connection, limit: int, claim: timedelta, now: datetime) -> list[Push]:
    due = connection.execute(_NEXT, {"now": now, "most": limit}).all()
    if not due:
        return []
    connection.execute(_CLAIM, {"now": now, "ids": [row.id for row in due], "length": claim // MICROSECOND})
    uuids = [row.imshop_uuid for row in due if row.imshop_uuid is not None]
    shared = set(connection.execute(_SHARED, {"uuids": uuids}).scalars()) if uuids else set()
    return [_push(row, uuid_is_shared=row.imshop_uuid in shared) for row in due]


def _push(row: Row[Any], *, uuid_is_shared: bool) -> Push:
    return Push(
        change_id=row.id,
        order_id=row.order_id,
        revision=row.revision,
        status=row.status,
        code=row.status,
        message=row.message,
        tracking_url=row.tracking_url,
        user_id=row.user_id,
        imshop_uuid=row.imshop_uuid,
        uuid_is_shared=uuid_is_shared,
        payment=payment_of(row.content) if row.with_payment else None,
        detected_at=row.detected_at,
        source_updated_at=row.source_updated_at,
        attempts=row.attempts,
        refusals=row.refusals,
        failing_since=row.failing_since,
        in_doubt=row.in_doubt,
        claim=row.claim + 1,
    )
