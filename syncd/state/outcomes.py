"""Records the outcomes of pushes: a few statements for a whole group of them.

Two facts are stored apart: the state of the change, and what IMSHOP knows of the order from then on.

An outcome is late if the claim of its push ended before it was recorded: the sender was frozen or cut off, and another
process claimed the change again or gave it up. A late outcome does not decide the state of the change any more. But if
IMSHOP applied it, or may have, after it was told something newer of the order, IMSHOP may hold the old status now: so
the newest status is pushed again at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    bindparam,
    delete,
    exists,
    insert,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
    update,
)

from syncd.model import ChangeState, Outcome, Push
from syncd.news import known_after
from syncd.state.bulk import Values, insert_rows, update_rows
from syncd.state.schema import (
    attempts,
    cancellations,
    changes,
    clean,
    in_state,
    is_listed,
    list_parameter,
    microseconds,
    seen,
)
from syncd.state.seen import invalidate_decisions_told
from syncd.state.store import get_fact, instant, put_fact, refusals_of
from syncd.state.told import TOLD_IN_DOUBT, UNKNOWN_BUT_PAID, told_column, told_of
from syncd.state.transitions import (
    NEWER_WAITS,
    NEWER_WILL_BE_SENT,
    newer,
    newer_change,
    supersede_without_news,
)

ATTEMPTS_KEPT = 20
"""The newest attempts of each change."""
DETAIL_LENGTH = 500

NEWER_TOLD = newer_change(
    or_(newer.c.state == literal_column("'delivered'"), newer.c.claimed_at.is_not(None), newer.c.in_doubt)
)
"""IMSHOP was told something newer of the order, or may have been told."""
_STANDING = (
    select(
        changes.c.id,
        changes.c.order_id,
        changes.c.state,
        changes.c.claim,
        changes.c.claimed_at.is_not(None).label("is_claimed"),
        changes.c.in_doubt,
        type_coerce(changes.c.next_attempt_at, BigInteger).label("next_attempt_at"),
        type_coerce(changes.c.ended_at, BigInteger).label("ended_at"),
        changes.c.last_error,
        changes.c.content,
        seen.c.content.label("seen_content"),
        seen.c.told,
        NEWER_WAITS.label("newer_waits"),
        exists().where(cancellations.c.order_id == changes.c.order_id, cancellations.c.stands).label("was_cancelled"),
    )
    .outerjoin(seen, seen.c.order_id == changes.c.order_id)
    .where(is_listed(changes.c.id, list_parameter("ids")))
)
_NEWER = select(changes.c.id, NEWER_TOLD.label("told"), NEWER_WILL_BE_SENT.label("will_be_sent")).where(
    is_listed(changes.c.id, list_parameter("ids"))
)
"""What most outcomes need not know."""
_CHANGED = (
    *("id", "state", "attempts", "refusals", "failing_since", "in_doubt", "claimed_at", "next_attempt_at", "ended_at"),
    *("last_error", "answered_uuid", "imshop_status"),
)
_ACKNOWLEDGED = ("order_id", "acknowledged_status", "acknowledged_at", "acknowledged_uuid", "told")
_ATTEMPTED = ("change_id", "started_at", "ended_at", "result", "http_status", "detail")
_OF_ORDERS = update(seen).where(is_listed(seen.c.order_id, list_parameter("orders")))
_NEWEST = (
    select(changes, seen.c.content.label("seen_content"), seen.c.told, seen.c.revision.label("seen_revision"))
    .outerjoin(seen, seen.c.order_id == changes.c.order_id)
    .where(changes.c.order_id == bindparam("order"), in_state("pending", "delivered"))
    .order_by(changes.c.id.desc())
    .limit(1)
)
_COPIED = (
    *("order_id", "revision", "status", "content", "message", "tracking_url", "user_id", "imshop_uuid"),
    *("source_updated_at", "found_by", "next_attempt_at"),
)
_OLDEST_KEPT = (
    select(attempts.c.id)
    .where(attempts.c.change_id == bindparam("change"))
    .order_by(attempts.c.id.desc())
    .limit(1)
    .offset(literal(ATTEMPTS_KEPT - 1))
    .scalar_subquery()
)
_TRIM = delete(attempts).where(attempts.c.change_id == bindparam("change"), attempts.c.id < _OLDEST_KEPT)


@dataclass(frozen=True, slots=True)
class _InTime:
    """An outcome that decides about its change. `row`: the change as it is now. `state`: what it becomes."""

    outcome: Outcome
    row: Row[Any]
    state: ChangeState


def write_outcomes(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Record outcomes, at most one for each change. An outcome of a change that no longer exists is ignored."""
    if not outcomes:
        return
    ids = [outcome.push.change_id for outcome in outcomes]
    standing = {row.id: row for row in connection.execute(_STANDING, {"ids": ids}).all()}
    found = [(outcome, row) for outcome in outcomes if (row := standing.get(outcome.push.change_id))]
    newer = _newer_changes(connection, found)
    in_time: list[_InTime] = []
    late: list[Outcome] = []
    for outcome, row in found:
        newer_one = newer.get(row.id)
        if _is_recorded(outcome, row):
            continue
        if not _is_late(outcome, row, newer_one):
            superseded = outcome.state == "pending" and newer_one and newer_one.will_be_sent
            in_time.append(_InTime(outcome, row, "superseded" if superseded else outcome.state))
            continue
        late.append(outcome)
        if (newer_one and newer_one.told) or _answered_since(row):
            _push_newest_again(connection, outcome, row)
    _insert_attempts(connection, late)
    if in_time:
        _record_in_time(connection, in_time)
        _insert_attempts(connection, [one.outcome for one in in_time])


def _newer_changes(connection: Connection, found: Sequence[tuple[Outcome, Row[Any]]]) -> dict[int, Row[Any]]:
    """What is known of newer changes, for those outcomes for which it matters: late ones, and pushes that failed while
    something newer waits."""
    ids = [
        row.id
        for outcome, row in found
        if not row.is_claimed or row.claim != outcome.push.claim or (row.newer_waits and outcome.state == "pending")
    ]
    return {row.id: row for row in connection.execute(_NEWER, {"ids": ids}).all()} if ids else {}


def _is_recorded(outcome: Outcome, row: Row[Any]) -> bool:
    """Whether this very delivery is recorded already: the connection was cut at the commit, and the outcome comes a
    second time. What was stored of its order since, such as a buyer's cancellation, must not be overwritten."""
    return bool(outcome.state == row.state == "delivered" and row.claim == outcome.push.claim)


def _is_late(outcome: Outcome, row: Row[Any], newer_one: Row[Any] | None) -> bool:
    """Whether another process ended the claim, so that the outcome does not decide the state of the change. A delivery
    still does, unless the other process delivered the change too, something newer was told since, or the change is
    being sent once more."""
    if row.is_claimed:
        return bool(row.claim != outcome.push.claim)
    return outcome.result != "delivered" or row.state == "delivered" or bool(newer_one and newer_one.told)


def _answered_since(change: Row[Any]) -> dict[str, object] | None:
    """What IMSHOP knows of the order, if it was told another status after this change was delivered, in the answer to a
    buyer's cancellation: such an answer is not a change."""
    if change.state != "delivered" or not change.seen_content:
        return None
    known = told_of(change.seen_content, change.told)
    return None if known is None or known["status"] in (None, change.content["status"]) else dict(known)


def _push_newest_again(connection: Connection, late: Outcome, row: Row[Any]) -> None:
    """Insert a copy of the newest change that IMSHOP was told of the order, to be sent after the one that is being sent
    now. A change that waits comes after this outcome anyway; it tells its payment if this one told another."""
    if late.result != "delivered" and not late.in_doubt:
        return
    newest = connection.execute(_NEWEST, {"order": row.order_id}).first()
    _set_unknown(connection, [(row.order_id, late)])
    waits = newest is not None and newest.state == "pending" and newest.claimed_at is None
    if newest and waits and late.push.payment:
        connection.execute(update(changes).where(changes.c.id == newest.id).values(with_payment=True))
    if newest is None or waits:
        return
    again = {column: getattr(newest, column) for column in _COPIED}
    if answered := _answered_since(newest):
        again |= {"content": answered, "status": answered["status"], "revision": newest.seen_revision}
        again |= {"message": answered.get("message")}
    again |= {"previous_status": late.push.status, "with_payment": newest.with_payment or late.push.payment is not None}
    again |= {"state": "pending", "in_doubt": True, "detected_at": late.ended_at}
    connection.execute(insert(changes), again)


def _record_in_time(connection: Connection, found: Sequence[_InTime]) -> None:
    update_rows(connection, changes, _CHANGED, [_changed(one) for one in found])
    delivered = [one for one in found if one.outcome.state == "delivered"]
    if delivered:
        update_rows(connection, seen, _ACKNOWLEDGED, [_acknowledged(one.outcome, one.row) for one in delivered])
        if cancelled := {one.row.order_id: one.outcome.push.status for one in delivered if one.row.was_cancelled}:
            invalidate_decisions_told(connection, cancelled)
        _note_delivery(connection, [one.outcome for one in delivered])
    _note_refusals(connection, [one.outcome for one in found])
    in_doubt = [one for one in found if one.state == "dead" or (one.state != "delivered" and one.outcome.in_doubt)]
    if in_doubt:
        _set_unknown(connection, [(one.row.order_id, one.outcome) for one in in_doubt])
    followed = [one for one in found if one.row.newer_waits]
    if followed:
        latest = max(one.outcome.ended_at for one in followed)
        supersede_without_news(connection, [one.row.order_id for one in followed], latest)


def _set_unknown(connection: Connection, outcomes: Sequence[tuple[str, Outcome]]) -> None:
    """These outcomes, each with its order's number now, bring into doubt what IMSHOP knows."""
    connection.execute(_OF_ORDERS.values(told=TOLD_IN_DOUBT), {"orders": [order_id for order_id, _ in outcomes]})
    maybe_paid = [
        order_id for order_id, one in outcomes if one.push.payment and (one.in_doubt or one.result == "delivered")
    ]
    if maybe_paid:
        connection.execute(_OF_ORDERS.values(told=UNKNOWN_BUT_PAID), {"orders": maybe_paid})


def _note_delivery(connection: Connection, delivered: Sequence[Outcome]) -> None:
    """When the last change was delivered, and for how long the shop changed nothing at most since deliveries began."""
    before, quiet = instant(get_fact(connection, "last_delivered_at")), get_fact(connection, "quiet")
    latest = max(outcome.ended_at for outcome in delivered)
    pushes = [outcome.push for outcome in delivered]  # one that is dated in the future changed when it was found
    changed_at = min(min(push.source_updated_at or push.detected_at, push.detected_at) for push in pushes)
    if before is None or quiet is None:
        put_fact(connection, "quiet", {"since": latest.isoformat(), "longest": 0.0})
    elif (seconds := (changed_at - before).total_seconds()) > quiet["longest"]:
        put_fact(connection, "quiet", {**quiet, "longest": seconds})
    put_fact(connection, "last_delivered_at", latest.isoformat())


def _note_refusals(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """A refused change counts once, though it is pushed several times."""
    in_order = sorted(outcomes, key=lambda outcome: outcome.ended_at)
    told = [
        (outcome.ended_at, outcome.refused)
        for outcome in in_order
        if outcome.result == "delivered" or (outcome.refused and not outcome.push.refusals)
    ]
    before = refusals_of(get_fact(connection, "refusals"))
    if (after := before.after(told)) != before:
        fact = {**asdict(after), "since": after.since and after.since.isoformat()}
        put_fact(connection, "refusals", fact)


def _changed(found: _InTime) -> Values:
    """The columns of _CHANGED."""
    outcome, row, push, answer = found.outcome, found.row, found.outcome.push, found.outcome.answer
    failed = outcome.result in ("retry", "refused", "dead")
    return (
        push.change_id,
        found.state,
        push.attempts + (failed or outcome.result == "delivered"),
        push.refusals + outcome.refused,
        _stored(push.failing_since or (outcome.ended_at if failed else None)),
        outcome.in_doubt,
        None,
        _stored(outcome.next_attempt_at) or row.next_attempt_at,
        row.ended_at if found.state == row.state else _stored(outcome.ended_at),
        row.last_error if outcome.error is None else clean(outcome.error[:DETAIL_LENGTH]),
        answer and _stored(answer.uuid),
        answer and _stored(answer.imshop_status),
    )


def _acknowledged(outcome: Outcome, row: Row[Any]) -> Values:
    """The columns of _ACKNOWLEDGED. The order may have another number since the push was claimed."""
    push, answer = outcome.push, outcome.answer
    uuid = answer and _stored(answer.uuid)
    return row.order_id, push.status, _stored(outcome.ended_at), uuid, _known_once_delivered(row, push)


def _stored(value: datetime | str | None) -> int | str | None:
    if isinstance(value, datetime):
        return microseconds(value)
    return value and clean(value)


def _known_once_delivered(row: Row[Any], push: Push) -> str | None:
    """The value of `seen.told` once this push is delivered."""
    if not row.seen_content:
        return None
    told, maybe_paid = told_of(row.seen_content, row.told), row.told == UNKNOWN_BUT_PAID
    known = known_after(row.content, told, maybe_paid=maybe_paid)
    if row.is_claimed and row.in_doubt and not push.in_doubt:
        # The change came into doubt during the push: IMSHOP was answered that the order is cancelled, and which status
        # it heard last is unknown.
        known = {**known, "status": None}
    return told_column(known, row.seen_content)


def _insert_attempts(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Insert an attempt for each push that was sent, and delete the oldest attempts of changes with many."""
    sent = [outcome for outcome in outcomes if outcome.result != "unsent"]
    if not sent:
        return
    insert_rows(connection, attempts, _ATTEMPTED, [_attempted(outcome) for outcome in sent])
    many = [
        {"change": outcome.push.change_id}
        for outcome in sent
        if outcome.push.attempts >= ATTEMPTS_KEPT or outcome.result == "paused"
    ]
    if many:
        connection.execute(_TRIM, many)


def answered_status(detail: str | None) -> str | None:
    """The status that IMSHOP said to be in force, in the detail of a delivered attempt."""
    if detail is None or not detail.startswith("newStatus "):
        return None
    said = detail.removeprefix("newStatus ")
    for name in ("imshopStatus", "uuid", "message"):
        said = said.partition(f", {name} ")[0]
    return said


def _attempted(outcome: Outcome) -> Values:
    """The columns of _ATTEMPTED."""
    answer = outcome.answer
    if answer is None:
        detail = outcome.error
    else:  # what IMSHOP answered, in one line
        fields = ("newStatus", answer.new_status), ("imshopStatus", answer.imshop_status), ("uuid", answer.uuid)
        said = [*fields, ("message", answer.message)]
        detail = ", ".join(f"{name} {value}" for name, value in said if value is not None)
    return (
        outcome.push.change_id,
        microseconds(outcome.started_at),
        microseconds(outcome.ended_at),
        outcome.result,
        outcome.http_status if answer is None else answer.http_status,
        detail and clean(detail[:DETAIL_LENGTH]),
    )
