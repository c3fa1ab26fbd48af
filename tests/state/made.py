"""Short ways to say what a test needs to be in the state, and what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from syncd.model import Answer, Change, ChangeState, Content, Decision, FormedSegment, Hold, Outcome, Push, Result, Seen
from syncd.state import ChangeView, State, open_state
from tests.made import NOON

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def seen(
    order_id: str = "7", content: Content | None = None, told: Content | None = None, revision: int = 1, **fields: Any
) -> Seen:
    return Seen(order_id, content or {"status": "packed"}, told, revision=revision, **fields)


def change(
    order_id: str = "7",
    status: str = "packed",
    revision: int = 1,
    *,
    content: Content | None = None,
    hold: Hold | None = None,
    with_payment: bool = False,
    imshop_uuid: str | None = None,
    message: str | None = None,
) -> Change:
    return Change(
        order_id=order_id,
        revision=revision,
        content=content or {"status": status},
        previous_status="new",
        message=message,
        tracking_url=None,
        user_id=None,
        imshop_uuid=imshop_uuid,
        with_payment=with_payment,
        source_updated_at=NOON - MINUTE,
        found_by="cursor",
        hold=hold,
    )


def decision(order_id: str = "7", status: str = "packed", revision: int = 1, **fields: Any) -> Decision:
    """An order's status changed, and IMSHOP knew the one before."""
    changed = change(order_id, status, revision, **fields)
    known = Seen(order_id, changed.content, {"status": "new"}, changed.imshop_uuid, revision)
    return Decision(known, changed)


def adopted(order_id: str, status: str = "new") -> Decision:
    """An order seen for the first time, and told to nobody."""
    return Decision(seen(order_id, {"status": status}, {"status": status}, revision=0))


def stage(state: State, *decisions: Decision, now: datetime = NOON, counting: bool = False) -> None:
    with state.polls.staging() as staging:
        staging.store(decisions, now, counting=counting)


def replace_segment(state: State, key: int, order_ids: Sequence[str], digest: bytes | None, compare: int) -> None:
    state.polls.replace_segments([FormedSegment(key, order_ids, digest)], compare, NOON)


def take(state: State, limit: int = 100, now: datetime = NOON) -> list[Push]:
    return state.outbox.record_and_claim([], limit, None, now)


def outcome(push: Push, result: Result = "delivered", now: datetime = NOON, **fields: Any) -> Outcome:
    """What became of a push; `state` follows from the result unless it is given."""
    states: dict[Result, ChangeState] = {
        "delivered": "delivered",
        "refused": "refused",
        "dead": "dead",
        "retry": "pending",
        "paused": "pending",
        "unsent": "pending",
    }
    if result == "delivered":
        fields.setdefault("answer", Answer(200, push.order_id, None, push.code, "processing", None))
    if result in ("retry", "paused"):
        fields.setdefault("next_attempt_at", now)
    return Outcome(push, result, states[result], now, now, **fields)


def write_down(state: State, *outcomes: Outcome, now: datetime = NOON) -> None:
    state.outbox.record_and_claim(outcomes, 0, None, now)


def deliver(state: State, now: datetime = NOON) -> list[str]:
    """Everything that is due is delivered; returns the statuses."""
    pushes = take(state, now=now)
    write_down(state, *(outcome(push, now=now) for push in pushes), now=now)
    return [push.status for push in pushes]


def the(state: State, order_id: str = "7") -> Seen:
    """What was seen of the order."""
    return state.polls.load([order_id])[order_id]


def log(state: State, order_id: str | None = None) -> list[ChangeView]:
    """All changes, oldest first."""
    return list(state.reports.changes(order_id=order_id))[::-1]


def states(state: State, order_id: str | None = None) -> Sequence[ChangeState]:
    """The states of all changes, oldest first."""
    return [change.state for change in log(state, order_id)]


def end_claims(state: State) -> None:
    """So much time passes on the database's clock that every request under way must be over."""
    with state.store.write(fenced=False) as connection:
        connection.execute(text("UPDATE changes SET claim_ends_at = 0 WHERE claimed_at IS NOT NULL"))


def another(url: str, wait_seconds: float = 0.2) -> closing[State]:
    """The same state, opened once more, as another process would."""
    return closing(open_state(url, redact=str, wait_seconds=wait_seconds))
