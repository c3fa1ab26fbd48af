"""Reports for people, scripts and metrics: figures, changes with their history, one order's story, the last day.

Nothing here writes. What a scrape or the status page asks for reads a bounded number of rows along the indexes, however
many changes there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, get_args

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, exists, func, select

from syncd.model import CHANGE_STATES, Cancellation, ChangeState, Content, Hold
from syncd.news import besides_status
from syncd.state import missing
from syncd.state.counts import read_counts
from syncd.state.identifiers import current_number, similar_numbers
from syncd.state.inbox import CANCELLATION_COLUMNS, cancellation_of
from syncd.state.outcomes import answered_status
from syncd.state.polls import odd_rows_of, polls_of
from syncd.state.read_models import (
    AtLeast,
    AttemptView,
    ChangeView,
    ChangeWithAttempt,
    HalfHour,
    PushView,
    Recent,
    SeenView,
    SourceStatus,
    Story,
    Summary,
)
from syncd.state.schema import DUE_SOMETIME, attempts, cancellations, changes, former_numbers, in_state, seen
from syncd.state.store import Store, all_facts, get_fact, instant, pause_of, refusals_of
from syncd.state.told import told_of

PAGE = 500
"""Changes read in one transaction: none stays open while the caller consumes an iterator."""

HALF_HOUR = timedelta(minutes=30)
HALF_HOURS = 48
LAGS_KEPT = 200
"""In each half-hour: enough for a median. A lag costs a read of its change, while a count reads the index alone."""

RECENT = 100
"""Attempts, changes and deliveries that are read to see how delivery goes."""
COUNTED = 100
"""Held changes of each code at most. How many there are of all codes is known exactly, and costs nothing."""

FAILED: tuple[ChangeState, ...] = ("refused", "dead")
ENDED = changes.c.ended_at.is_not(None)
"""Redundant with a final state, but without it SQLite does not use the partial index."""
_NEXT_HELD = (
    select(changes.c.status, changes.c.detected_at)
    .where(in_state("held"), changes.c.hold == bindparam("hold"), changes.c.status > bindparam("after"))
    .order_by(changes.c.status, changes.c.detected_at)
    .limit(1)
)
"""The oldest held change of the next status."""
_SOME_HELD = (
    select(changes.c.status)
    .where(in_state("held"), changes.c.hold == bindparam("hold"), changes.c.status == bindparam("status"))
    .limit(COUNTED)
)
_COUNT_OF_HELD = select(func.count()).select_from(_SOME_HELD.subquery())
_CONTENT_BEFORE = select(changes.c.content).where(
    changes.c.id
    == select(func.max(changes.c.id))
    .where(changes.c.order_id == bindparam("order"), changes.c.id < bindparam("id"))
    .correlate(None)
    .scalar_subquery()
)
"""That of the order's change before. It is looked for in an index, but among all changes of the order."""
_NEXT_PENDING = (
    select(changes.c.refusals, changes.c.detected_at)
    .where(in_state("pending"), changes.c.refusals > bindparam("after"))
    .order_by(changes.c.refusals, changes.c.detected_at)
    .limit(1)
)
"""The oldest pending change of those that were refused more often."""
_NEXT_DUE = select(func.min(changes.c.next_attempt_at)).where(DUE_SOMETIME)

_WAITING_SINCE = (
    select(changes.c.detected_at)
    .where(in_state("pending"), changes.c.refusals == 0)
    .order_by(changes.c.detected_at)
    .limit(1)
)
_RECENT_PUSHES = (
    select(attempts, changes.c.order_id, changes.c.status, changes.c.refusals, changes.c.imshop_status)
    .join(changes, changes.c.id == attempts.c.change_id)
    .order_by(attempts.c.id.desc())
    .limit(RECENT)
)
_FINDS = (
    select(changes.c.found_by, changes.c.detected_at, changes.c.source_updated_at)
    .order_by(changes.c.id.desc())
    .limit(RECENT)
)

_later = cancellations.alias("later")
_CANCELLATIONS_FAILED = (
    select(func.count())
    .select_from(cancellations)
    .where(
        cancellations.c.state == "failed",
        ~exists().where(_later.c.order_id == cancellations.c.order_id, _later.c.id > cancellations.c.id),
    )
)
"""Undecided cancellations whose order has no newer one."""

_KEYS = select(func.count()).select_from(seen).where(seen.c.shop_id.is_not(None))
_KEYS_NOT_TRACKED = _KEYS.where(seen.c.missing_since.is_not(None))


class Reports:
    """Each method reads; none writes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def summary(self) -> Summary:
        """The state in figures, cheap enough for every scrape."""
        with self._store.read() as connection:
            facts = all_facts(connection)
            counts, held = read_counts(connection)
            failed = connection.execute(_CANCELLATIONS_FAILED).scalar_one()
            oldest = min((detected_at for _, detected_at in _walk(connection, _NEXT_PENDING, -1)), default=None)
            next_due = connection.execute(_NEXT_DUE).scalar()
        quiet = facts.get("quiet", {})
        return Summary(
            tracked=facts.get("tracked", 0),
            changes={state: counts.get(state, 0) for state in CHANGE_STATES},
            held=held,
            oldest_pending_at=oldest,
            next_due_at=next_due,
            source=_source_status(facts.get("source", {})),
            pause=pause_of(facts.get("pause")),
            last_delivered_at=instant(facts.get("last_delivered_at")),
            missing_refused=missing.refused(facts),
            cancellations_failed=failed,
            odd_rows=odd_rows_of(facts.get("source", {})),
            polls=polls_of(facts),
            refusals=refusals_of(facts.get("refusals")),
            delivers_since=instant(quiet.get("since")),
            longest_quiet=timedelta(seconds=quiet.get("longest", 0)),
            lost_at=instant(facts.get("lost_at")),
            certificate_ends=instant(facts.get("certificate", {}).get("ends")),
        )

    def recent(self) -> Recent:
        """What happened lately, from so many rows at most, however many there are."""
        with self._store.read() as connection:
            last = {row.change_id: row for row in reversed(connection.execute(_RECENT_PUSHES).all())}
            pushes = [_push_view(row) for row in sorted(last.values(), key=lambda row: row.id, reverse=True)]
            finds: dict[datetime, timedelta] = {}
            for found_by, detected_at, updated_at in connection.execute(_FINDS):
                if found_by == "cursor" and updated_at:
                    lag = detected_at - updated_at
                    finds[detected_at] = min(lag, finds.get(detected_at, lag))
            return Recent(
                pushes,
                lags=list(finds.values()),
                waiting_since=connection.execute(_WAITING_SINCE).scalar(),
                unlisted=_unlisted(connection),
            )

    def without_shop_id(self) -> int:
        """Tracked orders of which the shop's own key is not known. Counted along the index of the keys."""
        with self._store.read() as connection:
            tracked = get_fact(connection, "tracked") or 0
            known, not_tracked = (connection.execute(count).scalar_one() for count in (_KEYS, _KEYS_NOT_TRACKED))
        return max(0, tracked - known + not_tracked)

    def changes(
        self, state: ChangeState | None = None, order_id: str | None = None, limit: int | None = None
    ) -> Iterator[ChangeView]:
        """Changes with their history, newest first; `limit` None: all of them. `order_id` may be a former number."""
        conditions = [] if state is None else [changes.c.state == state]
        conditions += [] if order_id is None else [changes.c.order_id == self.current_number(order_id)]
        left, before = limit, None
        while left is None or left > 0:
            older: list[ColumnElement[bool]] = [] if before is None else [changes.c.id < before]
            newest_first = select(changes).where(*conditions, *older).order_by(changes.c.id.desc())
            with self._store.read() as connection:
                some = newest_first.limit(PAGE if left is None else min(PAGE, left))
                page = _change_views(connection, some, has_gaps=state is not None)
            yield from page
            if len(page) < PAGE:
                return
            before, left = page[-1].id, None if left is None else left - PAGE

    def story(self, order_id: str) -> Story:
        """Everything about one order by its number or a former one, even if it is not tracked any more."""
        order_id = self.current_number(order_id)
        tried = (
            select(attempts)
            .join(changes, changes.c.id == attempts.c.change_id)
            .where(changes.c.order_id == order_id)
            .order_by(attempts.c.id)
        )
        with self._store.read() as connection:
            row = connection.execute(select(seen).where(seen.c.order_id == order_id)).first()
            tries = [_attempt_view(attempt) for attempt in connection.execute(tried)]
            former = connection.execute(select(former_numbers.c.former).where(former_numbers.c.order_id == order_id))
            before = sorted(former.scalars())
        known = None if row is None else _seen_view(row)
        return Story(order_id, known, list(self.changes(order_id=order_id)), tries, before)

    def last_day(self, now: datetime) -> Sequence[HalfHour]:
        """The 24 hours up to `now` in HALF_HOURS parts of HALF_HOUR each, oldest first."""
        with self._store.read() as connection:
            return [_half_hour(connection, now - HALF_HOUR * (left + 1)) for left in reversed(range(HALF_HOURS))]

    def oldest_by_state(self) -> Mapping[ChangeState, datetime]:
        """When the oldest change was held, refused or became dead: for each of these states that a change is in."""
        with self._store.read() as connection:
            since: dict[ChangeState, datetime | None] = {"held": _oldest_held(connection)}
            for state in FAILED:
                first = select(func.min(changes.c.ended_at)).where(in_state(state), ENDED)
                since[state] = connection.execute(first).scalar()
        return {state: at for state, at in since.items() if at}

    def waiting(self, limit: int) -> Sequence[ChangeView]:
        """The changes that have been pending for longest, without those that IMSHOP refused at least once: it is asked
        for them again within the hour, and they say nothing of how delivery goes."""
        of_delivery = select(changes).where(in_state("pending"), changes.c.refusals == 0)
        with self._store.read() as connection:
            return _change_views(connection, of_delivery.order_by(changes.c.detected_at).limit(limit), has_gaps=True)

    def newest_changes(self, limit: int) -> Sequence[ChangeWithAttempt]:
        """The newest changes, newest first, each with its last attempt."""
        newest = select(changes).order_by(changes.c.id.desc()).limit(limit)
        with self._store.read() as connection:
            views = _change_views(connection, newest, has_gaps=False)
            of_these = attempts.c.change_id.in_([view.id for view in views])
            tries = connection.execute(select(attempts).where(of_these).order_by(attempts.c.id))
            last = {row.change_id: _attempt_view(row) for row in tries}
        return [ChangeWithAttempt(view, last.get(view.id)) for view in views]

    def cancellations(self, order_id: str | None = None, limit: int | None = None) -> list[Cancellation]:
        """Newest first; `limit` None: all of them."""
        of_order = [] if order_id is None else [cancellations.c.order_id == order_id]
        newest = select(*CANCELLATION_COLUMNS).where(*of_order).order_by(cancellations.c.id.desc()).limit(limit)
        with self._store.read() as connection:
            return [cancellation_of(row) for row in connection.execute(newest)]

    def similar_numbers(self, order_id: str) -> Sequence[str]:
        """Tracked orders that may be meant by a number that none has; see `identifiers.similar_numbers`."""
        with self._store.read() as connection:
            return similar_numbers(connection, order_id)

    def current_number(self, order_id: str) -> str:
        """The present number of the order with this number or former number; see `identifiers.current_number`."""
        with self._store.read() as connection:
            return current_number(connection, order_id)


def _walk(connection: Connection, following: Select[Any], before: Any, **values: Any) -> Iterator[tuple[Any, datetime]]:
    """Each value that there is, with the time of its oldest change: a read for each value, of which there are few,
    however many changes are."""
    while found := connection.execute(following, {"after": before, **values}).first():
        before, detected_at = found
        yield before, detected_at


def _oldest_held(connection: Connection) -> datetime | None:
    firsts = (first for hold in get_args(Hold) for first in _walk(connection, _NEXT_HELD, "", hold=hold))
    return min((detected_at for _, detected_at in firsts), default=None)


def _unlisted(connection: Connection) -> dict[str, int]:
    codes = [code for code, _ in _walk(connection, _NEXT_HELD, "", hold="status")]
    counts = {
        code: connection.execute(_COUNT_OF_HELD, {"hold": "status", "status": code}).scalar_one() for code in codes
    }
    return {code: AtLeast(count) if count == COUNTED else count for code, count in counts.items()}


def _change_views(connection: Connection, some: Select[Any], *, has_gaps: bool) -> list[ChangeView]:
    """`has_gaps`: the changes are not newest first, or some of an order are left out between others."""
    rows = connection.execute(some).all()
    before: dict[int, Content] = {}
    if not has_gaps:
        newer_of: dict[str, int] = {}
        for row in rows:
            if (newer := newer_of.get(row.order_id)) is not None:
                before[newer] = row.content
            newer_of[row.order_id] = row.id
    return [_change_view(row, _besides(connection, row, before.get(row.id))) for row in rows]


def _besides(connection: Connection, row: Row[Any], before: Content | None) -> Content | None:
    """`before`: the content of the order's change before, if it was read with this one."""
    if row.previous_status != row.status:
        return None
    if before is None:
        before = connection.execute(_CONTENT_BEFORE, {"order": row.order_id, "id": row.id}).scalar()
    return besides_status(row.content, before, with_payment=row.with_payment)


def _change_view(row: Row[Any], besides: Content | None) -> ChangeView:
    return ChangeView(
        id=row.id,
        order_id=row.order_id,
        status=row.status,
        previous_status=row.previous_status,
        state=row.state,
        detected_at=row.detected_at,
        source_updated_at=row.source_updated_at,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at if row.state == "pending" else None,
        delivered_at=row.ended_at if row.state == "delivered" else None,
        last_error=row.last_error,
        imshop_uuid=row.answered_uuid or row.imshop_uuid,
        imshop_status=row.imshop_status,
        found_by=row.found_by,
        hold=row.hold,
        message=row.message,
        tracking_url=row.tracking_url,
        besides=besides,
    )


def _push_view(row: Row[Any]) -> PushView:
    """A refusal that is not the last one is an attempt that is repeated, of a change that IMSHOP answered."""
    refused = row.result == "refused" or (row.result == "retry" and row.refusals > 0 and (row.http_status or 500) < 500)
    delivered = row.result == "delivered"
    return PushView(
        row.order_id,
        row.status,
        row.result,
        refused,
        row.ended_at,
        None if delivered else row.detail,
        answered_status(row.detail) if delivered else None,
        row.imshop_status if delivered else None,
    )


def _seen_view(row: Row[Any]) -> SeenView:
    told = told_of(row.content, row.told)
    return SeenView(
        content=row.content,
        told=told if told and told["status"] else None,  # without one it is not known which status IMSHOP heard last
        imshop_uuid=row.imshop_uuid,
        shop_id=row.shop_id,
        first_seen_at=row.first_seen_at,
        changed_at=row.changed_at,
        missing_since=row.missing_since,
        acknowledged_status=row.acknowledged_status,
        acknowledged_at=row.acknowledged_at,
        acknowledged_uuid=row.acknowledged_uuid,
    )


def _attempt_view(row: Row[Any]) -> AttemptView:
    answered = answered_status(row.detail) if row.result == "delivered" else None
    return AttemptView(row.change_id, row.started_at, row.ended_at, row.result, row.http_status, row.detail, answered)


def _source_status(fact: dict[str, Any]) -> SourceStatus:
    return SourceStatus(
        last_poll_at=instant(fact.get("last_poll_at")),
        last_success_at=instant(fact.get("last_success_at")),
        last_error=fact.get("last_error"),
        consecutive_failures=fact.get("consecutive_failures", 0),
    )


def _half_hour(connection: Connection, since: datetime) -> HalfHour:
    within = [in_state("delivered"), ENDED, changes.c.ended_at >= since, changes.c.ended_at < since + HALF_HOUR]
    pushed = connection.execute(select(func.count()).select_from(changes).where(*within)).scalar_one()
    started = func.coalesce(changes.c.source_updated_at, changes.c.detected_at, type_=changes.c.detected_at.type)
    newest = select(started, changes.c.ended_at).where(*within).order_by(changes.c.ended_at.desc()).limit(LAGS_KEPT)
    lags = [max(0.0, (ended - begun).total_seconds()) for begun, ended in connection.execute(newest)] if pushed else []
    return HalfHour(since, pushed, sorted(lags))
