"""What became of pushes, written down: a few statements for a whole group of them.

Two facts are kept apart: what the change came to, and what IMSHOP knows of the order from then on.

An outcome may come late: its sender was frozen or cut off, and somebody else took the change, or gave it up, because
its claim had ended. Then it decides nothing about the change any more. But if it was applied, or may have been, after
IMSHOP was told something newer of the order, IMSHOP may now believe what is old: the newest is told again at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
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

from syncd.model import Answer, ChangeState, Outcome, Push
from syncd.news import is_news, known_after
from syncd.state.schema import (
    NEWER_GOES,
    NEWER_WAITS,
    UNKNOWN,
    UNSENT,
    WAITING,
    attempts,
    canonical,
    changes,
    end,
    in_state,
    newer,
    newer_change,
    seen,
)
from syncd.state.seen import outdate_told, told_of
from syncd.state.store import put_fact

ATTEMPTS_KEPT = 20
"""Of one change, the newest."""
DETAIL_LENGTH = 500

NEWER_TOLD = newer_change(
    or_(newer.c.state == literal_column("'delivered'"), newer.c.claimed_at.is_not(None), newer.c.in_doubt)
)
"""IMSHOP was told something newer of the order, or may have been."""
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
        NEWER_GOES.label("newer_goes"),
        NEWER_WAITS.label("newer_waits"),
        changes.c.content,
        seen.c.content.label("seen_content"),
        seen.c.told,
    )
    .outerjoin(seen, seen.c.order_id == changes.c.order_id)
    .where(changes.c.id.in_(bindparam("ids", expanding=True)))
)
_NOTE = (
    update(changes)
    .where(changes.c.id == bindparam("change"))
    .values(
        state=bindparam("result_state"),
        attempts=bindparam("tried"),
        refusals=bindparam("noes"),
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
_DOUBT = update(seen).where(seen.c.order_id.in_(bindparam("orders", expanding=True))).values(told=UNKNOWN)
_NEWEST_WAITING = (
    select(changes.c.order_id, changes.c.content, seen.c.content, seen.c.told)
    .join(seen, seen.c.order_id == changes.c.order_id)
    .where(WAITING, ~NEWER_WAITS, ~changes.c.in_doubt, changes.c.order_id.in_(bindparam("orders", expanding=True)))
)
_NEWEST = (
    select(changes, seen.c.content.label("seen_content"), seen.c.told, seen.c.revision.label("seen_revision"))
    .outerjoin(seen, seen.c.order_id == changes.c.order_id)
    .where(changes.c.order_id == bindparam("order"), in_state("pending", "delivered"))
    .order_by(changes.c.id.desc())
    .limit(1)
)
_TOLD_AGAIN = (
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


def write_outcomes(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """At most one outcome a change. A change that is gone is passed over."""
    if not outcomes:
        return
    ids = [outcome.push.change_id for outcome in outcomes]
    standing = {row.id: row for row in connection.execute(_STANDING, {"ids": ids})}
    known: list[Outcome] = []
    late: list[Outcome] = []
    for outcome in outcomes:
        row = standing.get(outcome.push.change_id)
        if row is None or _is_written(outcome, row):
            continue
        (late if _is_late(outcome, row) else known).append(outcome)
    for outcome in late:
        row = standing[outcome.push.change_id]
        if row.newer_told or _answered_since(row):
            _tell_again(connection, outcome, row)
    _note_attempts(connection, [outcome for outcome in late if outcome.result != "unsent"])
    _write(connection, known, standing)


def _is_written(outcome: Outcome, row: Row[Any]) -> bool:
    """Whether this very delivery is written down already, by a turn whose commit was cut. What is known of its order
    since then, a buyer's cancellation say, must not be overwritten."""
    return bool(outcome.state == row.state == "delivered" and row.claim == outcome.push.claim)


def _is_late(outcome: Outcome, row: Row[Any]) -> bool:
    """Whether its claim was ended by another, so that it decides nothing any more. A delivery is a fact all the same,
    unless the change was delivered by the other one too, something newer was told since, or the change is just being
    sent once more."""
    if row.claimed_at is not None:
        return bool(row.claim != outcome.push.claim)
    return outcome.result != "delivered" or row.state == "delivered" or bool(row.newer_told)


def _answered_since(change: Row[Any]) -> dict[str, object] | None:
    """What IMSHOP knows of the order, if after this change was delivered it was told another status in an answer: that
    to a buyer's cancellation, which is no change."""
    if change.state != "delivered" or not change.seen_content:
        return None
    known = told_of(change.seen_content, change.told)
    return None if known is None or known["status"] == change.content["status"] else dict(known)


def _tell_again(connection: Connection, late: Outcome, row: Row[Any]) -> None:
    """Have the newest that IMSHOP was told of the order told once more, after what is being sent of it just now. What
    waits to be told for the first time comes after this outcome by itself."""
    if late.result != "delivered" and not late.in_doubt:
        return
    newest = connection.execute(_NEWEST, {"order": row.order_id}).first()
    connection.execute(_DOUBT, {"orders": [row.order_id]})
    if newest is None or (newest.state == "pending" and newest.claimed_at is None):
        return
    again = {column: getattr(newest, column) for column in _TOLD_AGAIN}
    if answered := _answered_since(newest):
        again |= {"content": answered, "status": answered["status"], "revision": newest.seen_revision}
        again |= {"message": answered.get("message")}
    again |= {"previous_status": late.push.status, "with_payment": newest.with_payment or late.push.payment is not None}
    again |= {"state": "pending", "in_doubt": True, "detected_at": late.ended_at}
    connection.execute(insert(changes), again)


def _write(connection: Connection, known: Sequence[Outcome], standing: Mapping[int, Row[Any]]) -> None:
    states = {outcome.push.change_id: _state(outcome, standing[outcome.push.change_id]) for outcome in known}
    if known:
        connection.execute(_NOTE, [_noted(outcome, states, standing[outcome.push.change_id]) for outcome in known])
        _note_told(connection, known, states, standing)
        passed = [outcome for outcome in known if standing[outcome.push.change_id].newer_waits]
        if passed:
            latest = max(outcome.ended_at for outcome in passed)
            drop_void(connection, [standing[outcome.push.change_id].order_id for outcome in passed], latest)
        _note_attempts(connection, [outcome for outcome in known if outcome.result != "unsent"])


def _state(outcome: Outcome, row: Row[Any]) -> ChangeState:
    """What the change is from now on: a newer change goes, and the older one gives way."""
    return "superseded" if outcome.state == "pending" and row.newer_goes else outcome.state


def _noted(outcome: Outcome, states: Mapping[int, ChangeState], row: Row[Any]) -> dict[str, object]:
    push, answer = outcome.push, outcome.answer
    state = states[push.change_id]
    stands = state == row.state
    failed = outcome.result in ("retry", "refused", "dead")
    return {
        "change": push.change_id,
        "result_state": state,
        "tried": push.attempts + (failed or outcome.result == "delivered"),
        "noes": push.refusals + outcome.refused,
        "since": push.failing_since or (outcome.ended_at if failed else None),
        "doubt": outcome.in_doubt,
        "next": outcome.next_attempt_at,
        "end": row.ended_at if stands else outcome.ended_at,
        "error": outcome.error and outcome.error[:DETAIL_LENGTH],
        "uuid": answer and answer.uuid,
        "imshop": answer and answer.imshop_status,
    }


def _note_told(
    connection: Connection,
    outcomes: Sequence[Outcome],
    states: Mapping[int, ChangeState],
    standing: Mapping[int, Row[Any]],
) -> None:
    delivered = [outcome for outcome in outcomes if outcome.state == "delivered"]
    if delivered:
        connection.execute(
            _ACKNOWLEDGE, [_acknowledged(outcome, standing[outcome.push.change_id]) for outcome in delivered]
        )
        outdate_told(connection, {standing[one.push.change_id].order_id: one.push.status for one in delivered})
        put_fact(connection, "last_delivered_at", max(outcome.ended_at for outcome in delivered).isoformat())
    doubtful = [standing[outcome.push.change_id].order_id for outcome in outcomes if _leaves_doubt(outcome, states)]
    if doubtful:
        connection.execute(_DOUBT, {"orders": doubtful})


def drop_void(connection: Connection, order_ids: Sequence[str], now: datetime) -> None:
    """Orders that went back to what IMSHOP knows while a push of theirs was under way: what waits says nothing new."""
    rows = connection.execute(_NEWEST_WAITING, {"orders": order_ids})
    void = [order for order, to_tell, *known in rows if (told := told_of(*known)) and not is_news(to_tell, told)]
    if void:
        end(connection, "superseded", now, UNSENT, changes.c.order_id.in_(void))


def _acknowledged(outcome: Outcome, row: Row[Any]) -> dict[str, object]:
    push, answer = outcome.push, outcome.answer
    return {
        "order": row.order_id,  # it may have another number since the push was taken
        "status": push.status,
        "at": outcome.ended_at,
        "uuid": answer and answer.uuid,
        "known": _known_once_delivered(row, overtaken=_is_overtaken(row, push)),
    }


def _is_overtaken(row: Row[Any], push: Push) -> bool:
    """Whether the change came into doubt while this push of it was on its way."""
    return bool(row.claimed_at is not None and row.in_doubt and not push.in_doubt)


def _known_once_delivered(row: Row[Any], *, overtaken: bool) -> str | None:
    """What is kept in `told` of an order once this change of it is delivered. `overtaken`: while it was on its way its
    buyer was answered that it is cancelled, so nobody knows which status IMSHOP heard last."""
    if not row.seen_content:
        return None
    known = known_after(row.content, told_of(row.seen_content, row.told))
    if overtaken:
        known = {**known, "status": None}
    return None if known == row.seen_content else canonical(known)


def _leaves_doubt(outcome: Outcome, states: Mapping[int, ChangeState]) -> bool:
    """Whether nobody can know from now on what IMSHOP knows of the order."""
    state = states[outcome.push.change_id]
    return state == "dead" or (state != "delivered" and outcome.in_doubt)


def _note_attempts(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        return
    connection.execute(insert(attempts), [_attempt(outcome) for outcome in outcomes])
    often = [
        {"change": outcome.push.change_id}
        for outcome in outcomes
        if outcome.push.attempts >= ATTEMPTS_KEPT or outcome.result == "paused"
    ]
    if often:
        connection.execute(_TRIM, often)


def _attempt(outcome: Outcome) -> dict[str, object]:
    detail = outcome.error if outcome.answer is None else _said(outcome.answer)
    return {
        "change_id": outcome.push.change_id,
        "started_at": outcome.started_at,
        "ended_at": outcome.ended_at,
        "result": outcome.result,
        "http_status": outcome.http_status if outcome.answer is None else outcome.answer.http_status,
        "detail": detail and detail[:DETAIL_LENGTH],
    }


def _said(answer: Answer) -> str:
    """What IMSHOP answered, in one line."""
    said = {
        "newStatus": answer.new_status,
        "imshopStatus": answer.imshop_status,
        "uuid": answer.uuid,
        "message": answer.message,
    }
    return ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)
