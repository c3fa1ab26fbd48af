"""Timestamps read and written back in each of the ways in which shops keep them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from syncd.model import Order
from syncd.sources.columns import ColumnOptions, Layout
from syncd.sources.timestamps import (
    Raw,
    instant,
    is_after,
    lookback_start,
    looks_like,
    moment,
    written_in_two_ways,
    written_like,
)
from tests.sources.shop import BERLIN, DATINGS, MOSCOW, NOON, Dating

TWO = datetime(2026, 11, 23, 14, 0, 0, 123456, tzinfo=UTC)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


@pytest.mark.parametrize(
    "raw",
    [
        "2026-11-23 14:00:00.123456Z",
        "2026-11-23T14:00:00.123456Z",
        "2026-11-23T14:00:00,1234567Z",
        "2026-11-23 14:00:00.123456 UTC",
        "2026-11-23 17:00:00.123456+03",
        "2026-11-23T17:00:00.123456+03:00",
        "2026-11-23 17:00:00.123456 +0300",
        "1795442400.123456",
        Decimal("1795442400.123456"),
        TWO,
        TWO.astimezone(MOSCOW),
    ],
)
def test_an_instant_is_read_however_it_is_written(raw: Raw) -> None:
    assert moment(raw) == TWO


@pytest.mark.parametrize(
    "raw",
    [
        1795442400,
        1795442400.0,
        1795442400123,
        "1795442400",
        "1795442400123",
        " 1795442400 ",
        1795442400123456,
        "1795442400123456789",
    ],
)
def test_unix_time_may_count_fractions_of_seconds(raw: Raw) -> None:
    assert moment(raw).replace(microsecond=0) == TWO.replace(microsecond=0)


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("2026-11-23 14:00:00", "2026-11-23T14:00:00"),
        ("2026-11-23 14:00:00", "2026-11-23"),
        ("2026-11-23T14:00:00Z", "2026-11-23T14:00:00"),
        ("2026-11-23T14:00:00Z", "2026-11-23T17:00:00+03:00"),
        (1795442400, 1795442400123),
        (1795442400, "1795442400"),
        ("1795442400", "2026-11-23 14:00:00"),
    ],
)
def test_times_written_in_two_ways_are_seen(one: Raw, another: Raw) -> None:
    assert written_in_two_ways([None, "soon", 0, one, one, another]) == (one, another)


@pytest.mark.parametrize(
    "raws",
    [
        ["2026-11-23 14:00", "2026-11-23 14:00:00.5", "2026-11-23 14:00:00,123456"],
        ["2026-07-23T14:00:00+01:00", "2026-11-23T14:00:00Z", "2026-11-23T14:00:00+00:00"],
        [TWO, date(2026, 11, 23), "infinity", "0000-00-00"],
        [1795442400, 1795442400.5, Decimal("1795442400.25"), 0, True],
        [],
    ],
)
def test_times_written_alike_are_no_two_ways(raws: list[object]) -> None:
    assert written_in_two_ways(raws) is None


@pytest.mark.parametrize("raw", ["2026-11-23 14:00:00", "2026-11-23T14:00", datetime(2026, 11, 23, 14)])  # noqa: DTZ001 - naive on purpose
def test_time_without_offset_is_in_shops_zone(raw: Raw) -> None:
    assert instant(moment(raw), MOSCOW) == datetime(2026, 11, 23, 11, tzinfo=UTC)


@pytest.mark.parametrize("raw", [date(2026, 11, 23), "2026-11-23"])
def test_a_date_is_its_midnight_in_the_shop(raw: Raw) -> None:
    assert instant(moment(raw), MOSCOW) == datetime(2026, 11, 22, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        True,
        "",
        "soon",
        "infinity",
        "0000-00-00 00:00:00",
        "2026-02-30",
        "2026-13-01 00:00:00",
        "10000-01-01 00:00:00",
        "2026-11-23 25:00:00",
        "0001-01-01 00:00:00+03:00",
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        10**20,
        -1,
        1,
        45990.5,
        20261129,
        202611291030,
        20261129103000,
        253402300799,
        639000000000000000,
        b"2026-11-23",
    ],
)
def test_what_cannot_be_a_time_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="cannot be read as a time"):
        moment(raw)


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        (20261129, "yyyymmdd"),
        (" 20261129 ", "yyyymmdd"),
        ("20261129.0", "yyyymmdd"),
        (202611291030, "yyyymmddhhmm"),
        (Decimal(20261129103000), "yyyymmddhhmmss"),
        (45990.5, "day count"),
        ("45990", "day count"),
        (Decimal("2461374.25"), "Julian day"),
        ("0000-00-00 00:00:00", "zero date"),
        (20261345, None),
        ("soon", None),
        (None, None),
        (float("inf"), None),
        ("9" * 400, None),
    ],
)
def test_a_form_that_is_not_read_is_named(raw: object, form: str | None) -> None:
    assert looks_like(raw) == form
    with pytest.raises(ValueError, match=f"it looks like a {form}" if form else "cannot be read as a time$"):
        moment(raw)


def test_zero_is_no_time_of_change() -> None:
    assert moment(0) == moment("0") == datetime(1970, 1, 1, tzinfo=UTC)
    order = Layout(("order_id", "status", "updated_at"), ColumnOptions(UTC)).order(["1", "new", 0])
    assert isinstance(order, Order)
    assert order.updated_at is None


@given(seconds=st.integers(1_000_000_000, 4_000_000_000), unit=st.sampled_from([1, 1000, 10**6, 10**9]))
def test_unix_time_is_written_in_its_unit(seconds: int, unit: int) -> None:
    assert written_like(1795442400 * unit, moment(seconds * unit), UTC) == seconds * unit


def test_extreme_wall_clock_has_no_instant() -> None:
    with pytest.raises(ValueError, match="cannot be read as a time"):
        instant(moment("0001-01-01 00:00:00"), MOSCOW)


@given(when=TIMES, dating=st.sampled_from(DATINGS))
def test_time_in_shops_form_survives_a_round_trip(when: datetime, dating: Dating) -> None:
    written = written_like(dating.write(NOON, MOSCOW), when, MOSCOW)
    assert instant(moment(written), MOSCOW) == when.replace(microsecond=0)


@given(
    reached=TIMES,
    later=st.timedeltas(timedelta(minutes=-5), timedelta(days=400)),
    dating=st.sampled_from(DATINGS),
)
def test_nothing_in_the_lookback_sorts_before_the_bound(reached: datetime, later: timedelta, dating: Dating) -> None:
    raw, row = (dating.write(when, BERLIN) for when in (reached, reached + later))
    read, row_read = moment(raw), moment(row)
    assume(read.tzinfo or row_read >= read - timedelta(minutes=5))  # a wall clock that ran back needs the present
    least: Any = lookback_start(raw, timedelta(minutes=5), reached + timedelta(days=500), BERLIN, raw)
    assert least <= row


def test_text_bound_keeps_its_form_without_fractions() -> None:
    """What follows the seconds is left out."""
    back, present = timedelta(minutes=5), TWO
    for raw, least in (
        ("2026-11-23 13:00:00.999", "2026-11-23 12:55:00"),
        ("2026-11-23T13:00:00Z", "2026-11-23T12:55:00"),
        ("2026-11-23 16:00:00+03:00", "2026-11-23 14:55:00"),
        ("2026-11-23 13:00", "2026-11-23 12:55"),
        ("2026-11-23", "2026-11-22"),
        ("1795438800", "1795438500"),
    ):
        assert lookback_start(raw, back, present, UTC, raw) == least


def test_future_cursor_is_bounded_by_the_present() -> None:
    raw = "2030-01-01 00:00:00"
    assert lookback_start(raw, timedelta(minutes=5), TWO, UTC, raw) == "2026-11-23 13:55:00"


def test_end_of_calendar_is_after_any_time() -> None:
    assert is_after(datetime.max.replace(tzinfo=UTC), moment("2026-11-23 14:00:00"), MOSCOW)


def test_nothing_before_1970_is_polled_for() -> None:
    assert (
        lookback_start("0001-01-01 00:00:00", timedelta(days=90), TWO, MOSCOW, "0001-01-01 00:00:00")
        == "1970-01-02 03:00:00"
    )
    assert lookback_start(0, timedelta(days=90), TWO, UTC, 0) == 86400


def test_repeated_hour_is_read_from_its_first_occurrence() -> None:
    cursor = "2026-10-25 02:30:00"
    present = datetime(2026, 10, 25, 1, 40, tzinfo=UTC)
    assert lookback_start(cursor, timedelta(minutes=5), present, BERLIN, cursor) == "2026-10-25 01:25:00"


def test_cursor_is_written_in_the_columns_present_form() -> None:
    reached = datetime(2026, 11, 23, 16, tzinfo=timezone(timedelta(hours=3)))
    assert lookback_start(reached, timedelta(), TWO, MOSCOW, "2026-11-23 17:00:00") == "2026-11-23 16:00:00"
    assert lookback_start("2026-11-23 16:00:00", timedelta(), TWO, MOSCOW, 1795442400123) == 1795438800000
