"""What was seen of orders, and what IMSHOP is taken to know of them."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlalchemy import event

from syncd.errors import StateError
from syncd.model import Content, Decision, Identified
from syncd.state import State, open_state
from tests.made import NOON
from tests.state.made import (
    MINUTE,
    adopted,
    another,
    change,
    decision,
    outcome,
    seen,
    stage,
    states,
    take,
    the,
    write_down,
)

PACKED: Content = {"status": "packed", "tracking": None, "paid": True, "payment_id": "p1"}
NEW: Content = {"status": "new", "tracking": None, "paid": False, "payment_id": None}


def test_what_is_stored_is_what_is_loaded(state: State) -> None:
    known = seen(content=PACKED, told=NEW, imshop_uuid="u1", revision=3)
    stage(state, Decision(known))
    assert the(state) == known


def test_order_told_as_seen_is_loaded_unchanged(state: State) -> None:
    known = seen(content=PACKED, told=dict(PACKED))
    stage(state, Decision(known))
    assert the(state) == known


def test_what_nobody_knows_stays_unknown(state: State) -> None:
    stage(state, Decision(seen(content=PACKED, told=None)))
    assert the(state).told is None


def test_storing_an_order_again_replaces_what_was_seen(state: State) -> None:
    stage(state, Decision(seen(content=NEW, told=NEW, imshop_uuid="u1", revision=0)))
    known = seen(content=PACKED, told=NEW, imshop_uuid=None, revision=1)
    stage(state, Decision(known))
    assert the(state) == known


def test_orders_that_are_not_tracked_are_left_out(state: State) -> None:
    stage(state, adopted("1"))
    assert state.polls.load(["1", "2"]).keys() == {"1"}


def test_any_number_of_orders_is_loaded_at_once(state: State) -> None:
    stage(state, *(adopted(str(number)) for number in range(1201)))
    assert len(state.polls.load(map(str, range(1500)))) == 1201


def test_tracked_orders_without_the_shops_key_are_counted(state: State) -> None:
    stage(state, *(Decision(seen(number, shop_id=key)) for number, key in (("1", "k1"), ("2", None), ("3", "k3"))))
    assert state.reports.without_shop_id() == 1


def test_storing_no_decision_changes_nothing(state: State) -> None:
    stage(state)
    assert state.polls.tracked() == 0


def test_a_transaction_sees_what_it_stored(state: State) -> None:
    with state.polls.staging() as staging:
        staging.store([adopted("1")], NOON, counting=False)
        assert staging.load(["1"])["1"].content == {"status": "new"}


def test_an_adopted_order_is_known_as_it_is_shown(state: State) -> None:
    with state.polls.staging() as staging:
        assert not staging.adopt([Identified("7", PACKED, "u1", "k7")], NOON, {"7": 1})
    assert the(state) == seen(content=PACKED, told=PACKED, imshop_uuid="u1", shop_id="k7", revision=0)
    assert state.polls.tracked() == 1


def test_an_order_that_is_tracked_is_not_adopted(state: State) -> None:
    stage(state, adopted("7"))
    found = [Identified(order_id, PACKED, None, None) for order_id in ("6", "7")]
    with pytest.raises(StateError), state.polls.staging() as staging:
        staging.adopt(found, NOON, {"6": 1, "7": 1})
    assert (state.polls.tracked(), the(state, "7").content) == (1, {"status": "new"})


def test_any_text_is_loaded_as_stored(state: State) -> None:
    content: Content = {"status": "Готов «к» выдаче \U0001f4e6 ' \" \\ %s :x", "payment_id": "\0 \ud800"}
    stage(state, Decision(seen("№ 7/Ж", content, None)))
    assert the(state, "№ 7/Ж").content == content


def test_id_with_an_unstorable_character_is_found(state: State) -> None:
    stage(state, adopted("7\0"), adopted("8\ud800"))
    assert the(state, "7\0").order_id == "7\0"
    assert the(state, "8\ud800").order_id == "8\ud800"
    stage(state, adopted("7\0")._replace(seen=seen("7\0", PACKED)))
    assert (the(state, "7\0").content, state.polls.tracked()) == (PACKED, 2)


def test_story_has_first_seen_and_changed_times(state: State) -> None:
    stage(state, Decision(seen(content=NEW)))
    stage(state, Decision(seen(content=PACKED)), now=NOON + MINUTE)
    stage(state, Decision(seen(content=PACKED, imshop_uuid="u1")), now=NOON + 2 * MINUTE)
    story = state.reports.story("7").seen
    assert story is not None
    assert (story.first_seen_at, story.changed_at, story.imshop_uuid) == (NOON, NOON + MINUTE, "u1")


def test_imshops_knowledge_is_unknown_during_a_push(state: State) -> None:
    stage(state, decision())
    assert the(state).told == {"status": "new"}
    take(state)
    assert the(state).told is None


def test_imshops_knowledge_is_unknown_while_either_is_sent(state: State) -> None:
    stage(state, decision())
    take(state)
    stage(state, decision(status="sent", revision=2))
    assert the(state).told is None


def test_waiting_change_in_doubt_leaves_imshops_knowledge_unknown(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "retry", in_doubt=True) for push in take(state)))
    assert states(state) == ["pending"]
    assert the(state).told is None


def test_refusal_without_doubt_leaves_what_imshop_knows(state: State) -> None:
    stage(state, decision())
    write_down(state, *(outcome(push, "retry", refused=True) for push in take(state)))
    assert the(state).told == {"status": "new"}


def test_a_payment_that_waits_is_known(state: State) -> None:
    stage(state, decision("1", with_payment=True), decision("2"), decision("3", with_payment=True, hold="guard"))
    flags = {order_id: order.payment_in_doubt for order_id, order in state.polls.load(["1", "2", "3"]).items()}
    assert flags == {"1": True, "2": False, "3": True}


def test_a_payment_that_was_delivered_waits_no_more(state: State) -> None:
    stage(state, decision(with_payment=True))
    write_down(state, *(outcome(push) for push in take(state)))
    assert not the(state).payment_in_doubt


def test_what_one_process_stored_another_loads(state: State, url: str) -> None:
    stage(state, adopted("1"))
    with another(url) as other:
        assert the(other, "1") == the(state, "1")


def test_change_keeps_the_content_it_pushes(state: State) -> None:
    """The change of a cancelled order pushes its status alone."""
    cancelled = change(content={"status": "cancelled", "tracking": None})
    stage(state, Decision(seen(content={"status": "cancelled", "tracking": "T1"}, told=NEW), cancelled))
    write_down(state, *(outcome(push) for push in take(state)))
    told = the(state).told
    assert told
    assert told["tracking"] is None


@pytest.mark.parametrize(
    "text", ["\\N", "a\tb\nc\\.", "\\", '"{}"', "it's %s :x", "Готов 😀", "\r", "0x1f \x1f", "null"]
)
def test_any_text_is_stored_as_it_is(state: State, text: str) -> None:
    """Whatever it means to COPY, to JSON or to SQL: when it is first stored, again, and in a change."""
    content = {"status": text, "tracking": text}
    stage(state, Decision(seen(text, content, told=content, imshop_uuid=text, shop_id=text)))
    stage(state, Decision(seen(text, content, told=NEW, imshop_uuid=text, shop_id=text, revision=2)))
    assert the(state, text) == seen(text, content, told=NEW, imshop_uuid=text, shop_id=text, revision=2)
    stage(state, decision(text, text, content=content, imshop_uuid=text, message=text))
    (push,) = take(state)
    assert (push.order_id, push.status, push.imshop_uuid, push.message) == (text, text, text, text)


def test_statements_are_few_whatever_the_number_of_rows(sqlite_state: str) -> None:
    """SQLite's driver keeps each statement that it has seen, with its values."""
    statements: set[str] = set()
    with closing(open_state(sqlite_state, redact=str)) as state:
        event.listen(state.store.engine, "before_cursor_execute", lambda _c, _u, sql, *_rest: statements.add(sql))
        for number in range(1, 130):
            stage(state, *(adopted(f"{number}-{other}") for other in range(number)))
        assert state.polls.tracked() == 129 * 130 // 2
    assert len([sql for sql in statements if sql.startswith("INSERT INTO seen")]) <= 8
