"""Decides what to do about the orders that a source shows, given what was seen of them before.

Pure: no clock, no database, no settings. Data in, data out.

    Order + Seen ──► Decision: what is seen now, a Change to push or none, whether a waiting change is void
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from syncd.model import Change, Content, Decision, FoundBy, Identified, Order, Recorded, Seen
from syncd.news import is_known_as_paid, is_news, is_payment_news, must_send_payment

StatusAction: TypeAlias = Literal["push", "skip", "hold"]


@dataclass(frozen=True, slots=True)
class Policy:
    """How differences are decided.

    action          what the statuses file says of a status code
    adopt_all       the baseline is being taken: an order seen for the first time is recorded and told to nobody
    history_before  an order seen for the first time with an earlier `updated_at` is recorded and told to nobody: it was
                    in the shop before the baseline, and shows only now (the query was widened, a view was empty)
    adopt_columns   what these columns show is recorded and told to nobody, since they come from elsewhere than before
    adopt_only_old  `adopt_columns` does not apply to rows beyond the cursor, which the shop changed since
    now             the time of the poll; None: a payment that was taken back is told at once
    """

    action: Callable[[str], StatusAction]
    adopt_all: bool = False
    history_before: datetime | None = None
    adopt_columns: frozenset[str] = frozenset()
    adopt_only_old: bool = False
    now: datetime | None = None


def diff(
    orders: Iterable[Order], seen: Mapping[str, Seen], policy: Policy, found_by: FoundBy | None = None
) -> list[Decision]:
    """A decision for each order that is not exactly as it was last seen.

    `found_by`: what found them; None: the cursor or the lookback, as each order of an incremental poll tells.
    """
    decisions = (_decide(order, seen.get(order.order_id), policy, found_by or _found_by(order)) for order in orders)
    return [decision for decision in decisions if decision is not None]


def is_as_seen(order: Order, seen: Seen | None, policy: Policy) -> bool:
    """Whether `diff` decides nothing about the order: so it is with most orders of most polls."""
    if seen is None:
        return False
    if order.dropped or seen.unpaid_since is not None or _adopts_again(order, seen, policy):
        return _decide(order, seen, policy, "full") is None
    shown = (order.content, order.imshop_uuid, order.shop_id, False)
    return shown == (seen.content, seen.imshop_uuid, seen.shop_id, seen.missing)


def as_shown(found: Order | Identified, seen: Seen | Recorded) -> tuple[Content, str | None, str | None]:
    """The compared content, the UUID and the shop's key of an order. A dropped field counts as it was last seen; but a
    dropped tracking or payment is simply not known, which is no news."""
    dropped = {one.field for one in found.dropped}
    content = found.content
    if "message" in dropped and "message" in content:
        content = {**content, "message": seen.content.get("message")}
    return (
        content,
        seen.imshop_uuid if "imshop_uuid" in dropped else found.imshop_uuid,
        seen.shop_id if "shop_id" in dropped else found.shop_id,
    )


def _decide(order: Order, seen: Seen | None, policy: Policy, found_by: FoundBy) -> Decision | None:
    if seen is None:
        return _first_sight(order, policy, found_by)
    if policy.adopt_only_old and order.beyond_cursor:
        policy = replace(policy, adopt_columns=frozenset())
    if order.dropped:
        content, imshop_uuid, shop_id = as_shown(order, seen)
        order = order._replace(content=content, imshop_uuid=imshop_uuid, shop_id=shop_id)
    unpaid_since = _unpaid_since(order.content, seen, policy.now) if "paid" not in policy.adopt_columns else None
    if unpaid_since is not None:
        order = order._replace(content={**order.content, **_payment_columns(seen.content, order.content)})
    if _adopts_again(order, seen, policy):
        return Decision(_seen_now(order, seen, order.content, unpaid_since))
    if order.content == seen.content:
        now = _seen_now(order, seen, seen.told, unpaid_since)
        is_shown_so = unpaid_since is None  # else the payment seen before stands in for the one that is shown
        return None if now == seen and is_shown_so else Decision(now)
    return _difference(order, seen, unpaid_since, policy, found_by)


def _adopts_again(order: Order, seen: Seen, policy: Policy) -> bool:
    """Whether the baseline has adopted the order from an older row of the same reading."""
    return policy.adopt_all and order.repeats and seen.revision == 0


def _first_sight(order: Order, policy: Policy, found_by: FoundBy) -> Decision:
    adopted = Seen(
        order.order_id, order.content, told=order.content, imshop_uuid=order.imshop_uuid, shop_id=order.shop_id
    )
    if policy.adopt_all or _is_history(order, policy.history_before):
        return Decision(adopted)
    untold = adopted._replace(told=None)
    action = policy.action(order.status)
    if action == "skip":
        return Decision(untold)
    with_payment = must_send_payment(order.content, None)
    return Decision(untold, _change(order, untold, None, action, found_by, with_payment=with_payment))


def _difference(order: Order, seen: Seen, unpaid_since: datetime | None, policy: Policy, found_by: FoundBy) -> Decision:
    before = _adopt_columns(seen.content, order.content, policy.adopt_columns)
    told = before if seen.told is seen.content else seen.told
    if told is not None and told is not before:
        told = _adopt_columns(told, order.content, policy.adopt_columns)
    if not is_news(order.content, _with_known_payment(before, told, seen)):
        return Decision(_seen_now(order, seen, told, unpaid_since))
    now = _seen_now(order, seen, told, unpaid_since, more=1)
    action = policy.action(order.status)
    if action == "skip":
        return Decision(now)
    if told is not None and told is not before and not is_news(order.content, told):
        return Decision(now, void=True)
    with_payment = must_send_payment(order.content, seen) if told is None else is_payment_news(order.content, told)
    return Decision(now, _change(order, now, seen, action, found_by, with_payment=with_payment))


def _seen_now(order: Order, seen: Seen, told: Content | None, unpaid_since: datetime | None, more: int = 0) -> Seen:
    """The order as it is seen now. `more`: to be added to the revision."""
    return Seen(
        order.order_id,
        order.content,
        told,
        order.imshop_uuid,
        seen.revision + more,
        payment_in_doubt=seen.payment_in_doubt,
        shop_id=order.shop_id,
        unpaid_since=unpaid_since,
    )


def _change(
    order: Order, now: Seen, before: Seen | None, action: StatusAction, found_by: FoundBy, *, with_payment: bool
) -> Change:
    return Change(
        order.order_id,
        now.revision,
        order.content,
        None if before is None else str(before.content["status"]),
        order.message,
        order.tracking_url,
        order.user_id,
        order.imshop_uuid,
        with_payment,
        order.updated_at,
        found_by,
        "status" if action == "hold" else None,
    )


def _unpaid_since(content: Content, seen: Seen, now: datetime | None) -> datetime | None:
    """When an order that IMSHOP knows as paid was first seen unpaid, until a later poll sees that too: some shops show
    an order as unpaid for a moment while staff or an exchange edit it. None: a later poll did see it too, or the order
    is not of this kind."""
    is_taken_back = seen.content.get("paid") is True and content.get("paid") is False
    if now is None or not is_taken_back or not is_known_as_paid(seen):
        return None
    return now if seen.unpaid_since in (None, now) else None


def _payment_columns(seen: Content, shown: Content) -> Content:
    return {column: seen[column] for column in ("paid", "payment_id") if column in shown and column in seen}


def _with_known_payment(before: Content, told: Content | None, seen: Seen) -> Content:
    """What was seen last. If that was no payment, since the shop showed none or one that cannot be read: with the one
    that IMSHOP knows, or may know."""
    if before.get("paid", False) is not None:
        return before
    known: Content = {"paid": seen.payment_in_doubt} if told is None else told
    return {**before, **_payment_columns(known, before)}


def _adopt_columns(old: Content, new: Content, redefined: frozenset[str]) -> Content:
    """`old` with the columns of `new`: a column that was not there then, or came from elsewhere, counts as unchanged.
    Otherwise a `paid` added to the merchant's query would notify every buyer who ever paid."""
    if old.keys() == new.keys() and not redefined:
        return old
    return {column: value if column in redefined else old.get(column, value) for column, value in new.items()}


def _is_history(order: Order, history_before: datetime | None) -> bool:
    return history_before is not None and order.updated_at is not None and order.updated_at < history_before


def _found_by(order: Order) -> FoundBy:
    return "cursor" if order.beyond_cursor else "lookback"
