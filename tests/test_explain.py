"""What one buyer sees of an order, and why: told, refused, waiting, never told, answered otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.explain import BuyerView, Explanation, buyer_view, from_state, told_in_words
from syncd.model import Answer, CancelDecision, CancelRequest, Content, Decision, Order, Pause, Seen
from syncd.pipeline.statuses_file import Status, Statuses
from syncd.shop_lookup import LookupResult
from syncd.state import State
from syncd.verdict import PAUSES
from syncd.web.translations import RUSSIAN, Translator
from syncd.wording import in_steps, in_words
from tests.made import NOON
from tests.state.made import DAY, MINUTE, adopted, change, decision, deliver, outcome, stage, take, write_down

LOOKBACK = timedelta(minutes=5)
STATUSES = Statuses(listed={"packed": Status(message="Ready", imshop="processing"), "draft": Status(skip=True)})
PACKED = Order("7", {"status": "packed"}, NOON - MINUTE)


def told(memory: State) -> None:
    stage(memory, decision())
    deliver(memory)


def fails(memory: State, result: str, **fields: object) -> None:
    stage(memory, decision())
    write_down(memory, outcome(take(memory)[0], result, error="order not found", **fields))  # type: ignore[arg-type]


def waits(memory: State) -> None:
    stage(memory, decision())


def is_paused(memory: State) -> None:
    waits(memory)
    memory.outbox.record_and_claim([], 0, Pause("unauthorized", NOON, "HTTP 401"), NOON)


def is_discarded(memory: State) -> None:
    waits(memory)
    memory.operator.discard([1], held=False, all_dead=False, now=NOON)


def is_answered(memory: State, new_status: str, imshop_status: str) -> None:
    stage(memory, decision())
    [push] = take(memory)
    write_down(memory, outcome(push, answer=Answer(200, "7", "uuid", new_status, imshop_status, "OK, so be it")))


def goes_back(memory: State) -> None:
    stage(memory, adopted("7", "packed"))
    stage(memory, decision("7", "sent", 1))
    stage(memory, Decision(Seen("7", {"status": "packed"}, {"status": "packed"}, revision=2), void=True))


def is_cancelled(memory: State) -> None:
    stage(memory, adopted("7", "packed"))
    received = memory.inbox.receive(CancelRequest("current", "7", None), "token", NOON, NOON + MINUTE)
    memory.inbox.decide(received.cancellation, CancelDecision("accepted", "packed"), NOON, answered=True)


def skipped(memory: State) -> None:
    stage(memory, Decision(Seen("7", {"status": "draft"}, {"status": "new"}, revision=1)))


def found_late(memory: State) -> None:
    late = change()._replace(found_by="full", source_updated_at=NOON - DAY)
    stage(memory, Decision(Seen("7", late.content, {"status": "new"}, revision=1), late))
    deliver(memory)


def is_paid_without_an_id(memory: State) -> None:
    told(memory)
    paid: Content = {"status": "packed", "paid": True}
    stage(memory, Decision(Seen("7", paid, {"status": "packed"}, revision=2)))


@pytest.mark.parametrize(
    ("befalls", "agrees", "because", "command"),
    [
        (told, True, [], None),
        (waits, False, ["It waits to be told since {at}"], None),
        (is_paused, False, ["It waits to be told since {at}", PAUSES["unauthorized"]], None),
        (
            lambda memory: fails(memory, "retry", next_attempt_at=NOON + MINUTE),
            False,
            [
                "IMSHOP did not take it in {tries:attempt|attempts}: {error}",
                "It waits to be told since {at}",
                "The next attempt is at {at}",
            ],
            None,
        ),
        (
            lambda memory: fails(memory, "retry", in_doubt=True),
            None,
            [
                "IMSHOP did not take it in {tries:attempt|attempts}: {error}",
                "It waits to be told since {at}",
                "The next attempt is at {at}",
            ],
            None,
        ),
        (
            lambda memory: fails(memory, "refused"),
            False,
            ["IMSHOP refused it, so this buyer was not told: {error}. Once IMSHOP knows the order"],
            "syncd retry 1",
        ),
        (
            lambda memory: fails(memory, "dead"),
            False,
            ["Given up after {tries:attempt|attempts}, so this buyer was not told: {error}. Once that is mended"],
            "syncd retry 1",
        ),
        (is_discarded, False, ["Discarded, so this buyer was not told. If that was wrong"], "syncd resync 7"),
        (
            lambda memory: stage(memory, decision(hold="guard")),
            False,
            ["Held since {at}: too many changes came at once. If they are right"],
            "syncd release",
        ),
        (
            lambda memory: stage(memory, decision(hold="status")),
            False,
            ["Held since {at}: the code {code} is not in the statuses file. List it there, and it goes by itself"],
            None,
        ),
        (
            lambda memory: stage(memory, decision(), counting=True),
            False,
            ["Held since {at}, until its poll is over"],
            None,
        ),
        (
            lambda memory: is_answered(memory, "packed", "placed"),
            False,
            ["IMSHOP shows {shown} for {code}; the statuses file expects {expected}. Ask IMSHOP to correct its table"],
            None,
        ),
        (
            lambda memory: is_answered(memory, "sent", "processing"),
            False,
            ["IMSHOP was told {code}, and answered that {answered} is in force"],
            None,
        ),
        (
            lambda memory: stage(memory, adopted("7", "packed")),
            None,
            ["Taken as known when it was first seen at {at}: IMSHOP was never told. If the app shows another status"],
            "syncd resync 7",
        ),
        (goes_back, True, ["It went back to what IMSHOP knows before it was told anything else"], None),
        (is_cancelled, True, ["The buyer cancelled it in the app at {at}"], None),
        (skipped, False, ["The statuses file skips the code {code}: IMSHOP is not told"], None),
        (
            lambda memory: stage(memory, Decision(Seen("7", {"status": "packed"}, None, revision=1))),
            None,
            ["It is not known what IMSHOP heard last. To tell it again"],
            "syncd resync 7",
        ),
        (
            found_late,
            True,
            ["The shop had changed it without its timestamp, {at}: only a full compare found it, at {found}"],
            None,
        ),
        (
            is_paid_without_an_id,
            True,
            ["IMSHOP cannot be told that it is paid: the shop gives no payment id"],
            None,
        ),
    ],
)
def test_what_became_of_it_says_what_is_seen(
    memory: State, befalls: Callable[[State], None], agrees: bool | None, because: list[str], command: str | None
) -> None:
    befalls(memory)
    view = seen_by_buyer(memory)
    assert [reason.phrase for reason in view.reasons] == because
    assert view.agrees is agrees
    assert {reason.command for reason in view.reasons if reason.command} == ({command} if command else set())


def seen_by_buyer(memory: State, in_shop: LookupResult | None = None) -> BuyerView:
    """As the shop shows what the state saw, unless it shows something else. All of it can be said in Russian."""
    known = from_state(memory.reports, "7", STATUSES, LOOKBACK)
    seen = known.story.seen
    order = Order("7", seen.content, NOON - MINUTE) if seen else PACKED
    view = buyer_view(replace(known, in_shop=in_shop or LookupResult(order)))
    assert {view.headline, *(reason.phrase for reason in view.reasons)} <= RUSSIAN.keys()
    assert all("{" not in reason.said(Translator("ru")) for reason in view.reasons)
    return view


@pytest.mark.parametrize(
    ("in_shop", "agrees", "because"),
    [
        (LookupResult(None), None, "The shop does not show this order any more"),
        (LookupResult(None, "gone"), None, "The shop cannot be asked, so this is what was seen last"),
        (
            LookupResult(Order("7", {"status": "sent"}, NOON - MINUTE)),
            False,
            "The shop changed it since the last good poll, {at}; the next one finds it",
        ),
        (
            LookupResult(Order("7", {"status": "sent"}, NOON - DAY)),
            False,
            "The shop changed it without its timestamp, still {at}: polls pass it by, a full compare finds it",
        ),
    ],
)
def test_what_the_shop_shows_since_is_compared(
    memory: State, in_shop: LookupResult, agrees: bool | None, because: str
) -> None:
    told(memory)
    memory.polls.record_poll(NOON, None)
    view = seen_by_buyer(memory, in_shop)
    assert [reason.phrase for reason in view.reasons] == [because]
    assert view.agrees is agrees


def test_order_that_no_poll_saw_is_uncertain(memory: State) -> None:
    view = seen_by_buyer(memory)
    assert view.agrees is None
    assert view.reasons[0].phrase == "syncd has not seen this order yet: the next poll that finds it decides"


def test_view_has_what_was_told_and_answered(memory: State) -> None:
    told(memory)
    view = seen_by_buyer(memory)
    assert (view.says, view.told, view.told_at) == ({"status": "packed"}, {"status": "packed"}, NOON)
    assert (view.imshop_status, view.reads) == ("processing", "Ready")
    assert told_in_words(view, str, lambda at: f"{at:%H:%M}") == "status packed, 12:00"


def test_what_was_never_told_says_so(memory: State) -> None:
    stage(memory, adopted("7", "packed"))
    assert told_in_words(seen_by_buyer(memory), str, str) == "never; taken as known: status packed"


def test_tries_are_counted_in_both_languages(memory: State) -> None:
    fails(memory, "dead")
    [reason] = seen_by_buyer(memory).reasons
    assert reason.said() == "Given up after 1 attempt, so this buyer was not told: order not found. Once that is mended"
    assert reason.said(Translator("ru")).startswith("После 1 попытки отправка прекращена")


def test_unknown_order_names_similar_ones(memory: State) -> None:
    stage(memory, adopted("0010003"))
    known = from_state(memory.reports, "10003", STATUSES, LOOKBACK)
    assert (known.is_known, known.similar) == (False, ["0010003"])
    assert from_state(memory.reports, "0010003", STATUSES, LOOKBACK).similar == []


def test_order_is_known_to_shop_or_state(memory: State) -> None:
    assert not Explanation(memory.reports.story("7")).is_known
    assert Explanation(memory.reports.story("7"), LookupResult(PACKED)).is_known
    stage(memory, decision())
    assert Explanation(memory.reports.story("7")).is_known


def test_content_is_said_in_words_and_not_as_python() -> None:
    paid = {"status": "packed", "tracking": None, "paid": True, "payment_id": "p1"}
    assert in_words(paid) == "status packed, paid, payment p1"
    assert in_words({"paid": False}) == "not paid"
    assert in_words({"status": "new", "paid": False}, Translator("ru")) == "статус new, не оплачен"


@pytest.mark.parametrize(
    ("content", "with_payment", "said"),
    [
        ({"status": "sent"}, False, "packed → sent"),
        ({"status": "packed", "tracking": "TRK777"}, False, "tracking → TRK777"),
        ({"status": "packed", "tracking": "T", "paid": False}, True, "tracking → T, not paid"),
        ({"status": "packed", "paid": True, "payment_id": "p1"}, True, "paid, payment → p1"),
        ({"status": "packed"}, False, "packed → told again"),
    ],
)
def test_change_is_said_by_its_news(
    memory: State, content: dict[str, str | bool | None], with_payment: bool, said: str
) -> None:
    told(memory)
    news = change("7", revision=2, content=content, with_payment=with_payment)._replace(previous_status="packed")
    stage(memory, Decision(Seen("7", content, {"status": "packed"}, revision=2), news))
    [newest, first] = memory.reports.changes()
    assert in_steps(newest) == said
    assert in_steps(first) == "new → packed"
    assert in_steps(replace(first, previous_status=None), Translator("ru")) == "новый заказ → packed"


def test_first_news_of_a_known_order_is_guessed(memory: State) -> None:
    """The content before the first change of an order is not stored."""
    stage(memory, adopted("7", "packed"))
    content = {"status": "packed", "tracking": "TRK777"}
    first = change("7", content=content)._replace(previous_status="packed")
    stage(memory, Decision(Seen("7", content, {"status": "packed"}, revision=1), first))
    [only] = memory.reports.changes()
    assert in_steps(only) == "tracking → TRK777"
