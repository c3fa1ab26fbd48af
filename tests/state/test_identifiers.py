"""An order that gets another number stays one order, with all that is kept of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.model import CancelRequest, Decision, Outcome
from syncd.state import State
from syncd.state.identifiers import SIMILAR
from tests.made import NOON
from tests.state.made import adopted, decision, outcome, replace_segment, stage, states, take, the, write_down

HOUR = timedelta(hours=1)


def keyed(known: Decision, shop_id: str) -> Decision:
    return known._replace(seen=known.seen._replace(shop_id=shop_id))


@pytest.fixture
def numbered(state: State) -> State:
    """Orders 348, 349 and 350, each under its own key, as before a plug-in numbers them."""
    stage(state, *(keyed(adopted(str(number)), str(number)) for number in (348, 349, 350)))
    return state


def give(state: State, numbers: dict[str, str]) -> None:
    with state.polls.staging() as staging:
        staging.renumber(numbers, NOON)


def keys(state: State, *order_ids: str) -> dict[str, str | None]:
    return {order_id: seen.shop_id for order_id, seen in state.polls.load(order_ids).items()}


def test_the_key_of_an_order_is_kept(numbered: State) -> None:
    assert keys(numbered, "348") == {"348": "348"}
    assert numbered.polls.shop_ids(["348", "999"]) == {"348": "348"}
    assert numbered.polls.numbers_by_shop_id(["348", "999"]) == {"348": {"348"}}


def test_another_number_takes_all_that_is_kept_along(numbered: State) -> None:
    stage(numbered, keyed(decision("348", "packed"), "348"))
    give(numbered, {"348": "1348"})
    assert keys(numbered, "348", "1348") == {"1348": "348"}
    assert [(push.order_id, push.status) for push in take(numbered)] == [("1348", "packed")]
    assert numbered.polls.tracked() == 3


def test_both_numbers_find_it(numbered: State) -> None:
    stage(numbered, keyed(decision("348", "packed"), "348"))
    give(numbered, {"348": "1348"})
    give(numbered, {"1348": "2348"})
    for number in ("348", "1348", "2348"):
        assert numbered.reports.current_number(number) == "2348"
        story = numbered.reports.story(number)
        assert (story.order_id, len(story.changes), story.former_numbers) == ("2348", 1, ["1348", "348"])
        assert [change.order_id for change in numbered.reports.changes(order_id=number)] == ["2348"]


def test_chain_of_renumberings_is_applied_at_once(numbered: State) -> None:
    """Each new number is the present number of another order."""
    give(numbered, {"348": "349", "349": "350", "350": "351"})
    assert keys(numbered, "348", "349", "350", "351") == {"349": "348", "350": "349", "351": "350"}
    assert numbered.reports.current_number("349") == "349"
    assert numbered.reports.current_number("348") == "349"


def test_two_orders_change_places(numbered: State) -> None:
    give(numbered, {"348": "349", "349": "348"})
    assert keys(numbered, "348", "349") == {"348": "349", "349": "348"}


def test_order_whose_number_is_taken_waits(numbered: State) -> None:
    stage(numbered, keyed(decision("349", "packed"), "349"))
    give(numbered, {"348": "349"})
    assert keys(numbered, "348", "349") == {"349": "348"}
    assert take(numbered, now=NOON + HOUR) == []
    ((parked,),) = [numbered.polls.numbers_by_shop_id(["349"])["349"]]
    give(numbered, {parked: "350x"})
    assert [(push.order_id, push.status) for push in take(numbered, now=NOON)] == [("350x", "packed")]
    assert numbered.reports.current_number(parked) == parked


def test_order_without_a_number_is_not_pushed(numbered: State) -> None:
    stage(numbered, keyed(decision("349", "packed"), "349"))
    give(numbered, {"348": "349"})
    (waits,) = numbered.reports.changes(state="pending")
    assert "no number" in numbered.operator.retry([waits.id], now=NOON).left[waits.id]
    compare = numbered.polls.start_compare()
    assert numbered.polls.mark_missing(compare, NOON) is None
    numbered.operator.release(NOON)
    numbered.polls.mark_missing(compare, NOON)
    assert states(numbered) == ["discarded"]


def test_waiting_change_of_renumbered_order_is_due(numbered: State) -> None:
    """IMSHOP may have refused its former number, so the change does not wait for its next attempt."""
    stage(numbered, keyed(decision("348", "packed"), "348"))
    (push,) = take(numbered)
    write_down(numbered, outcome(push, "retry", next_attempt_at=NOON + HOUR))
    give(numbered, {"348": "1348"})
    assert [push.order_id for push in take(numbered)] == ["1348"]


def test_push_under_way_counts_for_new_number(numbered: State) -> None:
    stage(numbered, keyed(decision("348", "packed"), "348"))
    (push,) = take(numbered)
    give(numbered, {"348": "1348"})
    write_down(numbered, outcome(push))
    assert the(numbered, "1348").told == {"status": "packed"}


def test_push_in_doubt_counts_for_new_number(numbered: State) -> None:
    stage(numbered, keyed(decision("348", "packed"), "348"))
    (push,) = take(numbered)
    give(numbered, {"348": "1348"})
    stage(numbered, keyed(decision("1348", "new", 2), "348"))
    lost: Outcome = outcome(push, "retry", in_doubt=True)
    write_down(numbered, lost)
    assert the(numbered, "1348").told is None
    assert states(numbered, "348") == ["superseded", "pending"]


def test_a_number_is_forgotten_with_its_order(numbered: State) -> None:
    give(numbered, {"348": "1348"})
    compare = numbered.polls.start_compare()
    replace_segment(numbered, 5, ["349", "350"], None, compare)
    with numbered.store.write() as connection:
        connection.exec_driver_sql("UPDATE seen SET missing_since = 0 WHERE order_id = '1348'")
    numbered.prune(NOON, HOUR)
    assert numbered.reports.current_number("348") == "348"


def test_keys_of_another_kind_clear_stored_keys(numbered: State) -> None:
    numbered.polls.set_key_definition("ids")
    request = CancelRequest("current", "348", None)
    kept = numbered.inbox.receive(request, "token", NOON, NOON + HOUR).cancellation
    numbered.polls.set_key_definition("ids")
    assert keys(numbered, "348") == {"348": "348"}
    numbered.polls.set_key_definition("others")
    assert keys(numbered, "348") == {"348": None}
    assert numbered.inbox.cancellation(kept.id) == replace(kept, shop_id=None)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("10003", ["0010003"]),
        ("00000010003", ["0010003"]),
        ("№10003", ["0010003"]),
        ("order 10003", ["0010003"]),
        ("A-7", ["A-7/1", "A-7/2"]),
        ("9001", ["B-9"]),
        (" uuid-of-b ", ["B-9"]),
        ("10004", []),
        ("%", []),
        ("", []),
        ("\x00\ud800", []),
    ],
)
def test_similar_numbers_are_those_meant(state: State, typed: str, meant: list[str]) -> None:
    stage(state, *map(adopted, ["0010003", "A-7/1", "A-7/2", "20003"]))
    known = adopted("B-9")
    stage(state, known._replace(seen=known.seen._replace(shop_id="9001", imshop_uuid="uuid-of-b")))
    assert state.reports.similar_numbers(typed) == meant


def test_similar_numbers_are_few(state: State) -> None:
    stage(state, *(adopted(f"12-{number}") for number in range(30)))
    assert len(state.reports.similar_numbers("12")) == SIMILAR
