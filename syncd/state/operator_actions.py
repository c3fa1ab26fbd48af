"""What an operator does with changes: push again, discard, release, and push an order that did not change.

None of it may push an older status of an order after a newer one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, or_, select, update

from syncd.model import Change, Decision, Order, Seen
from syncd.news import is_news, must_send_payment
from syncd.state import missing
from syncd.state.identifiers import is_parked
from syncd.state.polls import unlisted
from syncd.state.read_models import OperatorResult, Released
from syncd.state.schema import WAITING, changes, in_state, one_of, seen
from syncd.state.seen import StagingTransaction
from syncd.state.store import Store, get_fact, put_fact
from syncd.state.told import told_of
from syncd.state.transitions import end_changes, newer, newer_change, release_held

_IS_FOLLOWED = newer_change(or_(newer.c.state.in_(["pending", "delivered"]), newer.c.in_doubt))
_STANDING = select(
    changes.c.id,
    changes.c.order_id,
    changes.c.state,
    changes.c.claimed_at,
    _IS_FOLLOWED.label("is_followed"),
    seen.c.content,
    seen.c.told,
).outerjoin(seen, seen.c.order_id == changes.c.order_id)


class OperatorActions:
    """A running daemon acts on the result at its next look at the outbox."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def retry(
        self,
        ids: Iterable[int] = (),
        *,
        all_dead: bool = False,
        refused_since: datetime | None = None,
        now: datetime,
    ) -> OperatorResult:
        """Make changes due now that are dead, refused, or wait for their next attempt; they start afresh.
        `refused_since`: those that IMSHOP refused since, and of which it was told nothing newer."""
        with self._store.write() as connection:
            asked = [*ids, *(_ids(connection, ~WAITING, in_state("dead")) if all_dead else ())]
            if refused_since:
                again = _ids(connection, in_state("pending"), changes.c.refusals > 0, changes.c.claimed_at.is_(None))
                ended = _ids(connection, ~WAITING, in_state("refused"), changes.c.ended_at >= refused_since)
                asked += _choose(connection, [*again, *ended], _why_not_retried).done
            result = _choose(connection, asked, _why_not_retried)
            afresh = {"attempts": 0, "refusals": 0, "failing_since": None, "next_attempt_at": now}
            these = update(changes).where(one_of(changes.c.id, result.done))
            connection.execute(these.values(state="pending", ended_at=None, **afresh))
        return result

    def discard(
        self, ids: Iterable[int] = (), *, held: bool = False, all_dead: bool = False, now: datetime
    ) -> OperatorResult:
        """End changes that are held, dead, or wait and are not being sent: they are never pushed."""
        with self._store.write() as connection:
            asked = [*ids, *(_ids(connection, in_state("held")) if held else ())]
            asked += _ids(connection, ~WAITING, in_state("dead")) if all_dead else []
            result = _choose(connection, asked, _why_not_discarded)
            end_changes(connection, "discarded", now, one_of(changes.c.id, result.done))
        return result

    def release(self, now: datetime) -> Released:
        """Release the changes that the guard holds. If the last full compare refused to mark orders as missing, the
        next one may mark that many."""
        with self._store.write() as connection:
            return Released(
                changes=release_held(connection, now, "guard"),
                missing=missing.accept_refused(connection),
                unlisted=unlisted(connection),
            )

    def accept_baseline(self) -> bool:
        """Accept a baseline that was taken over a lost state, and nothing else: what is held stays held. Returns
        whether there was one."""
        with self._store.write() as connection:
            lost = get_fact(connection, "lost_at") is not None
            if lost:
                put_fact(connection, "lost_at", None)
        return lost

    def resync(self, orders: Sequence[Order], now: datetime) -> int:
        """Have the present content of these orders pushed although nothing changed. Returns the number of changes."""
        with self._store.write() as connection:
            staging = StagingTransaction(connection)
            known = staging.load(order.order_id for order in orders)
            decisions = {order.order_id: _resent(order, known.get(order.order_id)) for order in orders}
            staging.store(list(decisions.values()), now, counting=False)
            staging.mark_told_unknown(decisions)
        return len(decisions)


def _ids(connection: Connection, *conditions: ColumnElement[bool]) -> Sequence[int]:
    return connection.execute(select(changes.c.id).where(*conditions)).scalars().all()


def _choose(
    connection: Connection, ids: Iterable[int], why_not: Callable[[Row[Any], set[str]], str | None]
) -> OperatorResult:
    """The changes that may be acted on, newest first, and why the others may not.

    `why_not` gets a change, and the orders of which a newer change is acted on.
    """
    asked = list(ids)
    rows = connection.execute(_STANDING.where(one_of(changes.c.id, asked))).all()
    left = dict.fromkeys(asked, "there is no such change")
    done: list[int] = []
    orders: set[str] = set()
    for row in sorted(rows, key=lambda row: int(row.id), reverse=True):
        reason = why_not(row, orders)
        if reason is None:
            done.append(row.id)
            orders.add(row.order_id)
            del left[row.id]
        else:
            left[row.id] = reason
    return OperatorResult(done, left)


def _why_not_retried(row: Row[Any], orders: set[str]) -> str | None:
    if row.claimed_at is not None:
        return "it is being sent"
    if row.state not in ("pending", "dead", "refused"):
        return f"it is {row.state}"
    if is_parked(row.order_id):
        return "its order has no number just now; it is sent as soon as the shop shows one"
    if row.is_followed or row.order_id in orders:
        return "IMSHOP was told, or will be told, something newer about its order"
    told = told_of(row.content, row.told) if row.content else None
    is_known = told is not None and not is_news(row.content, told)
    return "IMSHOP knows already what its order is now" if is_known else None


def _why_not_discarded(row: Row[Any], _orders: set[str]) -> str | None:
    if row.claimed_at is not None:
        return "it is being sent"
    return None if row.state in ("pending", "held", "dead") else f"it is {row.state}"


def _resent(order: Order, before: Seen | None) -> Decision:
    """The order's present content as a change, whatever IMSHOP knows of it."""
    revision = before.revision + 1 if before else 0
    change = Change(
        order_id=order.order_id,
        revision=revision,
        content=order.content,
        previous_status=str(before.content["status"]) if before else None,
        message=order.message,
        tracking_url=order.tracking_url,
        user_id=order.user_id,
        imshop_uuid=order.imshop_uuid,
        with_payment=must_send_payment(order.content, before),
        source_updated_at=order.updated_at,
        found_by="full",
    )
    seen = Seen(order.order_id, order.content, None, order.imshop_uuid, revision, shop_id=order.shop_id)
    return Decision(seen, change)
