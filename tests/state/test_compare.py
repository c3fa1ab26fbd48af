"""What full compares keep: digests that may save work but hide nothing, and who was not seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import and_, func, select

from syncd.model import Decision, FormedSegment, Identified, Order, Page, Skipped
from syncd.pipeline.diff import Policy
from syncd.pipeline.full_compare import FullCompare
from syncd.pipeline.segments import Row
from syncd.pipeline.staging import PollResult, Stager
from syncd.state import Released, State, open_state
from syncd.state.schema import seen as seen_table
from syncd.state.schema import segments
from syncd.state.store import get_fact
from tests.made import NOON
from tests.state.made import MINUTE, adopted, another, decision, replace_segment, seen, stage, the

IDS = [str(number) for number in range(20)]


def tracking(state: State, order_ids: Sequence[str] = IDS) -> int:
    """These orders are tracked, seen by a compare, and one segment; returns the compare's number."""
    stage(state, *(adopted(order_id) for order_id in order_ids))
    compare = state.polls.start_compare()
    replace_segment(state, 1, order_ids, b"digest", compare)
    return compare


def missing(state: State, order_ids: Sequence[str] = IDS) -> list[str]:
    return [order_id for order_id, order in state.polls.load(order_ids).items() if order.missing]


def test_compares_are_numbered(state: State, url: str) -> None:
    assert [state.polls.start_compare(), state.polls.start_compare()] == [1, 2]
    with another(url) as other:
        assert other.polls.start_compare() == 3


def test_digest_is_kept_with_its_order_count(state: State) -> None:
    tracking(state)
    assert state.polls.digests([1, 2]) == {1: (b"digest", 20)}


def test_orders_that_are_not_tracked_are_not_counted(state: State) -> None:
    stage(state, adopted("1"))
    replace_segment(state, -5, ["1", "2"], b"digest", state.polls.start_compare())
    assert state.polls.digests([-5]) == {-5: (b"digest", 1)}


def test_segment_without_digest_is_read_next_time(state: State) -> None:
    compare = tracking(state)
    replace_segment(state, 1, IDS, None, compare)
    assert state.polls.digests([1]) == {}


def test_digest_is_dropped_when_an_order_leaves(state: State) -> None:
    compare = tracking(state)
    replace_segment(state, 2, IDS[:3], b"other", compare)
    assert state.polls.digests([1, 2]) == {2: (b"other", 3)}


def test_digest_is_dropped_when_an_order_changes(state: State) -> None:
    compare = tracking(state)
    replace_segment(state, 2, IDS[:3], b"other", compare)
    replace_segment(state, 1, IDS[3:], b"digest", compare)
    stage(state, decision("1"))
    assert state.polls.digests([1, 2]).keys() == {1}


def test_segment_larger_than_one_statement_is_whole(state: State) -> None:
    ids = [str(number) for number in range(1100)]
    tracking(state, ids)
    assert state.polls.digests([1]) == {1: (b"digest", 1100)}


def test_orders_of_a_confirmed_segment_are_not_missing(state: State) -> None:
    tracking(state)
    compare = state.polls.start_compare()
    state.polls.confirm_segments([1], compare)
    assert state.polls.mark_missing(compare, NOON) == 0
    assert state.polls.digests([1]).keys() == {1}


def test_orders_that_no_compare_saw_are_missing(state: State) -> None:
    tracking(state)
    compare = state.polls.start_compare()
    replace_segment(state, 1, IDS[1:], b"other", compare)
    assert state.polls.mark_missing(compare, NOON) == 1
    assert (missing(state), state.polls.tracked()) == ([IDS[0]], 19)


def test_missing_orders_lack_no_key(state: State) -> None:
    tracking(state)
    stage(state, Decision(seen("keyed", shop_id="1")))
    compare = state.polls.start_compare()
    replace_segment(state, 1, IDS[1:], b"other", compare)
    assert state.polls.mark_missing(compare, NOON) == 2
    assert state.reports.without_shop_id() == 19


def test_order_first_seen_during_compare_is_not_missing(state: State) -> None:
    tracking(state)
    compare = state.polls.start_compare()
    state.polls.confirm_segments([1], compare)
    stage(state, adopted("new"))
    assert state.polls.mark_missing(compare, NOON) == 0


def test_lost_digest_keeps_a_confirmed_segments_orders(state: State) -> None:
    tracking(state)
    compare = state.polls.start_compare()
    state.polls.confirm_segments([1], compare)
    stage(state, decision(IDS[0]))
    assert (state.polls.digests([1]), state.polls.mark_missing(compare, NOON)) == ({}, 0)


def test_segments_without_a_digest_do_not_pile_up(state: State) -> None:
    """One that lost its digest goes when a compare did not meet it."""
    tracking(state)
    stage(state, decision(IDS[0]))
    for _ in range(2):
        state.polls.start_compare()
    with state.store.read() as connection:
        assert connection.execute(select(segments.c.segment)).all() == []


def written(state: State) -> set[str]:
    """The orders that are marked with the newest compare."""
    with state.store.read() as connection:
        newest = select(seen_table.c.order_id).where(seen_table.c.compared_in == get_fact(connection, "compare"))
        return {*connection.execute(newest).scalars()}


def test_only_orders_that_join_a_segment_are_written(state: State) -> None:
    tracking(state)
    stage(state, decision(IDS[0]))
    for _ in range(2):
        replace_segment(state, 1, IDS, b"other", state.polls.start_compare())
        assert written(state) == set()
    assert state.polls.digests([1]) == {1: (b"other", 20)}


def test_segment_that_an_order_left_and_another_joined_forgets_the_former(state: State) -> None:
    """As many orders as before, but not the same."""
    tracking(state)
    stage(state, adopted("new"))
    compare = state.polls.start_compare()
    replace_segment(state, 1, ["new", *IDS[1:]], b"other", compare)
    assert state.polls.mark_missing(compare, NOON) == 1
    assert missing(state) == [IDS[0]]


def test_changed_order_that_vanished_leaves_its_segment(state: State) -> None:
    tracking(state)
    stage(state, decision(IDS[0]))
    for gone in (1, 0):
        compare = state.polls.start_compare()
        replace_segment(state, 1, IDS[1:], b"other", compare)
        assert state.polls.mark_missing(compare, NOON) == gone


def test_order_first_seen_in_a_known_segment_belongs_to_it(state: State) -> None:
    tracking(state)
    compare = state.polls.start_compare()
    with state.polls.staging() as staging:
        staging.store([adopted("new")], NOON, counting=False, segments={"new": 1})
    state.polls.replace_segments([FormedSegment(1, IDS, b"other", ["new"])], compare, NOON)
    state.polls.confirm_segments([1], state.polls.start_compare())
    assert state.polls.mark_missing(compare + 1, NOON) == 0
    assert state.polls.digests([1]) == {1: (b"other", 21)}


def test_order_returning_elsewhere_leaves_its_segment_confirmed(state: State) -> None:
    """The segment in which the order once was stays confirmed."""
    tracking(state)
    refused(state, 5)
    stage(state, adopted("other"))
    compare = state.polls.start_compare()
    state.polls.confirm_segments([1], compare)
    replace_segment(state, 2, [*IDS[:5], "other"], b"another", compare)
    assert state.polls.mark_missing(compare, NOON) == 0


def test_order_polled_during_compare_is_not_missing(state: State) -> None:
    tracking(state)
    compare = state.polls.start_compare()
    stage(state, decision(IDS[0]))
    replace_segment(state, 1, IDS[1:], b"other", compare)
    assert state.polls.mark_missing(compare, NOON) == 0


def test_order_that_vanished_is_missing_next_time(state: State) -> None:
    """A poll saw it during the compare, so only the next compare marks it as missing."""
    tracking(state)
    compare = state.polls.start_compare()
    stage(state, decision(IDS[0]))
    replace_segment(state, 1, IDS[1:], b"other", compare)
    compare = state.polls.start_compare()
    state.polls.confirm_segments([1], compare)
    assert state.polls.mark_missing(compare, NOON) == 1


def test_changed_order_that_vanished_is_missing(state: State) -> None:
    tracking(state)
    stage(state, decision(IDS[0]))
    compare = state.polls.start_compare()
    replace_segment(state, 1, IDS[1:], b"other", compare)
    state.polls.mark_missing(compare, NOON)
    assert missing(state) == [IDS[0]]


def test_order_that_left_a_confirmed_segment_is_missing(state: State) -> None:
    tracking(state)
    gone = state.polls.start_compare()
    replace_segment(state, 1, IDS[10:], b"other", gone)
    assert state.polls.mark_missing(gone, NOON) is None
    compare = state.polls.start_compare()
    state.operator.release(NOON)
    compare = state.polls.start_compare()
    state.polls.confirm_segments([1], compare)
    assert state.polls.mark_missing(compare, NOON) == 10


def test_an_order_that_is_missing_is_missed_once(state: State) -> None:
    tracking(state)
    for expected in (1, 0):
        compare = state.polls.start_compare()
        replace_segment(state, 1, IDS[1:], b"other", compare)
        assert state.polls.mark_missing(compare, NOON) == expected
    assert state.polls.tracked() == 19


def test_an_order_that_came_back_is_tracked_again(state: State) -> None:
    tracking(state)
    compare = state.polls.start_compare()
    replace_segment(state, 1, IDS[1:], b"other", compare)
    state.polls.mark_missing(compare, NOON)
    stage(state, adopted(IDS[0]))
    assert (missing(state), state.polls.tracked()) == ([], 20)
    order = state.reports.story(IDS[0]).seen
    assert order is not None
    assert order.missing_since is None


def test_segment_that_was_not_met_is_dropped(state: State) -> None:
    """It could come back just as it was, and its orders would stay missing for good."""
    stage(state, adopted("alone"))
    replace_segment(state, 2, ["alone"], b"other", tracking(state))
    compare = state.polls.start_compare()
    state.polls.confirm_segments([1], compare)
    assert state.polls.mark_missing(compare, NOON) == 1
    assert state.polls.digests([1, 2]).keys() == {1}


def test_time_of_going_missing_is_kept(state: State) -> None:
    tracking(state)
    compare = state.polls.start_compare()
    replace_segment(state, 1, IDS[1:], b"other", compare)
    state.polls.mark_missing(compare, NOON + MINUTE)
    order = state.reports.story(IDS[0]).seen
    assert order is not None
    assert order.missing_since == NOON + MINUTE


def refused(state: State, gone: int) -> int | None:
    """A compare that does not see so many of the orders."""
    compare = state.polls.start_compare()
    replace_segment(state, 1, IDS[gone:], b"other", compare)
    return state.polls.mark_missing(compare, NOON)


@pytest.mark.parametrize(
    ("tracked", "gone", "marked"),
    [(200, 20, 20), (200, 21, None), (20, 9, 9), (20, 10, None), (9, 8, 8), (9, 9, None), (1, 1, None)],
)
def test_limit_on_orders_that_may_go_missing(state: State, tracked: int, gone: int, marked: int | None) -> None:
    """A tenth of the orders may go missing, or nine of them, but never all."""
    ids = [str(number) for number in range(tracked)]
    tracking(state, ids)
    compare = state.polls.start_compare()
    replace_segment(state, 1, ids[gone:], b"other", compare)
    assert state.polls.mark_missing(compare, NOON) == marked
    assert len(missing(state, ids)) == (marked or 0)
    assert state.reports.summary().missing_refused == (0 if marked else gone)


def test_operator_accepts_refused_missing_orders(state: State) -> None:
    """The next compare then marks as missing what the last one refused."""
    tracking(state)
    refused(state, 10)
    assert state.operator.release(NOON) == Released(changes=0, missing=10)
    assert refused(state, 10) == 10
    assert state.polls.tracked() == 10
    assert state.reports.summary().missing_refused == 0


def test_what_an_operator_accepted_is_used_up(state: State) -> None:
    tracking(state)
    refused(state, 10)
    state.operator.release(NOON)
    refused(state, 10)
    stage(state, *(adopted(f"new {number}") for number in range(10)))
    assert refused(state, 20) is None


def test_more_than_the_operator_saw_is_refused_again(state: State) -> None:
    tracking(state)
    refused(state, 10)
    state.operator.release(NOON)
    assert refused(state, 20) is None


def test_faultless_compare_leaves_nothing_to_accept(state: State) -> None:
    tracking(state)
    refused(state, 10)
    state.polls.clear_refused_missing()
    assert state.reports.summary().missing_refused == 0
    assert state.operator.release(NOON) == Released(changes=0, missing=0)


def test_acceptance_covers_only_the_next_compare(state: State) -> None:
    tracking(state)
    refused(state, 10)
    state.operator.release(NOON)
    state.polls.clear_refused_missing()
    assert refused(state, 10) is None


def test_refusal_can_be_accepted_during_next_compare(state: State) -> None:
    """Where every poll is a full compare, one runs most of the time."""
    tracking(state)
    refused(state, 10)
    compare = state.polls.start_compare()
    assert state.reports.summary().missing_refused == 10
    assert state.operator.release(NOON).missing == 10
    replace_segment(state, 1, IDS[10:], b"other", compare)
    assert state.polls.mark_missing(compare, NOON) == 10


class Shelf:
    """A shop that is a dict, for whole and narrow scans. `width` covers all that is compared."""

    width = 3

    def __init__(self, orders: Mapping[str, str]) -> None:
        self.orders = dict(orders)
        self.scans_whole = False

    def scan(self, *, whole: bool) -> Shelf:
        return self

    def blocks(self) -> Iterator[Sequence[Row]]:
        yield [(order_id, status, None) for order_id, status in sorted(self.orders.items())]

    def content(self, row: Row) -> Identified | Skipped:
        return Identified(row[0], {"status": row[1]}, row[2], None)

    def read(self, rows: Sequence[Row]) -> Page:
        return Page([Order(row[0], {"status": row[1]}) for row in rows])

    def newest(self) -> tuple[str, datetime] | None:
        return None

    def still_shown(self, order_ids: Collection[str]) -> Iterator[Page]:
        return iter(())

    def look_up(self, ids: Sequence[Any]) -> Page:
        return Page([Order(order_id, {"status": self.orders[order_id]}) for order_id in ids])

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str]) -> Page:
        raise AssertionError("no order has a key of the shop's")


def compare(state: State, shelf: Shelf, *, whole: bool) -> PollResult:
    stager = Stager(state.polls, Policy(lambda _status: "push"), 0, NOON, PollResult("full"), shelf.find)
    FullCompare(shelf, state.polls, stager, lambda _rows: None, whole=whole).run()
    return stager.result


SHELVES = st.lists(
    st.tuples(
        st.dictionaries(
            st.sampled_from([str(number) for number in range(30)]), st.sampled_from(["a", "b"]), min_size=9
        ),
        st.booleans(),
        st.none() | st.tuples(st.sampled_from(["1", "2", "3"]), st.sampled_from(["a", "b", "c"])),
    ),
    min_size=2,
    max_size=4,
)


def counted(state: State) -> dict[int, int]:
    with state.store.read() as connection:
        rows = connection.execute(select(segments.c.segment, segments.c.orders).where(segments.c.orders > 0))
        return dict(rows.all())


def belonging(state: State) -> dict[int, int]:
    """How many tracked orders belong to each segment."""
    belongs = (seen_table.c.segment == segments.c.segment, seen_table.c.compared_in == segments.c.formed_in)
    with state.store.read() as connection:
        rows = connection.execute(
            select(segments.c.segment, func.count())
            .join(seen_table, and_(*belongs))
            .where(seen_table.c.missing_since.is_(None))
            .group_by(segments.c.segment)
        )
        return dict(rows.all())


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(shelves=SHELVES)
def test_compare_always_ends_with_the_shops_orders(
    shelves: list[tuple[dict[str, str], bool, tuple[str, str] | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happened before, the state has the shop's orders and statuses after a compare."""
    monkeypatch.setattr("syncd.pipeline.segments.CUT_EVERY", 4)
    with TemporaryDirectory() as directory:
        state = open_state(f"sqlite:///{Path(directory)}/syncd.db", redact=str)
        for orders, whole, polled in shelves:
            if polled:
                stage(state, decision(*polled))
            if compare(state, Shelf(orders), whole=whole).fault:
                state.operator.release(NOON)
                compare(state, Shelf(orders), whole=whole)
            found = state.polls.load([*orders, "1", "2", "3"])
            shown = {order_id: str(order.content["status"]) for order_id, order in found.items() if not order.missing}
            assert (shown, state.polls.tracked()) == (orders, len(orders))
            assert counted(state) == belonging(state)
        state.close()


def test_a_digest_that_was_lost_hides_nothing(state: State) -> None:
    shelf = Shelf(dict.fromkeys(IDS, "new"))
    compare(state, shelf, whole=True)
    stage(state, decision("1", "sent"))
    shelf.orders["1"] = "packed"
    compare(state, shelf, whole=False)
    assert the(state, "1").content == {"status": "packed"}
