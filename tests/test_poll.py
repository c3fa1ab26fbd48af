"""A poll finds what changed and puts it on disk, whatever the shop does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.errors import SourceError, SyncdError
from syncd.model import CancelDecision, CancelRequest, Dropped, OddRows
from syncd.pipeline.diff import StatusAction
from syncd.pipeline.poll import HISTORY_MARGIN, Poller
from syncd.pipeline.staging import PollResult
from syncd.state import ChangeView, State
from syncd.state.polls import StoredPolls
from syncd.state.seen import StagingTransaction
from tests.fakes import LOOKBACK, FakeShop
from tests.made import NOON


def action(status: str) -> StatusAction:
    return "hold" if status == "odd" else "skip" if status == "draft" else "push"


@pytest.fixture
def shop() -> FakeShop:
    return FakeShop()


@pytest.fixture
def poller(shop: FakeShop, memory: State) -> Poller:
    return Poller(shop, memory.polls, action, max_changes=5, lookback=LOOKBACK)


def waiting(memory: State) -> list[tuple[str, str]]:
    return [(change.order_id, change.status) for change in memory.reports.changes(state="pending")]


def held(memory: State) -> list[ChangeView]:
    return list(memory.reports.changes(state="held"))


def later(shop: FakeShop, seconds: float = 1) -> None:
    shop.now += timedelta(seconds=seconds)


def baseline(poller: Poller, shop: FakeShop, orders: int = 20) -> PollResult:
    for number in range(orders):
        shop.put(f"{number:02d}", "new")
    result = poller.poll(shop.now)
    later(shop)
    return result


def leave_the_baseline_behind(poller: Poller, shop: FakeShop) -> None:
    """Let the cursor move so far that the lookback reads none of the baseline's orders again."""
    baseline(poller, shop)
    later(shop, 3600)
    shop.put("19", "sent")
    poller.poll(shop.now)
    del shop.rows["19"]
    later(shop)


def test_the_first_poll_records_everything_and_stages_nothing(poller: Poller, shop: FakeShop, memory: State) -> None:
    result = baseline(poller, shop)
    assert (result.kind, result.rows, result.adopted) == ("full", 20, 20)
    assert (memory.polls.tracked(), waiting(memory)) == (20, [])


def test_first_poll_with_push_stages_everything(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.put("1", "new")
    replace(poller, push_first=True).poll(NOON)
    assert waiting(memory) == [("1", "new")]


def test_interrupted_baseline_is_continued_and_pushes_nothing(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.page, shop.fail_after = 5, 2
    with pytest.raises(SourceError):
        baseline(poller, shop)
    shop.fail_after = None
    baseline(poller, shop)
    assert (memory.polls.tracked(), waiting(memory)) == (20, [])


def test_change_is_found_by_the_cursor_and_staged(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    shop.put("07", "packed")
    result = poller.poll(shop.now)
    assert (result.kind, result.found) == ("incremental", {"cursor": 1})
    assert waiting(memory) == [("07", "packed")]


def test_a_late_commit_is_caught_by_the_lookback(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    shop.put("07", "packed")
    poller.poll(shop.now)
    shop.put("08", "packed", shop.now - timedelta(minutes=4))
    assert poller.poll(shop.now).found == {"lookback": 1}


def test_full_compare_finds_a_change_without_a_timestamp(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    later(shop, 3600)
    shop.put("00", "packed")
    poller.poll(shop.now)
    later(shop, 3600)
    shop.silently("07", "packed")
    poller.poll(shop.now)
    assert waiting(memory) == [("00", "packed")]
    assert poller.reconcile(shop.now).found == {"full": 1}
    assert waiting(memory) == [("07", "packed"), ("00", "packed")]


def test_polling_again_finds_nothing_again(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    shop.put("07", "packed")
    for _ in range(3):
        poller.poll(shop.now)
        poller.reconcile(shop.now)
    assert len(list(memory.reports.changes())) == 1


def test_a_poll_that_finds_nothing_writes_no_cursor(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    before = memory.polls.cursor()
    assert poller.poll(shop.now).rows == 20
    assert memory.polls.cursor() == before


def test_source_without_a_cursor_is_always_compared_whole(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.follows = False
    baseline(poller, shop)
    shop.silently("07", "packed")
    result = poller.poll(shop.now)
    assert (result.kind, result.found, memory.polls.cursor()) == ("full", {"full": 1}, None)


def test_unreadable_rows_are_counted_and_stop_nothing(poller: Poller, shop: FakeShop) -> None:
    baseline(poller, shop)
    shop.unreadable = {"03"}
    shop.put("03", "packed")
    shop.put("07", "packed")
    result = poller.poll(shop.now)
    assert (result.skipped, result.found) == ({"no_status": 1}, {"cursor": 1})
    assert [row.order_id for row in result.skipped_rows] == ["03"]


def test_few_skipped_rows_are_kept_all_are_counted(poller: Poller, shop: FakeShop) -> None:
    shop.unreadable = {f"{number:02d}" for number in range(50)}
    result = baseline(poller, shop, orders=50)
    assert (result.skipped["no_status"], len(result.skipped_rows)) == (50, PollResult.SKIPPED_ROWS_KEPT)


def test_odd_rows_and_the_time_taken_are_recorded(poller: Poller, shop: FakeShop, memory: State) -> None:
    """A row of the future is read at each poll, and told all the same."""
    ticks = iter([0.0, 1.5, 10.0, 10.25])
    poller = replace(poller, monotonic=lambda: next(ticks))
    baseline(poller, shop)
    shop.put("01", "packed", at=shop.now + timedelta(hours=3))
    shop.put("02", "packed", at=shop.now + timedelta(minutes=1))
    shop.unreadable = {"03"}
    shop.put("03", "packed")
    poller.poll(shop.now)
    summary = memory.reports.summary()
    assert [poll.seconds for poll in summary.polls] == [0.25, 1.5]
    assert summary.odd_rows == OddRows(1, ("03",), "no status", 1, timedelta(hours=3))
    assert ("01", "packed") in waiting(memory)


def test_a_new_order_is_staged(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    shop.put("99", "new")
    poller.poll(shop.now)
    assert waiting(memory) == [("99", "new")]


def test_late_old_order_is_history(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    shop.put("98", "done", NOON - LOOKBACK - timedelta(seconds=1))
    shop.put("99", "done", NOON - LOOKBACK)
    result = poller.reconcile(shop.now)
    assert (result.adopted, waiting(memory)) == (1, [("99", "done")])


def test_first_order_of_an_empty_shop_is_pushed(poller: Poller, shop: FakeShop, memory: State) -> None:
    """The empty shop itself is the baseline."""
    baseline(poller, shop, orders=0)
    shop.put("01", "new")
    poller.poll(shop.now)
    assert waiting(memory) == [("01", "new")]


def test_late_history_of_an_empty_shop_pushes_nothing(poller: Poller, shop: FakeShop, memory: State) -> None:
    """The shop was empty at the baseline and shows its history afterwards."""
    baseline(poller, shop, orders=0)
    for number in range(20):
        shop.put(f"{number:02d}", "done", NOON - HISTORY_MARGIN - timedelta(hours=number + 1))
    result = poller.poll(shop.now)
    assert (result.adopted, waiting(memory), held(memory)) == (20, [], [])


def test_empty_shop_without_timestamps_has_no_baseline_yet(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.follows = False
    baseline(poller, shop, orders=0)
    assert memory.polls.baseline() is None
    baseline(poller, shop)
    assert (memory.polls.tracked(), waiting(memory)) == (20, [])


def test_failed_poll_without_a_cursor_is_recorded_as_full(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.follows = False
    baseline(poller, shop)
    shop.fail_after = 0
    with pytest.raises(SourceError):
        poller.poll(shop.now)
    assert [(poll.kind, poll.error is None) for poll in memory.reports.summary().polls][:2] == [
        ("full", False),
        ("full", True),
    ]


def test_changes_above_the_guard_are_held_together(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    for number in range(6):
        shop.put(f"{number:02d}", "archived")
    assert poller.poll(shop.now).held == 6
    assert [change.hold for change in held(memory)] == ["guard"] * 6
    assert waiting(memory) == []


def test_as_many_changes_as_the_guard_allows_flow(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    for number in range(5):
        shop.put(f"{number:02d}", "packed")
    assert poller.poll(shop.now).held == 0
    assert len(waiting(memory)) == 5


@pytest.mark.parametrize("found_by", ["poll", "reconcile"])
def test_guard_counts_all_pages_of_a_poll(poller: Poller, shop: FakeShop, memory: State, found_by: str) -> None:
    baseline(poller, shop)
    shop.page = 2
    for number in range(6):
        shop.put(f"{number:02d}", "archived")
    assert getattr(poller, found_by)(shop.now).held == 6


def test_poll_of_several_pages_releases_its_changes_last(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    shop.page = 2
    for number in range(5):
        shop.put(f"{number:02d}", "packed")
    assert poller.poll(shop.now).held == 0
    assert (len(waiting(memory)), held(memory)) == (5, [])


def test_broken_poll_counts_its_changes_with_the_next(poller: Poller, shop: FakeShop, memory: State) -> None:
    """What it found is kept, and the guard counts both polls together."""
    leave_the_baseline_behind(poller, shop)
    shop.page, shop.fail_after = 2, 2
    for number in range(6):
        shop.put(f"{number:02d}", "archived")
    with pytest.raises(SourceError):
        poller.poll(shop.now)
    assert [change.hold for change in held(memory)] == ["counting"] * 4
    shop.fail_after = None
    assert poller.poll(shop.now).held == 6


def test_polls_that_keep_breaking_tell_what_they_found(poller: Poller, shop: FakeShop, memory: State) -> None:
    """An order that makes the shop's API fail, say: the news of the orders before it must not wait for it."""
    leave_the_baseline_behind(poller, shop)
    shop.page, shop.fail_after = 2, 2
    for number in range(6):
        shop.put(f"{number:02d}", "packed")
    for on_hold in (4, 0):
        with pytest.raises(SourceError):
            poller.poll(shop.now)
        assert len(held(memory)) == on_hold
    assert waiting(memory)[:4] == [(f"{number:02d}", "packed") for number in (3, 2, 1, 0)]


def test_too_many_changes_of_broken_polls_are_held(poller: Poller, shop: FakeShop, memory: State) -> None:
    leave_the_baseline_behind(poller, shop)
    shop.page, shop.fail_after = 2, 3
    for number in range(8):
        shop.put(f"{number:02d}", "archived")
    for hold in ("counting", "guard"):
        with pytest.raises(SourceError):
            poller.poll(shop.now)
        assert [change.hold for change in held(memory)] == [hold] * 6


def test_redefined_statuses_of_broken_polls_are_held(poller: Poller, shop: FakeShop, memory: State) -> None:
    many = replace(poller, max_changes=5000, columns={"status": "code"})
    baseline(many, shop, orders=400)
    shop.page, shop.fail_after, shop.scans_whole = 50, 7, True
    for order_id in shop.rows:
        shop.silently(order_id, "N")
    redefined = replace(many, columns={"status": "letter"})
    for hold in ("counting", "guard"):
        with pytest.raises(SourceError):
            redefined.poll(shop.now)
        assert {change.hold for change in held(memory)} == {hold}


def test_with_the_guard_off_nothing_is_held(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    shop.page = 2
    for number in range(20):
        shop.put(f"{number:02d}", "archived")
    assert replace(poller, max_changes=0).poll(shop.now).held == 0
    assert len(waiting(memory)) == 20


def test_while_a_batch_is_held_other_orders_flow(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    for number in range(6):
        shop.put(f"{number:02d}", "archived")
    poller.poll(shop.now)
    shop.put("19", "packed")
    poller.poll(shop.now)
    assert (waiting(memory), len(held(memory))) == ([("19", "packed")], 6)


def test_reverted_held_changes_are_dropped_and_push_nothing(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    for status in ("archived", "new"):
        for number in range(6):
            shop.put(f"{number:02d}", status)
        poller.poll(shop.now)
        later(shop)
    assert (waiting(memory), held(memory)) == ([], [])
    assert memory.reports.summary().changes["superseded"] == 6


def test_unlisted_status_waits_until_it_is_listed(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    shop.put("07", "odd")
    poller.poll(shop.now)
    assert [change.hold for change in held(memory)] == ["status"]
    replace(poller, action=lambda _status: "push").poll(shop.now)
    assert waiting(memory) == [("07", "odd")]


def test_newer_change_replaces_a_waiting_one(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    for status in ("packed", "shipped"):
        shop.put("07", status)
        poller.poll(shop.now)
        later(shop)
    assert waiting(memory) == [("07", "shipped")]


def test_last_row_of_an_order_counts_in_scans(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    shop.older["07"] = shop.rows["07"]
    shop.silently("07", "packed")
    assert poller.reconcile(shop.now).found == {"full": 1}
    assert waiting(memory) == [("07", "packed")]
    assert poller.reconcile(shop.now).found == {}


def test_how_polls_went_is_noted(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    shop.fail_after = 0
    for _ in range(2):
        with pytest.raises(SourceError):
            poller.poll(shop.now)
    source = memory.reports.summary().source
    assert (source.last_error, source.consecutive_failures) == ("the shop's database went away", 2)
    assert source.last_success_at == NOON
    shop.fail_after = None
    poller.poll(shop.now)
    assert memory.reports.summary().source.consecutive_failures == 0


def test_unexpected_error_counts_as_a_failed_poll(poller: Poller, shop: FakeShop, memory: State) -> None:
    baseline(poller, shop)
    shop.rows["01"] = ("01",)
    with pytest.raises(IndexError):
        poller.reconcile(shop.now)
    source = memory.reports.summary().source
    assert source.consecutive_failures == 1
    assert "unexpected error in a poll (IndexError)" in (source.last_error or "")


def test_progress_may_abandon_a_poll_keeping_staged_changes(poller: Poller, shop: FakeShop, memory: State) -> None:
    leave_the_baseline_behind(poller, shop)
    shop.page = 2
    for number in range(4):
        shop.put(f"{number:02d}", "packed")

    def stop(rows: int) -> None:
        if rows >= 2:
            raise SyncdError

    with pytest.raises(SyncdError):
        replace(poller, progress=stop).poll(shop.now)
    assert len(held(memory)) == 2
    assert memory.reports.summary().source.last_error is None
    poller.poll(shop.now)
    assert waiting(memory)[:4] == [(f"{number:02d}", "packed") for number in (3, 2, 1, 0)]


def test_dropped_fields_are_counted_by_order_and_name() -> None:
    result = PollResult("incremental")
    result.note_dropped([(), (Dropped("paid", "7", "first"), Dropped("user_id", "7", "")), (Dropped("paid", "8", ""),)])
    assert (result.dropped_from, result.dropped) == (2, {"paid": 2, "user_id": 1})
    assert result.dropped_examples["paid"].detail == "first"


@pytest.mark.parametrize("decided", [True, False])
def test_clock_set_back_after_a_cancellation_hides_no_news(
    poller: Poller, shop: FakeShop, memory: State, decided: bool
) -> None:
    """The order would seem to be cancelled during each poll until the clock shows that time again."""
    baseline(poller, shop)
    tomorrow = shop.now + timedelta(days=1)
    asked = CancelRequest("current", "07", None)
    received = memory.inbox.receive(asked, "token", tomorrow, tomorrow + timedelta(seconds=30))
    if decided:
        memory.inbox.decide(received.cancellation, CancelDecision("accepted", "cancelled"), tomorrow, answered=True)
    shop.put("07", "packed")
    poller.poll(shop.now)
    assert waiting(memory) == [("07", "packed")]
    assert memory.inbox.receive(asked, "token", shop.now, shop.now + timedelta(seconds=30)).is_ours


def test_baseline_taken_with_a_clock_ahead_hides_no_new_order(poller: Poller, shop: FakeShop, memory: State) -> None:
    shop.now += timedelta(days=365)
    baseline(poller, shop, orders=0)
    shop.now -= timedelta(days=365)
    shop.put("01", "new")
    poller.poll(shop.now)
    assert waiting(memory) == [("01", "new")]


def test_order_made_known_meanwhile_is_left_to_the_next_poll(shop: FakeShop, memory: State) -> None:
    """IMSHOP asks again to cancel an order that no poll has seen: it is answered, and knows the status, just before the
    poll's transaction."""
    shop.put("1", "new", shop.now - timedelta(hours=1), shop_id="k1")
    Poller(shop, memory.polls, action, 0, LOOKBACK).poll(shop.now)
    asked, soon = CancelRequest("current", "7", None), timedelta(seconds=9)
    received = memory.inbox.receive(asked, "token", shop.now, shop.now + soon)
    memory.inbox.decide(received.cancellation, CancelDecision("accepted", "cancelled"), shop.now, answered=False)
    later(shop, 3600)
    shop.put("7", "cancelled", shop.now, shop_id="k7")

    class Interleaved(StoredPolls):
        @contextmanager
        def staging(self) -> Iterator[StagingTransaction]:
            memory.inbox.receive(asked, "token", shop.now, shop.now + soon)
            with super().staging() as transaction:
                yield transaction

    Poller(shop, Interleaved(memory.store), action, 0, LOOKBACK).poll(shop.now)
    assert (waiting(memory), memory.polls.load(["7"])["7"].told) == ([], {"status": "cancelled"})
    later(shop)
    Poller(shop, memory.polls, action, 0, LOOKBACK).poll(shop.now)
    assert (waiting(memory), memory.polls.load(["7"])["7"].shop_id) == ([], "k7")
