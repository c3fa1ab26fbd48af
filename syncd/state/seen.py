"""What was seen of orders, and the transaction that stages differences: seen, changes and cursor together.

A buyer's cancellation concerns the same rows: a poll puts an order off while it is being cancelled (`being_cancelled`),
and a decision is valid until the order gets another status (`invalidate_decisions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Text,
    case,
    func,
    or_,
    select,
    type_coerce,
    update,
)

from syncd.model import Change, Decision, Hold, Identified, Recorded, Seen
from syncd.state import stored_segments
from syncd.state.bulk import Values, insert_rows, update_rows
from syncd.state.identifiers import renumber
from syncd.state.schema import (
    EPOCH,
    MICROSECOND,
    UNSENT,
    WAITING,
    cancellations,
    canonical,
    changes,
    clean,
    content_of,
    in_state,
    is_listed,
    list_parameter,
    microseconds,
    one_of,
    seen,
)
from syncd.state.store import add_to_fact, get_fact, put_fact
from syncd.state.told import TOLD_IN_DOUBT, UNKNOWN, UNKNOWN_BUT_PAID, once_in_doubt, told_column, told_of
from syncd.state.transitions import end_changes

_SOME_CANCELLATION = select(cancellations.c.id).limit(1)
_DECIDED = cancellations.c.state.in_(["accepted", "refused"])
_SEEN = select(
    seen.c.order_id,
    type_coerce(seen.c.content, Text),
    seen.c.told,
    seen.c.imshop_uuid,
    seen.c.shop_id,
    seen.c.revision,
    type_coerce(seen.c.changed_at, BigInteger),
    type_coerce(seen.c.missing_since, BigInteger),
    type_coerce(seen.c.unpaid_since, BigInteger),
    seen.c.segment,
    seen.c.compared_in,
).where(is_listed(seen.c.order_id, list_parameter("orders")))
"""The columns of _Stored, as they are stored: SQLAlchemy would convert each value."""
_RECORDED = select(
    seen.c.order_id,
    type_coerce(seen.c.content, Text),
    seen.c.imshop_uuid,
    seen.c.shop_id,
    seen.c.missing_since.is_not(None),
).where(is_listed(seen.c.order_id, list_parameter("orders")))
_WAITING = (
    select(
        changes.c.order_id,
        func.max(case((or_(changes.c.in_doubt, changes.c.claimed_at.is_not(None)), 1), else_=0)),
        func.max(case((changes.c.with_payment, 1), else_=0)),
    )
    .where(WAITING, is_listed(changes.c.order_id, list_parameter("orders")))
    .group_by(changes.c.order_id)
)


class _Stored(NamedTuple):
    """A row of `seen`, as it is stored."""

    order_id: str
    content: str
    told: str | None
    imshop_uuid: str | None
    shop_id: str | None
    revision: int
    changed_at: int
    missing_since: int | None
    unpaid_since: int | None
    segment: int | None
    compared_in: int


class _Known(NamedTuple):
    """An order that is tracked. `waits`: changes of it wait; `in_doubt`: one of them may have been applied."""

    stored: _Stored
    seen: Seen
    waits: bool
    in_doubt: bool


class StagingTransaction:
    """See `pipeline.staging.Staging`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loaded: dict[str, _Known | None] = {}
        """What this transaction knows of orders; None: they are not tracked."""

    def load(self, order_ids: Iterable[str]) -> Mapping[str, Seen]:
        known = self._known({clean(order_id): order_id for order_id in order_ids})
        return {one.seen.order_id: one.seen for one in known.values()}

    def being_cancelled(self, order_ids: Iterable[str], since: datetime) -> set[str]:
        return being_cancelled(self._connection, order_ids, since)

    def renumber(self, numbers: Mapping[str, str], now: datetime) -> None:
        renumber(self._connection, numbers, now)
        self._loaded.clear()

    def set_cursor(self, cursor: str) -> None:
        put_fact(self._connection, "cursor", cursor)

    def mark_told_unknown(self, order_ids: Iterable[str]) -> None:
        """What IMSHOP knows of these orders is unknown from now on, whatever the result of a push under way."""
        these = one_of(seen.c.order_id, map(clean, order_ids))
        self._connection.execute(update(seen).where(these).values(told=TOLD_IN_DOUBT))
        self._loaded.clear()

    def store(
        self, decisions: Sequence[Decision], now: datetime, *, counting: bool, segments: Mapping[str, int] | None = None
    ) -> None:
        if not decisions:
            return
        numbered = {clean(decision.seen.order_id): decision for decision in decisions}
        known = self._known({number: decision.seen.order_id for number, decision in numbered.items()})
        if _has_cancellations(self._connection):
            statuses = {number: str(decision.seen.content["status"]) for number, decision in numbered.items()}
            invalidate_decisions(self._connection, statuses)
        contents = {number: canonical(decision.seen.content) for number, decision in numbered.items()}
        self._store_seen(numbered, contents, known, now, segments or {})
        due, held, rows, at = list[str](), list[str](), list[Values](), microseconds(now)
        for number, decision in numbered.items():
            if (change := decision.change) is not None:
                hold = change.hold or ("counting" if counting else None)
                (held if hold else due).append(number)
                is_same = change.content is decision.seen.content
                content = contents[number] if is_same else canonical(change.content)
                rows.append(_change_row(number, change, content, hold, at))
            elif decision.void:
                due.append(number)
        self._supersede(due, known, now, UNSENT)
        self._supersede(held, known, now, WAITING, in_state("held"))
        insert_rows(self._connection, changes, _CHANGE, rows)
        self._loaded.clear()

    def adopt(self, found: Sequence[Identified], now: datetime, segments: Mapping[str, int]) -> set[str]:
        numbered = {clean(one.order_id): one for one in found}
        left_out = set()
        if _has_cancellations(self._connection):
            # Only they make orders known while another process, or thread, takes the baseline.
            known = self._known({number: one.order_id for number, one in numbered.items()})
            left_out = {numbered.pop(number).order_id for number in known}
            statuses = {number: str(one.content["status"]) for number, one in numbered.items()}
            invalidate_decisions(self._connection, statuses)
        compare, at = self._compare(), microseconds(now)
        rows = [
            _first_row(number, one, canonical(one.content), None, 0, at, segments[one.order_id], compare)
            for number, one in numbered.items()
        ]
        self._insert_seen(rows)
        self._loaded.clear()
        return left_out

    def _known(self, numbers: Mapping[str, str]) -> Mapping[str, _Known]:
        """What is known of those of these orders that are tracked; `numbers`: each with the id as given."""
        if new := {number: order_id for number, order_id in numbers.items() if number not in self._loaded}:
            self._loaded |= dict.fromkeys(new)
            self._loaded |= _known(self._connection, new)
        return {number: known for number in numbers if (known := self._loaded[number])}

    def _store_seen(
        self,
        orders: Mapping[str, Decision],
        contents: Mapping[str, str],
        known: Mapping[str, _Known],
        now: datetime,
        segments_of: Mapping[str, int],
    ) -> None:
        """Store what is seen of orders, and drop the digests of the segments that they were in.

        An order seen for the first time counts as seen by the newest compare: only the next one can miss it.
        """
        stored_segments.leave(
            self._connection, ((one.stored.segment, one.stored.compared_in) for one in known.values())
        )
        compare, at = self._compare(), microseconds(now)
        first, again = list[Values](), list[tuple[_Known, Seen, str]]()
        for number, decision in orders.items():
            order, content = decision.seen, contents[number]
            if (before := known.get(number)) is None:
                told = told_column(order.told, order.content)
                origin = at, segments_of.get(order.order_id), compare
                first.append(_first_row(number, order, content, told, order.revision, *origin))
            else:
                again.append((before, order, content))
        self._insert_seen(first)
        few, all_columns = _rows_again(again, at, compare)
        update_rows(self._connection, seen, _AGAIN, few)
        update_rows(self._connection, seen, _AGAIN + _RARELY, all_columns)
        returned = sum(one.seen.missing for one in known.values())
        add_to_fact(self._connection, "tracked", returned)

    def _compare(self) -> int:
        return get_fact(self._connection, "compare") or 0

    def _insert_seen(self, rows: Sequence[Values]) -> None:
        insert_rows(self._connection, seen, _FIRST, rows)
        add_to_fact(self._connection, "tracked", len(rows))

    def _supersede(
        self, numbers: Sequence[str], known: Mapping[str, _Known], now: datetime, *which: ColumnElement[bool]
    ) -> None:
        """Supersede what waits of these orders."""
        if waiting := [number for number in numbers if number in known and known[number].waits]:
            end_changes(self._connection, "superseded", now, *which, one_of(changes.c.order_id, waiting))


def load(connection: Connection, order_ids: Iterable[str]) -> dict[str, Seen]:
    """What was seen of the tracked ones of these orders, by the ids as given."""
    asked = {clean(order_id): order_id for order_id in order_ids}
    return {one.seen.order_id: one.seen for one in _known(connection, asked).values()}


def recorded(connection: Connection, order_ids: Iterable[str]) -> dict[str, Recorded]:
    """What a full compare needs of those of these orders that are tracked, by the ids as given."""
    asked = {clean(order_id): order_id for order_id in order_ids}
    rows = connection.execute(_RECORDED, {"orders": [*asked]})
    return {asked[number]: Recorded(content_of(content), *others) for number, content, *others in rows}


def _known(connection: Connection, numbers: Mapping[str, str]) -> dict[str, _Known]:
    """What is known of those of these orders that are tracked; `numbers`: each with the id as given."""
    rows = connection.execute(_SEEN, {"orders": [*numbers]}).all()
    if not rows:
        return {}
    stored = [_Stored._make(row) for row in rows]
    found = [one.order_id for one in stored]
    waiting = {number: flags for number, *flags in connection.execute(_WAITING, {"orders": found})}
    known = {}
    for one in stored:
        number, content = one.order_id, content_of(one.content)
        waits = number in waiting
        in_doubt, with_payment = waiting[number] if waits else (False, False)
        told = told_of(content, one.told)
        may_be_paid = one.told == UNKNOWN_BUT_PAID or (in_doubt and told is not None and told.get("paid") is True)
        as_seen = Seen(
            numbers[number],
            content,
            None if in_doubt else told,
            one.imshop_uuid,
            one.revision,
            one.missing_since is not None,
            bool(with_payment or may_be_paid),
            one.shop_id,
            None if one.unpaid_since is None else EPOCH + one.unpaid_since * MICROSECOND,
        )
        known[number] = _Known(one, as_seen, waits, bool(in_doubt))
    return known


_FIRST = (
    *("order_id", "content", "told", "imshop_uuid", "shop_id", "revision"),
    *("first_seen_at", "changed_at", "segment", "compared_in"),
)


def _first_row(
    number: str,
    order: Seen | Identified,
    content: str,
    told: str | None,
    revision: int,
    at: int,
    segment: int | None,
    compare: int,
) -> Values:
    uuid, key = _clean(order.imshop_uuid), _clean(order.shop_id)
    return number, content, told, uuid, key, revision, at, at, segment, compare


_AGAIN = ("order_id", "content", "told", "revision", "changed_at", "segment", "compared_in")
_RARELY = ("imshop_uuid", "shop_id", "unpaid_since", "missing_since")
"""Columns that are mostly as they were: a row in which one of them differs is written with all columns. SQLite writes
the indexes of all columns that a statement names."""


def _rows_again(
    orders: Iterable[tuple[_Known, Seen, str]], at: int, compare: int
) -> tuple[Sequence[Values], Sequence[Values]]:
    """The rows of orders seen before, each given with the JSON of its content: those with the columns of _AGAIN, and
    those with the columns of _RARELY too."""
    few, all_columns = list[Values](), list[Values]()
    for before, order, content in orders:
        stored = before.stored
        changed_at = stored.changed_at if content == stored.content else at
        row = stored.order_id, content, _told_again(before, order, content), order.revision, changed_at, None, compare
        unpaid = None if order.unpaid_since is None else microseconds(order.unpaid_since)
        rarely = _clean(order.imshop_uuid), _clean(order.shop_id), unpaid, None
        if rarely == (stored.imshop_uuid, stored.shop_id, stored.unpaid_since, stored.missing_since):
            few.append(row)
        else:
            all_columns.append((*row, *rarely))
    return few, all_columns


def _told_again(before: _Known, order: Seen, content: str) -> str | None:
    """The value of `seen.told` of an order seen before; `content`: its content in JSON."""
    stored = before.stored
    known = stored.content if stored.told is None else stored.told
    if order.told is before.seen.told and not before.in_doubt:
        return None if known == content else known
    told = told_column(order.told, order.content)
    if told != UNKNOWN:
        return told
    # If what IMSHOP knows is only unknown because a push is under way, the column keeps what IMSHOP knew before. If the
    # push certainly fails, that is still what it knows.
    return known if before.in_doubt else once_in_doubt(known)


_CHANGE = (
    *("order_id", "revision", "status", "previous_status", "content", "message", "tracking_url", "user_id"),
    *("imshop_uuid", "with_payment", "source_updated_at", "detected_at", "found_by", "state", "hold"),
    "next_attempt_at",
)


def _change_row(number: str, change: Change, content: str, hold: Hold | None, at: int) -> Values:
    updated_at = change.source_updated_at
    return (
        number,
        change.revision,
        clean(change.status),
        _clean(change.previous_status),
        content,
        _clean(change.message),
        _clean(change.tracking_url),
        _clean(change.user_id),
        _clean(change.imshop_uuid),
        change.with_payment,
        None if updated_at is None else microseconds(updated_at),
        at,
        change.found_by,
        "held" if hold else "pending",
        hold,
        at,
    )


def _clean(text: str | None) -> str | None:
    return text and clean(text)


def being_cancelled(connection: Connection, order_ids: Iterable[str], since: datetime) -> set[str]:
    """Those of the orders that are being cancelled, or were at any time since then: a row read since then may show the
    order as it was before the cancellation."""
    if not _has_cancellations(connection):
        return set()
    asked = {clean(order_id): order_id for order_id in order_ids}
    under_way = (cancellations.c.state == "received") & (cancellations.c.claimed_until > since)
    accepted = (cancellations.c.state == "accepted") & (cancellations.c.decided_at >= since)
    some = select(cancellations.c.order_id).where(one_of(cancellations.c.order_id, asked), or_(under_way, accepted))
    return {asked[order_id] for order_id in connection.execute(some).scalars()}


def _has_cancellations(connection: Connection) -> bool:
    """Most shops have none, and to look for those of each order takes a twelfth of a baseline's time."""
    return connection.execute(_SOME_CANCELLATION).first() is not None


def invalidate_decisions(connection: Connection, statuses: Mapping[str, str]) -> None:
    """These orders are about to be stored as seen with these statuses: a decision made at another status is not valid
    any more. If the shop accepted a cancellation without naming a status, every status but the one before it counts as
    another: whether it is that of a cancelled order is unknown.
    """
    for row, status in _decisions(connection, statuses):
        if status not in (row.content and row.content["status"], row.order_status):
            _invalidate(connection, row)


def invalidate_decisions_told(connection: Connection, statuses: Mapping[str, str]) -> None:
    """IMSHOP was told these statuses: a decision made at another status is not what it knows any more."""
    for row, status in _decisions(connection, statuses):
        if row.order_status not in (None, status):
            _invalidate(connection, row)


def _decisions(connection: Connection, statuses: Mapping[str, str]) -> Iterator[tuple[Row[Any], str]]:
    """The valid decisions on these orders, each with the content of its order as last seen, and the given status."""
    columns = (cancellations.c.id, cancellations.c.order_id, cancellations.c.state, cancellations.c.order_status)
    known = select(*columns, seen.c.content).outerjoin(seen, seen.c.order_id == cancellations.c.order_id)
    decided = (one_of(cancellations.c.order_id, statuses), _DECIDED, cancellations.c.stands)
    rows: Sequence[Row[Any]] = connection.execute(known.where(*decided)).all()  # type: ignore[assignment]  # of columns
    yield from ((row, statuses[row.order_id]) for row in rows)


def _invalidate(connection: Connection, row: Row[Any]) -> None:
    connection.execute(update(cancellations).where(cancellations.c.id == row.id).values(stands=False))
