"""What is told, what is only noted, and what is left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncd.model import Change, Content, Decision, Dropped, Order, Seen
from syncd.pipeline.diff import Policy, StatusAction, diff, is_as_seen

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def action(status: str) -> StatusAction:
    return "skip" if status == "draft" else "hold" if status == "odd" else "push"


POLICY = Policy(action)


def order(status: str, **columns: str | bool | None) -> Order:
    return Order("7", {"status": status, **columns}, updated_at=NOON)


def seen(status: str, told: Content | str | None = "same", **columns: str | bool | None) -> Seen:
    content: Content = {"status": status, **columns}
    return Seen("7", content, content if told == "same" else {"status": told} if isinstance(told, str) else told)


def decide(now: Order, before: Seen | None, policy: Policy = POLICY) -> Decision | None:
    decisions = diff([now], {} if before is None else {"7": before}, policy)
    assert is_as_seen(now, before, policy) == (not decisions)
    return decisions[0] if decisions else None


def change(now: Order, before: Seen | None, policy: Policy = POLICY) -> Change | None:
    decision = decide(now, before, policy)
    return decision.change if decision else None


def told(now: Order, before: Seen | None) -> Change:
    found = change(now, before)
    assert found is not None
    return found


def test_unchanged_order_is_left_out() -> None:
    assert decide(order("packed"), seen("packed")) is None


def test_new_status_is_a_change_with_the_previous() -> None:
    found = told(order("packed"), seen("new"))
    assert (found.status, found.previous_status, found.revision) == ("packed", "new", 1)


def test_new_order_is_a_change_without_previous_status() -> None:
    found = told(order("new"), None)
    assert (found.status, found.previous_status) == ("new", None)


ADDRESSED = order("packed")._replace(
    imshop_uuid="uuid-7",
    user_id="70000000007",
    message="Packed",
    tracking_url="https://track.example/7",
)


@pytest.mark.parametrize("before", [None, seen("new")], ids=["new", "changed"])
def test_change_carries_all_that_a_push_needs(before: Seen | None) -> None:
    found = told(ADDRESSED, before)
    assert (found.order_id, found.imshop_uuid, found.user_id) == ("7", "uuid-7", "70000000007")
    assert (found.message, found.tracking_url) == ("Packed", "https://track.example/7")
    assert found.source_updated_at == NOON


@pytest.mark.parametrize("before", [None, seen("new")], ids=["new", "changed"])
def test_the_orders_uuid_in_imshop_is_kept(before: Seen | None) -> None:
    decision = decide(ADDRESSED, before)
    assert decision is not None
    assert decision.seen.imshop_uuid == "uuid-7"


def test_baseline_records_an_order_and_pushes_nothing() -> None:
    decision = decide(order("new"), None, Policy(action, adopt_all=True))
    assert decision == Decision(Seen("7", {"status": "new"}, told={"status": "new"}))


def test_baseline_replaces_an_older_row_of_an_order() -> None:
    decision = decide(order("packed")._replace(repeats=True), seen("new"), Policy(action, adopt_all=True))
    assert decision == Decision(Seen("7", {"status": "packed"}, told={"status": "packed"}))


def test_late_order_older_than_the_baseline_is_history() -> None:
    policy = Policy(action, history_before=NOON + timedelta(seconds=1))
    assert change(order("new"), None, policy) is None
    assert change(order("new"), None, Policy(action, history_before=NOON)) is not None


def test_late_order_without_a_timestamp_is_pushed() -> None:
    policy = Policy(action, history_before=NOON + timedelta(days=1))
    assert change(order("new")._replace(updated_at=None), None, policy) is not None


def test_seen_order_is_pushed_however_old_its_timestamp() -> None:
    assert change(order("packed"), seen("new"), Policy(action, history_before=NOON + timedelta(days=1))) is not None


def test_new_or_changed_tracking_url_is_pushed() -> None:
    assert change(order("sent", tracking="https://t/1"), seen("sent", tracking=None)) is not None
    assert change(order("sent", tracking="https://t/2"), seen("sent", tracking="https://t/1")) is not None


def test_removed_tracking_url_is_recorded_but_not_pushed() -> None:
    decision = decide(order("sent", tracking=None), seen("sent", tracking="https://t/1"))
    assert decision is not None
    assert decision.change is None
    assert decision.seen.content == {"status": "sent", "tracking": None}


def test_returning_tracking_url_is_not_pushed_again() -> None:
    gone = decide(order("sent", tracking=None), seen("sent", tracking="https://t/1"))
    assert gone is not None
    assert change(order("sent", tracking="https://t/1"), gone.seen) is None


def test_a_payment_is_told_once_it_is_whole() -> None:
    unpaid = seen("new", paid=False, payment_id=None)
    half = decide(order("new", paid=True, payment_id=None), unpaid)
    assert half is not None
    assert half.change is None
    assert told(order("new", paid=True, payment_id="p-1"), half.seen).with_payment


def test_a_refund_is_told() -> None:
    found = told(order("new", paid=False, payment_id="p-1"), seen("new", paid=True, payment_id="p-1"))
    assert found.with_payment


def test_unpaid_is_no_change_where_payment_was_unknown() -> None:
    assert change(order("new", paid=False, payment_id=None), seen("new", paid=None, payment_id=None)) is None


def test_unchanged_payment_stays_out_of_a_status_change() -> None:
    before = seen("new", paid=True, payment_id="p-1")
    assert not told(order("packed", paid=True, payment_id="p-1"), before).with_payment


def test_an_unpaid_new_order_says_nothing_of_payment() -> None:
    assert not told(order("new", paid=False, payment_id=None), None).with_payment


def test_a_paid_new_order_says_so() -> None:
    assert told(order("new", paid=True, payment_id="p-1"), None).with_payment


@pytest.mark.parametrize(("waiting", "paid_before"), [(True, False), (False, True)])
def test_payment_in_doubt_is_pushed_again(waiting: bool, paid_before: bool) -> None:
    before = seen("new", told=None, paid=paid_before, payment_id="p-1")._replace(payment_in_doubt=waiting)
    assert told(order("packed", paid=False, payment_id=None), before).with_payment


def test_never_paid_order_in_doubt_pushes_no_payment() -> None:
    before = seen("new", told=None, paid=False, payment_id=None)
    assert not told(order("packed", paid=False, payment_id=None), before).with_payment


def test_added_column_is_adopted_and_pushes_nothing() -> None:
    decision = decide(order("new", paid=True, payment_id="p-1", tracking="https://t/1"), seen("new"))
    assert decision is not None
    assert decision.change is None
    assert decision.seen.content == {"status": "new", "paid": True, "payment_id": "p-1", "tracking": "https://t/1"}
    assert decision.seen.told == decision.seen.content


def test_adopted_column_does_not_join_the_next_change() -> None:
    assert not told(order("packed", paid=True, payment_id="p-1"), seen("new")).with_payment


def test_removed_column_is_forgotten() -> None:
    decision = decide(order("new"), seen("new", paid=True, payment_id="p-1"))
    assert decision is not None
    assert (decision.change, decision.seen.content) == (None, {"status": "new"})


def test_message_counts_only_where_it_is_compared() -> None:
    assert change(order("new")._replace(message="Новый"), seen("new")) is None
    assert change(order("new", message="Новый"), seen("new", message="Принят")) is not None


def test_return_to_the_acknowledged_status_voids_pending_changes() -> None:
    """Nothing is pushed, for IMSHOP knows that status."""
    decision = decide(order("new"), seen("packed", told="new"))
    assert decision is not None
    assert (decision.void, decision.change) == (True, None)
    assert decision.seen.revision == 1


def test_return_is_pushed_where_acknowledgement_is_in_doubt() -> None:
    """It is not known which status IMSHOP has."""
    assert change(order("new"), seen("packed", told=None)) is not None


def test_skipped_status_is_recorded_and_leaves_pending_changes() -> None:
    decision = decide(order("draft"), seen("packed", told="new"))
    assert decision is not None
    assert (decision.void, decision.change, decision.seen.content) == (False, None, {"status": "draft"})


def test_return_from_a_skipped_status_pushes_nothing() -> None:
    skipped = decide(order("draft"), seen("new"))
    assert skipped is not None
    assert change(order("new"), skipped.seen) is None


def test_new_order_in_skipped_status_waits_for_another() -> None:
    skipped = decide(order("draft"), None)
    assert skipped is not None
    assert skipped.change is None
    assert change(order("new"), skipped.seen) is not None


def test_unlisted_status_is_held_until_it_is_listed() -> None:
    assert told(order("odd"), seen("new")).hold == "status"


def test_missing_order_back_unchanged_pushes_nothing() -> None:
    decision = decide(order("new"), seen("new")._replace(missing=True))
    assert decision == Decision(seen("new"))


def test_new_imshop_uuid_is_recorded_and_pushes_nothing() -> None:
    decision = decide(order("new")._replace(imshop_uuid="u-2"), seen("new")._replace(imshop_uuid="u-1"))
    assert decision is not None
    assert (decision.change, decision.seen.imshop_uuid) == (None, "u-2")


@pytest.mark.parametrize(("beyond", "net"), [(True, "cursor"), (False, "lookback")])
def test_a_change_says_which_net_caught_it(beyond: bool, net: str) -> None:
    assert told(order("packed")._replace(beyond_cursor=beyond), seen("new")).found_by == net


def test_a_full_compare_says_so() -> None:
    [decision] = diff([order("packed")], {"7": seen("new")}, POLICY, "full")
    assert decision.change is not None
    assert decision.change.found_by == "full"


@pytest.mark.parametrize("field", ["message", "imshop_uuid", "shop_id"])
def test_dropped_field_keeps_its_last_seen_value(field: str) -> None:
    before = seen("new", message="Words")._replace(imshop_uuid="u-1", shop_id="k7")
    shown: dict[str, str | None] = {"message": "Words", "imshop_uuid": "u-1", "shop_id": "k7", field: None}
    now = order("new", message=shown["message"])._replace(imshop_uuid=shown["imshop_uuid"], shop_id=shown["shop_id"])
    assert decide(now._replace(dropped=(Dropped(field, "7", "no text"),)), before) is None


def test_payment_revoked_in_one_poll_is_no_change() -> None:
    """The time of that poll is recorded; a later poll decides. Until then the order is not recorded as it is shown."""
    before, policy = seen("new", paid=True, payment_id="p-1"), replace(POLICY, now=NOON)
    decision = decide(order("new", paid=False, payment_id=None), before, policy)
    assert decision == Decision(before._replace(unpaid_since=NOON))
    assert decide(order("new", paid=False, payment_id=None), decision.seen, policy) == decision  # in the same poll


def test_payment_revoked_in_two_polls_is_a_change() -> None:
    before = seen("new", paid=True, payment_id="p-1")._replace(unpaid_since=NOON)
    policy = replace(POLICY, now=NOON + timedelta(seconds=30))
    found = change(order("new", paid=False, payment_id=None), before, policy)
    assert found is not None
    assert found.with_payment


def test_revoked_payment_in_doubt_is_pushed_at_once() -> None:
    """IMSHOP may have another payment state than the last acknowledged one."""
    before = seen("new", told=None, paid=True, payment_id="p-1")
    assert change(order("new", paid=False, payment_id=None), before, replace(POLICY, now=NOON)) is not None
