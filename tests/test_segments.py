"""Segments: the same rows give the same segments, and a change shows in the segment it is in and no other."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.pipeline.segments import CUT_EVERY, LONGEST, TAIL, Row, Segment, segments

ROWS: list[Row] = [(f"{number:08d}", "new", None) for number in range(5000)]


def cut(rows: list[Row], width: int = 3, block: int = 1000) -> list[Segment]:
    return list(segments([rows[start : start + block] for start in range(0, len(rows), block)], width))


def test_every_row_is_in_one_segment_in_order() -> None:
    assert [row for segment in cut(ROWS) for row in segment.rows] == ROWS


@given(st.integers(1, 700))
def test_how_the_rows_arrive_does_not_matter(block: int) -> None:
    assert cut(ROWS[:1500], block=block) == cut(ROWS[:1500], block=1500)


def test_changed_row_changes_only_its_own_segment() -> None:
    changed = [*ROWS]
    changed[2500] = (changed[2500][0], "packed", None)
    differing = [after for before, after in zip(cut(ROWS), cut(changed), strict=True) if before != after]
    assert len(differing) == 1
    assert changed[2500] in differing[0].rows


def test_added_or_removed_row_leaves_other_segments_alone() -> None:
    before = {segment.key: segment.digest for segment in cut(ROWS)}
    for rows in ([*ROWS, ("99999999", "new", None)], ROWS[:2500] + ROWS[2501:]):
        after = {segment.key: segment.digest for segment in cut(rows)}
        assert len(before.items() ^ after.items()) <= 3


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 700), st.integers(2, 100))
def test_rows_of_an_order_are_in_one_segment(block: int, times: int) -> None:
    """A join shows each order several times."""
    rows: list[Row] = [(number, str(time), None) for number in range(200) for time in range(times)]
    ids = [row[0] for segment in cut(rows, block=block) for row in dict.fromkeys((row[0],) for row in segment.rows)]
    assert ids == [*range(200)]


def test_columns_beyond_the_width_are_not_compared() -> None:
    wide = [(*row, "a message") for row in ROWS]
    assert [segment.digest for segment in cut(wide)] == [segment.digest for segment in cut(ROWS)]


def test_last_segment_has_its_own_key() -> None:
    assert cut(ROWS)[-1].key == TAIL


def test_keys_are_distinct_signed_64_bit_integers() -> None:
    keys = [segment.key for segment in cut(ROWS)]
    assert len(set(keys)) == len(keys)
    assert all(-(2**63) <= key < 2**63 for key in keys)


def test_rows_without_a_natural_cut_are_cut_anyway() -> None:
    rows: list[Row] = [("00000000", str(number), None) for number in range(3 * LONGEST)]
    assert max(len(segment.rows) for segment in cut(rows)) < LONGEST + 1000


@pytest.mark.parametrize("step", [1, 2, 256, 2**22])
def test_integer_ids_are_cut_whatever_their_step(step: int) -> None:
    rows: list[Row] = [(1 + number * step, "new", None) for number in range(5000)]
    assert max(len(segment.rows) for segment in cut(rows)) <= CUT_EVERY


def test_any_value_of_a_driver_has_a_digest() -> None:
    rows: list[Row] = [(Decimal(1), "новый", b"\x00"), (2, None, 1.5), (None, "\udc80", True)]
    assert len(cut(rows)[0].digest) == 16


def test_number_and_its_digits_as_text_differ() -> None:
    assert cut([(1, "new", None)])[0].digest != cut([("1", "new", None)])[0].digest


def test_no_rows_give_no_segments() -> None:
    assert cut([]) == []


def test_another_process_gives_the_same_digests() -> None:
    code = (
        "from syncd.pipeline.segments import segments\n"
        "rows = [(f'{n:08d}', 'new', None) for n in range(5000)]\n"
        "print([s.digest.hex() for s in segments([rows], 3)])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str([segment.digest.hex() for segment in cut(ROWS)])
