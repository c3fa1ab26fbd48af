"""On disk first, applied once, answered with the first decision."""

from __future__ import annotations

import pytest

from syncd.errors import StateError
from syncd.model import CancelDecision, Cancellation, CancelRequest
from syncd.state import State
from tests.cancel.made import Office
from tests.cancel.shops import away
from tests.made import NOON
from tests.state.made import MINUTE, adopted, stage, the

ASKED = CancelRequest("current", "7", None, "Передумал")


@pytest.fixture
def office(memory: State) -> Office:
    return Office(memory)


def test_cancellation_is_stored_before_the_shop_is_called(office: Office) -> None:
    found: list[Cancellation] = []

    def look(_: Cancellation) -> CancelDecision:
        found.extend(office.state.reports.cancellations())
        return CancelDecision("accepted")

    office.shop.decide = look
    office.service().receive(ASKED)
    assert [(one.state, one.order_id) for one in found] == [("received", "7")]


def test_repeat_is_answered_with_the_first_decision(office: Office) -> None:
    service = office.service()
    first, second = service.receive(ASKED), service.receive(ASKED)
    assert (first.state, first.status, first.message) == ("accepted", "cancelled", "Отменён")
    assert (second.state, second.id, len(office.shop.asked)) == ("accepted", first.id, 1)
    assert ([one.state for one in office.observed], len(office.repeated)) == (["accepted"], 1)


@pytest.mark.parametrize(("said", "message"), [("Уже в пути", "Уже в пути"), (None, "Нельзя")])
def test_a_refusal_has_a_message_for_the_buyer(office: Office, said: str | None, message: str) -> None:
    office.shop.decide = lambda _: CancelDecision("refused", message=said)
    refused = office.service().receive(ASKED)
    assert (refused.state, refused.status, refused.message) == ("refused", None, message)


def test_failed_cancellation_is_retried_on_imshops_repeat(office: Office) -> None:
    office.shop.decide = away
    service = office.service()
    assert (service.receive(ASKED).state, service.receive(ASKED).error) == ("failed", "the shop is away")
    office.shop.decide = lambda _: CancelDecision("accepted")
    assert service.receive(ASKED).state == "accepted"
    assert [one.token for one in office.shop.asked] == ["token-1"] * 3


def test_what_another_one_applies_is_waited_for(office: Office) -> None:
    other = office.state.inbox.receive(ASKED, "other", NOON, NOON + MINUTE).cancellation

    def decided(seconds: float) -> None:
        office.passed += seconds
        if office.passed > 1:
            office.state.inbox.decide(other, CancelDecision("refused", message="Нельзя"), NOON, answered=True)

    assert office.service(pause=decided).receive(ASKED).state == "refused"
    assert office.shop.asked == []


def test_cancellation_slow_elsewhere_stays_undecided(office: Office) -> None:
    """Another request applies it and is not done within the time of waiting."""
    office.state.inbox.receive(ASKED, "other", NOON, NOON + MINUTE)
    assert office.service().receive(ASKED).state == "received"
    assert 5 <= office.passed < 5.1
    assert office.shop.asked == []


def test_cancellation_forgotten_meanwhile_is_returned_as_received(office: Office) -> None:
    """Another request was to apply it."""
    office.state.inbox.receive(ASKED, "other", NOON, NOON + MINUTE)

    class Forgetful:
        receive, decide, claim_again = (
            office.state.inbox.receive,
            office.state.inbox.decide,
            office.state.inbox.claim_again,
        )
        identify = office.state.inbox.identify

        def cancellation(self, cancellation_id: int) -> None:
            return None

    assert office.service(inbox=Forgetful()).receive(ASKED).state == "received"


def test_nothing_is_tried_where_it_cannot_be_stored(office: Office) -> None:
    with office.state.store.write() as connection:
        connection.exec_driver_sql("DROP TABLE cancellations")
    with pytest.raises(StateError):
        office.service().receive(ASKED)
    assert office.shop.asked == []


def test_unstored_decision_is_retried_with_same_token(office: Office) -> None:
    """The cancellation is then in doubt."""

    def rename(before: str, after: str) -> None:
        with office.state.store.write() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {before} RENAME TO {after}")

    def accept(_: Cancellation) -> CancelDecision:
        rename("cancellations", "away")
        return CancelDecision("accepted")

    office.shop.decide = accept
    with pytest.raises(StateError):
        office.service().receive(ASKED)
    rename("away", "cancellations")
    office.shop.decide = lambda _: CancelDecision("accepted")
    office.passed += 60
    assert office.service().receive(ASKED).state == "accepted"
    assert [(one.token, one.in_doubt) for one in office.shop.asked] == [("token-1", False), ("token-1", True)]


def test_operators_retry_leaves_the_status_to_poll(office: Office) -> None:
    """The poll finds the cancelled status and pushes it to IMSHOP."""
    stage(office.state, adopted("7"))
    office.shop.decide = away
    service = office.service()
    failed = service.receive(ASKED)
    office.shop.decide = lambda _: CancelDecision("accepted")
    taken = service.retry(failed.id)
    assert taken
    assert (taken.is_ours, taken.cancellation.state) == (True, "accepted")
    assert the(office.state).content == {"status": "new"}
    again = service.retry(failed.id)
    assert again
    assert (again.is_ours, len(office.shop.asked)) == (False, 2)
    assert service.retry(99) is None
