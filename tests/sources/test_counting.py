"""The cursor that is a number."""

from __future__ import annotations

from decimal import Decimal

import pytest

from syncd.sources.cursors import BEFORE_ALL, SequenceCursor, dump_sequence, last_of_each, load_time, parse_sequence


@pytest.mark.parametrize("raw", [12, 12.0, Decimal(12), "12", " 12 "])
def test_number_is_read_from_any_driver_type(raw: object) -> None:
    assert parse_sequence(raw) == 12


@pytest.mark.parametrize("raw", [None, True, 1.5, "", "1.5", "-1", "twelve", b"12", float("nan")])
def test_what_is_no_whole_number_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="is not a whole number"):
        parse_sequence(raw)


def test_next_poll_starts_lookback_below_highest_number() -> None:
    count = SequenceCursor(None)
    count.note_all([7, None, 5000, "what", "12"])
    assert SequenceCursor(count.cursor()).since(1000) == 4000


def test_it_never_starts_before_all_numbers() -> None:
    assert SequenceCursor(dump_sequence(3)).since(1000) == BEFORE_ALL


@pytest.mark.parametrize("cursor", ['["datetime", "2026-03-02T12:00:00"]', "", "{}", "7", '["sequence", "seven"]'])
def test_cursor_of_another_kind_starts_at_first_number(cursor: str) -> None:
    assert SequenceCursor(cursor).since(1000) is None
    assert SequenceCursor(cursor).is_beyond(0)


def test_a_time_is_not_read_from_a_number() -> None:
    assert load_time(dump_sequence(7)) is None


def test_news_is_what_lies_beyond_the_cursor() -> None:
    count = SequenceCursor(dump_sequence(7))
    assert [count.is_beyond(found) for found in (6, 7, 8)] == [False, False, True]


def test_the_first_row_met_of_an_order_counts() -> None:
    count = SequenceCursor(None)
    assert [count.is_last(order_id) for order_id in ("1", "2", "1")] == [True, True, False]


def test_nothing_read_is_no_cursor() -> None:
    assert SequenceCursor(dump_sequence(7)).cursor() is None


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_last_row_of_each_id_is_kept(size: int) -> None:
    """It does not matter where the blocks are cut."""
    rows = [("1", "a"), ("2", "a"), ("2", "b"), ("2", "c"), ("3", "a"), ("4", "a"), ("4", "b")]
    blocks = [rows[start : start + size] for start in range(0, len(rows), size)]
    assert [row for block in last_of_each(blocks) for row in block] == [("1", "a"), ("2", "c"), ("3", "a"), ("4", "b")]


def test_of_no_rows_there_is_no_last() -> None:
    assert [row for block in last_of_each([]) for row in block] == []
