"""Records the outcomes of pushes: a few statements for a whole group of them.

Two facts are stored apart: the state of the change, and what IMSHOP knows of the order from then on.

An outcome is late if the claim of its push ended before it was recorded: the sender was frozen or cut off, and another
process claimed the change again or gave it up. A late outcome does not decide the state of the change any more. But if
IMSHOP applied it, or may have, after it was told something newer of the order, IMSHOP may hold the old status now: so
the newest status is pushed again at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from syncd.model import ChangeState, Outcome, Push
from syncd.news import known_after
from syncd.state.schema import UNKNOWN, attempts, changes, in_state, seen, told_column, told_of
from syncd.state.seen import invalidate_decisions_told
from syncd.state.store import put_fact
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
        changes.c.claimed_at,
        changes.c.in_doubt,
        changes.c.ended_at,
        NEWER_TOLD.label("newer_told"),
        NEWER_WILL_BE_SENT.label("newer_will_be_sent"),
        NEWER_WAITS.label("newer_waits"),
        changes.c.content,
        seen.c.content.label("seen_content"),
        seen.c.told,
    )
    .outerjoin(seen, seen.c.order_id == changes.c.order_id)
    .where(changes.c.id.in_(bindparam("ids", expanding=True)))
)
_UPDATE_CHANGE = (
    update(changes)
    .where(changes.c.id == bindparam("change"))
    .values(
        state=bindparam("result_state"),
        attempts=bindparam("tried"),
        refusals=bindparam("refused_times"),
        failing_since=bindparam("since"),
        in_doubt=bindparam("doubt"),
        claimed_at=None,
        next_attempt_at=func.coalesce(
            bindparam("next", type_=changes.c.next_attempt_at.type), changes.c.next_attempt_at
        ),
        ended_at=bindparam("end"),
        last_error=func.coalesce(bindparam("error", type_=changes.c.last_error.type), changes.c.last_error),
        answered_uuid=bindparam("uuid"),
        imshop_status=bindparam("imshop"),
    )
)
_ACKNOWLEDGE = (
    update(seen)
    .where(seen.c.order_id == bindparam("order"))
    .values(
        acknowledged_status=bindparam("status"),
        acknowledged_at=bindparam("at"),
        acknowledged_uuid=bindparam("uuid"),
        told=bindparam("known"),
    )
)
_SET_UNKNOWN = update(seen).where(seen.c.order_id.in_(bindparam("orders", expanding=True))).values(told=UNKNOWN)
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
    standing = {row.id: row for row in connection.execute(_STANDING, {"ids": ids})}
    in_time: list[_InTime] = []
    late: list[Outcome] = []
    for outcome in outcomes:
        row = standing.get(outcome.push.change_id)
        if row is None or _is_recorded(outcome, row):
            continue
        if _is_late(outcome, row):
            late.append(outcome)
        else:
            superseded = outcome.state == "pending" and row.newer_will_be_sent
            in_time.append(_InTime(outcome, row, "superseded" if superseded else outcome.state))
    for outcome in late:
        row = standing[outcome.push.change_id]
        if row.newer_told or _answered_since(row):
            _push_newest_again(connection, outcome, row)
    _insert_attempts(connection, late)
    if in_time:
        _record_in_time(connection, in_time)
        _insert_attempts(connection, [one.outcome for one in in_time])


def _is_recorded(outcome: Outcome, row: Row[Any]) -> bool:
    """Whether this very delivery is recorded already: the connection was cut at the commit, and the outcome comes a
    second time. What was stored of its order since, such as a buyer's cancellation, must not be overwritten."""
    return bool(outcome.state == row.state == "delivered" and row.claim == outcome.push.claim)


def _is_late(outcome: Outcome, row: Row[Any]) -> bool:
    """Whether another process ended the claim, so that the outcome does not decide the state of the change. A delivery
    still does, unless the other process delivered the change too, something newer was told since, or the change is
    being sent once more."""
    if row.claimed_at is not None:
        return bool(row.claim != outcome.push.claim)
    return outcome.result != "delivered" or row.state == "delivered" or bool(row.newer_told)


def _answered_since(change: Row[Any]) -> dict[str, object] | None:
    """What IMSHOP knows of the order, if it was told another status after this change was delivered, in the answer to a
    buyer's cancellation: such an answer is not a change."""
    if change.state != "delivered" or not change.seen_content:
        return None
    known = told_of(change.seen_content, change.told)
    return None if known is None or known["status"] == change.content["status"] else dict(known)


def _push_newest_again(connection: Connection, late: Outcome, row: Row[Any]) -> None:
    """Insert a copy of the newest change that IMSHOP was told of the order, to be sent after the one that is being sent
    now. A change that still waits for its first push comes after this outcome anyway."""
    if late.result != "delivered" and not late.in_doubt:
        return
    newest = connection.execute(_NEWEST, {"order": row.order_id}).first()
    connection.execute(_SET_UNKNOWN, {"orders": [row.order_id]})
    if newest is None or (newest.state == "pending" and newest.claimed_at is None):
        return
    again = {column: getattr(newest, column) for column in _COPIED}
    if answered := _answered_since(newest):
        again |= {"content": answered, "status": answered["status"], "revision": newest.seen_revision}
        again |= {"message": answered.get("message")}
    again |= {"previous_status": late.push.status, "with_payment": newest.with_payment or late.push.payment is not None}
    again |= {"state": "pending", "in_doubt": True, "detected_at": late.ended_at}
    connection.execute(insert(changes), again)


def _record_in_time(connection: Connection, found: Sequence[_InTime]) -> None:
    connection.execute(_UPDATE_CHANGE, [_change_columns(one) for one in found])
    delivered = [one for one in found if one.outcome.state == "delivered"]
    if delivered:
        connection.execute(_ACKNOWLEDGE, [_acknowledged(one.outcome, one.row) for one in delivered])
        invalidate_decisions_told(connection, {one.row.order_id: one.outcome.push.status for one in delivered})
        put_fact(connection, "last_delivered_at", max(one.outcome.ended_at for one in delivered).isoformat())
    unknown = [
        one.row.order_id for one in found if one.state == "dead" or (one.state != "delivered" and one.outcome.in_doubt)
    ]
    if unknown:
        connection.execute(_SET_UNKNOWN, {"orders": unknown})
    followed = [one for one in found if one.row.newer_waits]
    if followed:
        latest = max(one.outcome.ended_at for one in followed)
        supersede_without_news(connection, [one.row.order_id for one in followed], latest)


def _change_columns(found: _InTime) -> dict[str, object]:
    outcome, push, answer = found.outcome, found.outcome.push, found.outcome.answer
    failed = outcome.result in ("retry", "refused", "dead")
    return {
        "change": push.change_id,
        "result_state": found.state,
        "tried": push.attempts + (failed or outcome.result == "delivered"),
        "refused_times": push.refusals + outcome.refused,
        "since": push.failing_since or (outcome.ended_at if failed else None),
        "doubt": outcome.in_doubt,
        "next": outcome.next_attempt_at,
        "end": found.row.ended_at if found.state == found.row.state else outcome.ended_at,
        "error": outcome.error and outcome.error[:DETAIL_LENGTH],
        "uuid": answer and answer.uuid,
        "imshop": answer and answer.imshop_status,
    }


def _acknowledged(outcome: Outcome, row: Row[Any]) -> dict[str, object]:
    push, answer = outcome.push, outcome.answer
    return {
        "order": row.order_id,  # the order may have another number since the push was claimed
        "status": push.status,
        "at": outcome.ended_at,
        "uuid": answer and answer.uuid,
        "known": _known_once_delivered(row, push),
    }


def _known_once_delivered(row: Row[Any], push: Push) -> str | None:
    """The value of `seen.told` once this push is delivered."""
    if not row.seen_content:
        return None
    known = known_after(row.content, told_of(row.seen_content, row.told))
    if row.claimed_at is not None and row.in_doubt and not push.in_doubt:
        # The change came into doubt during the push: IMSHOP was answered that the order is cancelled, and which status
        # it heard last is unknown.
        known = {**known, "status": None}
    return told_column(known, row.seen_content)


def _insert_attempts(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Insert an attempt for each push that was sent, and delete the oldest attempts of changes with many."""
    sent = [outcome for outcome in outcomes if outcome.result != "unsent"]
    if not sent:
        return
    connection.execute(insert(attempts), [_attempt(outcome) for outcome in sent])
    many = [
        {"change": outcome.push.change_id}
        for outcome in sent
        if outcome.push.attempts >= ATTEMPTS_KEPT or outcome.result == "paused"
    ]
    if many:
        connection.execute(_TRIM, many)


def _attempt(outcome: Outcome) -> dict[str, object]:
    answer = outcome.answer
    if answer is None:
        detail = outcome.error
    else:  # what IMSHOP answered, in one line
        fields = ("newStatus", answer.new_status), ("imshopStatus", answer.imshop_status), ("uuid", answer.uuid)
        said = [*fields, ("message", answer.message)]
        detail = ", ".join(f"{name} {value}" for name, value in said if value is not None)
    return {
        "change_id": outcome.push.change_id,
        "started_at": outcome.started_at,
        "ended_at": outcome.ended_at,
        "result": outcome.result,
        "http_status": outcome.http_status if answer is None else answer.http_status,
        "detail": detail and detail[:DETAIL_LENGTH],
    }
