"""The order is looked up right before it is cancelled: its present status, and the shop's own key of it."""

from __future__ import annotations

from threading import Event

import pytest

from syncd.cancel.protocol import NOT_KNOWN
from syncd.cancel.service import LOOKUPS_AT_ONCE, OrderLookup
from syncd.errors import CancelError
from syncd.model import CancelDecision, Cancellation, CancelRequest, Decision, Skipped
from syncd.state import State
from tests.cancel.made import Office
from tests.cancel.shops import FakeOrders
from tests.made import NOON
from tests.state.made import MINUTE, adopted, stage

REQUEST = CancelRequest("current", "7", None, "Передумал")
FROM = ("new", "packed")


@pytest.fixture
def office(memory: State) -> Office:
    return Office(memory)


def test_order_in_allowed_status_is_cancelled(office: Office) -> None:
    office.orders.put("7", "packed")
    assert office.service(FROM).receive(REQUEST).state == "accepted"
    assert len(office.orders.asked) == 1


def test_order_in_other_status_is_refused_without_call(office: Office) -> None:
    office.orders.put("7", "sent")
    refused = office.service(FROM).receive(REQUEST)
    assert (refused.state, refused.message, office.shop.asked) == ("refused", "Нельзя", [])
    assert "the order is sent in the shop" in str(refused.error)


def test_missing_order_is_refused_until_it_exists(office: Office) -> None:
    service = office.service(FROM)
    assert service.receive(REQUEST).message == NOT_KNOWN
    office.orders.put("7", "new")
    assert service.receive(REQUEST).state == "accepted"


def test_unreadable_shop_is_failure_without_a_call(office: Office) -> None:
    office.orders.fault = "the shop's database is away"
    service = office.service(FROM)
    failed = service.receive(REQUEST)
    assert (failed.state, failed.in_doubt, office.shop.asked) == ("failed", False, [])
    assert "could not be looked up" in str(failed.error)
    office.orders.fault = None
    office.orders.put("7", "new")
    assert service.receive(REQUEST).state == "accepted"


def test_a_row_that_cannot_be_read_decides_nothing(office: Office) -> None:
    office.orders.skipped = [Skipped("no_status", "7", "order 7 has no status")]
    failed = office.service(FROM).receive(REQUEST)
    assert (failed.state, "order 7 has no status" in str(failed.error)) == ("failed", True)


def test_order_known_only_by_uuid_is_refused(office: Office) -> None:
    assert office.service(FROM).receive(CancelRequest("first", None, "u")).message == NOT_KNOWN


def test_earlier_applied_attempt_is_accepted(office: Office) -> None:
    def silent(_: Cancellation) -> CancelDecision:
        office.orders.put("7", "cancelled")
        raise CancelError("no answer", in_doubt=True)

    office.orders.put("7", "new")
    office.shop.decide = silent
    service = office.service(FROM)
    assert service.receive(REQUEST).state == "failed"
    assert service.receive(REQUEST).state == "accepted"
    assert len(office.shop.asked) == 1


def test_an_order_that_somebody_else_cancelled_is_refused(office: Office) -> None:
    office.orders.put("7", "cancelled")
    assert office.service(FROM).receive(REQUEST).state == "refused"


def test_key_is_looked_up_for_the_call(office: Office) -> None:
    office.shop.wants_shop_id = True
    office.orders.put("7", "new", shop_id="348")
    decided = office.service().receive(REQUEST)
    assert ([one.shop_id for one in office.shop.asked], decided.shop_id) == (["348"], "348")


def test_a_key_that_is_known_needs_no_look(office: Office) -> None:
    office.shop.wants_shop_id = True
    stage(office.state, Decision(adopted("7").seen._replace(shop_id="348")))
    office.service().receive(REQUEST)
    assert ([one.shop_id for one in office.shop.asked], office.orders.asked) == (["348"], [])


def test_order_without_key_yet_is_a_failure(office: Office) -> None:
    office.shop.wants_shop_id = True
    office.orders.put("7", "new")
    service = office.service()
    failed = service.receive(REQUEST)
    assert (failed.state, office.shop.asked, len(office.orders.asked)) == ("failed", [], 1)
    assert "no shop_id of order 7 yet" in str(failed.error)
    office.orders.put("7", "new", shop_id="348")
    assert service.receive(REQUEST).state == "accepted"


def test_known_key_finds_a_renumbered_order(office: Office) -> None:
    stage(office.state, Decision(adopted("7").seen._replace(shop_id="348")))
    office.orders.put("1007", "new", shop_id="348")
    assert office.service(FROM).receive(REQUEST).state == "accepted"
    assert [(one.order_id, one.shop_id) for one in office.shop.asked] == [("1007", "348")]


def test_reused_number_with_known_key_is_a_failure(office: Office) -> None:
    """Nobody can tell which of the two orders is meant."""
    stage(office.state, Decision(adopted("7").seen._replace(shop_id="7")))
    office.orders.put("8", "new", shop_id="7")
    office.orders.put("7", "new", shop_id="6")
    failed = office.service(FROM).receive(REQUEST)
    assert (failed.state, office.shop.asked) == ("failed", [])
    assert "nobody can tell which is meant" in str(failed.error)


def test_two_orders_with_one_number_are_not_guessed(office: Office) -> None:
    office.orders.put("7", "new", shop_id="1")
    office.orders.orders["twin"] = office.orders.orders["7"]._replace(shop_id="2")
    assert office.service(FROM).receive(REQUEST).state == "failed"
    assert office.shop.asked == []


def test_two_numbers_of_one_order_are_one_application(office: Office) -> None:
    stage(office.state, Decision(adopted("7").seen._replace(shop_id="348")))
    office.orders.put("1007", "new", shop_id="348")
    first = office.state.inbox.receive(REQUEST, "other", NOON, NOON + MINUTE).cancellation

    def decided(seconds: float) -> None:
        office.passed += seconds
        office.state.inbox.decide(first, CancelDecision("accepted", "cancelled"), NOON, answered=True)

    answered = office.service(FROM, pause=decided).receive(CancelRequest("current", "1007", None))
    assert (answered.state, answered.id, office.shop.asked) == ("accepted", first.id, [])
    assert len(office.repeated) == 1


@pytest.mark.parametrize(("afterwards", "state"), [("cancelled", "accepted"), ("new", "refused"), (None, "refused")])
def test_acceptance_is_confirmed_by_the_orders_status(office: Office, afterwards: str | None, state: str) -> None:
    def apply(_: Cancellation) -> CancelDecision:
        office.orders.orders.clear()
        if afterwards:
            office.orders.put("7", afterwards)
        return CancelDecision("accepted")

    office.orders.put("7", "new")
    office.shop.decide = apply
    assert office.service(FROM, confirms=True).receive(REQUEST).state == state


def test_unconfirmed_acceptance_is_in_doubt(office: Office) -> None:
    def apply(_: Cancellation) -> CancelDecision:
        office.orders.fault = "away"
        return CancelDecision("accepted")

    office.orders.put("7", "new")
    office.shop.decide = apply
    failed = office.service(FROM, confirms=True).receive(REQUEST)
    assert (failed.state, failed.in_doubt) == ("failed", True)


def test_an_operator_has_the_order_looked_up_too(office: Office) -> None:
    office.shop.wants_shop_id = True
    office.orders.fault = "away"
    service = office.service(FROM)
    failed = service.receive(REQUEST)
    office.orders.fault = None
    office.orders.put("7", "sent", shop_id="348")
    taken = service.retry(failed.id)
    assert taken
    assert (taken.cancellation.state, office.shop.asked) == ("refused", [])


def test_former_number_of_another_order_is_a_failure(office: Office) -> None:
    stage(office.state, Decision(adopted("7").seen._replace(shop_id="348")))
    with office.state.polls.staging() as staging:
        staging.renumber({"7": "1007"}, NOON)
    office.orders.put("1007", "new", shop_id="348")
    office.orders.put("7", "new", shop_id="400")
    failed = office.service().receive(REQUEST)
    assert (failed.state, office.shop.asked) == ("failed", [])
    del office.orders.orders["7"]
    assert office.service().receive(REQUEST).state == "accepted"
    assert [one.shop_id for one in office.shop.asked] == ["348"]


def test_a_refusal_for_its_status_is_asked_anew(office: Office) -> None:
    office.orders.put("7", "sent")
    service = office.service(FROM)
    assert service.receive(REQUEST).state == "refused"
    office.orders.put("7", "new")
    assert service.receive(REQUEST).state == "accepted"


def test_abandoned_lookups_are_limited(office: Office) -> None:
    go_on = Event()
    office.orders.before = lambda: go_on.wait(60)
    present = OrderLookup(lambda: office.orders, FROM, "cancelled")
    mine = office.state.inbox.receive(REQUEST, "token", NOON, NOON + MINUTE).cancellation
    for _ in range(LOOKUPS_AT_ONCE):
        with pytest.raises(CancelError, match="did not answer"):
            present.order(mine, 0.01)
    with pytest.raises(CancelError, match="too many earlier ones"):
        present.order(mine, 0.01)
    go_on.set()
    office.orders.put("7", "new")
    assert present.order(mine, 60) is not None


def test_lookup_source_is_opened_once_and_closed(office: Office) -> None:
    opened: list[FakeOrders] = []

    def opens() -> FakeOrders:
        opened.append(office.orders)
        return office.orders

    service = office.service(lookup=OrderLookup(opens, FROM, "cancelled"))
    service.close()
    for _ in range(2):
        service.receive(REQUEST)
    service.close()
    assert (len(opened), office.orders.closed) == (1, True)
