"""The outbox: claims the changes that are sent next, and records the outcomes of those that were sent.

A claim lasts as long as the request may be under way, on the database's clock. A process that takes over waits for the
end of each claim of its predecessor; only the order of that claim waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, and_, bindparam, func, literal_column, or_, select, update

from syncd.model import Outcome, Pause, Push
from syncd.news import is_payment_news, payment_of
from syncd.state.outcomes import write_outcomes
from syncd.state.schema import (
    CLAIMED,
    DUE_SOMETIME,
    MICROSECOND,
    attempts,
    changes,
    database_time,
    from_now,
    is_listed,
    list_parameter,
    one_of,
    seen,
)
from syncd.state.store import Store, get_fact, in_chunks, pause_fact, put_fact
from syncd.state.told import UNKNOWN_BUT_PAID, told_of
from syncd.state.transitions import NEWER_WILL_BE_SENT, end_changes, supersede_without_news

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
"""No other change of the order is being sent, and no pending one is newer."""
_DUE = (DUE_SOMETIME, changes.c.next_attempt_at <= bindparam("now"))
_IS_OF_THE_FUTURE = or_(
    changes.c.detected_at > bindparam("now"),
    select(attempts.c.id).where(attempts.c.change_id == changes.c.id, attempts.c.ended_at > bindparam("now")).exists(),
)
_ANY_DUE = select(changes.c.id).where(*_DUE).limit(1)
_ANY_GOING = select(changes.c.id).where(or_(and_(*_DUE), CLAIMED)).limit(1)
_LENGTH = bindparam("length", type_=BigInteger)
_NEXT = (
    select(changes.c.id)
    .where(*_DUE, _FIRST_OF_ITS_ORDER)
    .order_by(changes.c.next_attempt_at, changes.c.id)
    .limit(bindparam("most"))
    .correlate(None)
)
_CLAIM = (
    update(changes)
    .where(changes.c.id.in_(_NEXT))
    .values(claimed_at=bindparam("now"), claim=changes.c.claim + 1, claim_ends_at=from_now(_LENGTH))
    .returning(
        *(changes.c.id, changes.c.order_id, changes.c.revision, changes.c.status, changes.c.message),
        *(changes.c.tracking_url, changes.c.user_id, changes.c.imshop_uuid, changes.c.content, changes.c.with_payment),
        *(changes.c.detected_at, changes.c.source_updated_at, changes.c.attempts, changes.c.refusals),
        *(changes.c.failing_since, changes.c.in_doubt, changes.c.claim, changes.c.next_attempt_at),
    )
)
_OVER = or_(
    changes.c.claim_ends_at.is_(None),
    changes.c.claim_ends_at <= database_time(),
    changes.c.claim_ends_at > from_now(_LENGTH),
)
"""The request of the claim must be over. A claim that ends later than any claim can was made before the clock was set
back."""
_CLAIMS = select(changes.c.id, changes.c.claim, _OVER.label("is_over")).where(CLAIMED)
_CLAIMS_STILL = _CLAIMS.where(is_listed(changes.c.id, list_parameter("known")))
_KNOWN = select(seen.c.order_id, seen.c.content, seen.c.told).where(
    is_listed(seen.c.order_id, list_parameter("orders"))
)
_SHARED = (
    select(seen.c.imshop_uuid)
    .where(is_listed(seen.c.imshop_uuid, list_parameter("uuids")))
    .group_by(seen.c.imshop_uuid)
    .having(func.count() > 1)
)


class StoredOutbox:
    """See `pipeline.deliver.Outbox` for the contracts of the methods. One delivery loop uses it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._handed_out: dict[int, int] = {}
        """Claims that were returned and whose outcome is not recorded yet, by the change's id. Another process may hold
        the change by now: it claimed it after this one had been frozen."""
        self._unsure: list[datetime] = []
        """The times of claims that raised an error, and may be committed all the same."""
        self._foreign: set[int] | None = None
        """Changes that are claimed by other processes; None: not looked up yet."""

    def leadership_gained(self, now: datetime) -> None:
        """Another process may have led meanwhile: look its claims up again. And the clock may have been set back while
        none did: changes that were found, or sent last, later than now are due now."""
        self._foreign = None
        left = (DUE_SOMETIME, changes.c.next_attempt_at > now, _IS_OF_THE_FUTURE)
        with self._store.read() as connection:
            if not connection.execute(select(changes.c.id).where(*left).limit(1), {"now": now}).first():
                return
        with self._store.write() as connection:
            connection.execute(update(changes).where(*left).values(next_attempt_at=now), {"now": now})

    def claims_of_others(self) -> int | None:
        """How many changes claimed by other processes may still be on their way; None: not known yet."""
        return None if self._foreign is None else len(self._foreign)

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
            self._undo_unsure(connection, self._unsure[:-1], now)
            foreign = self._end_foreign_claims(connection, claim, now)
            write_outcomes(connection, outcomes)
            if get_fact(connection, "pause") != pause_fact(pause):
                put_fact(connection, "pause", pause_fact(pause))
            pushes = _claim_due(connection, limit, claim, now) if limit else []
        self._foreign = foreign
        self._forget_handed_out(outcomes)
        self._handed_out |= {push.change_id: push.claim for push in pushes}
        self._unsure.clear()
        return pushes

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes, even if another process leads now. Nothing is claimed."""
        if outcomes:
            with self._store.write(fenced=False) as connection:
                write_outcomes(connection, outcomes)
            self._forget_handed_out(outcomes)

    def _forget_handed_out(self, outcomes: Sequence[Outcome]) -> None:
        for push in (outcome.push for outcome in outcomes):
            if self._handed_out.get(push.change_id) == push.claim:
                del self._handed_out[push.change_id]

    def make_all_due(self, now: datetime) -> int:
        """Make every pending change due now: the clock that their times were set by has been set back since."""
        waiting = (DUE_SOMETIME, changes.c.next_attempt_at > now)
        with self._store.write() as connection:
            return connection.execute(update(changes).where(*waiting).values(next_attempt_at=now)).rowcount

    def is_delivering(self, now: datetime) -> bool:
        """Whether a change is being sent, or is due to be."""
        with self._store.read() as connection:
            return connection.execute(_ANY_GOING, {"now": now}).first() is not None

    def _is_work(self, limit: int, pause: Pause | None, now: datetime, claim: timedelta) -> bool:
        """Whether there is anything to do. A reading transaction finds that out first, because a writing one locks out
        other writers, and on a quiet day most calls find nothing."""
        with self._store.read() as connection:
            if get_fact(connection, "pause") != pause_fact(pause):
                return True
            foreign = self._foreign_claims(connection, claim)
            self._foreign = set(foreign)
            if any(foreign.values()):
                return True
            return limit > 0 and connection.execute(_ANY_DUE, {"now": now}).first() is not None

    def _foreign_claims(self, connection: Connection, claim: timedelta) -> dict[int, bool]:
        """The claims that this process did not hand out, and whether the request of each must be over. They belong to
        another process, or to a call of this one whose commit was cut."""
        length = claim // MICROSECOND
        if self._foreign is None:
            found = connection.execute(_CLAIMS, {"length": length})
        elif self._foreign:
            found = connection.execute(_CLAIMS_STILL, {"known": sorted(self._foreign), "length": length})
        else:
            return {}
        return {row.id: bool(row.is_over) for row in found if self._handed_out.get(row.id) != row.claim}

    def _end_foreign_claims(self, connection: Connection, claim: timedelta, now: datetime) -> set[int]:
        """Make changes due again, and in doubt, whose foreign claim must be over, unless a newer change of the order
        waits. Returns the changes whose push may still be on its way."""
        foreign = self._foreign_claims(connection, claim)
        for ids in in_chunks(change_id for change_id, is_over in foreign.items() if is_over):
            over = (CLAIMED, changes.c.id.in_(ids))
            connection.execute(update(changes).where(*over).values(in_doubt=True))
            end_changes(connection, "superseded", now, *over, NEWER_WILL_BE_SENT)
            connection.execute(update(changes).where(*over).values(claimed_at=None, next_attempt_at=now))
        return {change_id for change_id, is_over in foreign.items() if not is_over}

    def _undo_unsure(self, connection: Connection, failed_at: Sequence[datetime], now: datetime) -> None:
        """Undo the claims of calls that failed but are committed: a connection can be cut right at the commit. These
        changes were never handed out, so nobody would send them. A claim that another daemon made since is left alone.

        A change staged since then was stored beside the claimed one, as if that were being sent; it may be no news now.
        """
        if not failed_at:
            return
        taken = select(changes.c.id, changes.c.order_id, changes.c.claim).where(
            CLAIMED, changes.c.claimed_at.in_(failed_at)
        )
        lost = [row for row in connection.execute(taken) if self._handed_out.get(row.id) != row.claim]
        for ids in in_chunks(row.id for row in lost):
            these = (CLAIMED, changes.c.id.in_(ids))
            end_changes(connection, "superseded", now, *these, NEWER_WILL_BE_SENT)
            connection.execute(update(changes).where(*these).values(claimed_at=None))
        supersede_without_news(connection, [row.order_id for row in lost], now)


def _payments_owed(connection: Connection, claimed: Sequence[Row[Any]]) -> set[int]:
    """Those of these changes that must tell their payment, though it was no news when they were staged: while they were
    held, an older change told IMSHOP another one, or may have. One that may have been sent already decided it then."""
    unsent = [row for row in claimed if not (row.with_payment or row.in_doubt)]
    silent = {row.order_id: row for row in unsent if payment_of(row.content) is not None}
    if not silent:
        return set()
    known = connection.execute(_KNOWN, {"orders": [*silent]}).all()
    owed = set()
    for order_id, content, told in known:
        row, before = silent[order_id], told_of(content, told)
        if before is None:
            owes = row.content["paid"] is True or told == UNKNOWN_BUT_PAID
        else:  # a column that is new to the query was adopted, and is told to nobody
            owes = "paid" in before and is_payment_news(row.content, before)
        if owes:
            owed.add(row.id)
    if owed:
        connection.execute(update(changes).where(one_of(changes.c.id, owed)).values(with_payment=True))
    return owed


def _claim_due(connection: Connection, limit: int, claim: timedelta, now: datetime) -> list[Push]:
    claimed = connection.execute(_CLAIM, {"now": now, "most": limit, "length": claim // MICROSECOND}).all()
    uuids = [row.imshop_uuid for row in claimed if row.imshop_uuid is not None]
    shared = set(connection.execute(_SHARED, {"uuids": uuids}).scalars()) if uuids else set()
    owed = _payments_owed(connection, claimed)
    longest_due_first = sorted(claimed, key=lambda row: (row.next_attempt_at, row.id))
    return [
        _push(row, uuid_is_shared=row.imshop_uuid in shared, with_payment=row.with_payment or row.id in owed)
        for row in longest_due_first
    ]


def _push(row: Row[Any], *, uuid_is_shared: bool, with_payment: bool) -> Push:
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
        payment=payment_of(row.content) if with_payment else None,
        detected_at=row.detected_at,
        source_updated_at=row.source_updated_at,
        attempts=row.attempts,
        refusals=row.refusals,
        failing_since=row.failing_since,
        in_doubt=row.in_doubt,
        claim=row.claim,
    )
