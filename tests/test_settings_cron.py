"""A cron line means what cron means by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.runtime.schedule import OnCron
from syncd.settings import cron

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
SUNDAY = datetime(2025, 1, 5, tzinfo=UTC)


def days_of(line: str, start: datetime = SUNDAY, days: int = 7) -> list[int]:
    """Which days from that one on the line comes, counted from 0."""
    together = cron.triggers(cron.cron_line(line) or "", UTC)
    ends = [start + timedelta(days=day) for day in range(days)]
    return [
        day
        for day, midnight in enumerate(ends)
        if (comes := cron.next_time(together, midnight)) and comes < midnight + timedelta(days=1)
    ]


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("*", [0, 1, 2, 3, 4, 5, 6]),
        ("0-6", [0, 1, 2, 3, 4, 5, 6]),
        ("0-7", [0, 1, 2, 3, 4, 5, 6]),
        ("1-7", [0, 1, 2, 3, 4, 5, 6]),
        ("0", [0]),
        ("7", [0]),
        ("0-4", [0, 1, 2, 3, 4]),
        ("SUN-THU", [0, 1, 2, 3, 4]),
        ("Sun-thu", [0, 1, 2, 3, 4]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("mon-5", [1, 2, 3, 4, 5]),
        ("5-7", [0, 5, 6]),
        ("1,7", [0, 1]),
        ("6,0", [0, 6]),
        ("6-0", [0, 6]),
        ("SAT-SUN", [0, 6]),
        ("fri-mon", [0, 1, 5, 6]),
        ("*/2", [0, 2, 4, 6]),
        ("1-5/2", [1, 3, 5]),
        ("0-6/3,tue", [0, 2, 3, 6]),
        ("2/2", [2, 4, 6]),
    ],
)
def test_a_line_means_the_weekdays_that_cron_means(weekday: str, days: list[int]) -> None:
    assert days_of(f"0 4 * * {weekday}") == days


@given(st.integers(0, 6), st.integers(0, 7), st.booleans())
def test_range_of_days_goes_from_first_to_last(first: int, last: int, names: bool) -> None:
    """Days may be names or numbers, and a range may go over the end of the week."""
    written = f"{DAYS[first]}-{DAYS[last % 7]}" if names else f"{first}-{last}"
    length = (last - first) % 7 + 1 if names or last < 7 else 8 - first
    assert days_of(f"0 4 * * {written}") == sorted({(first + day) % 7 for day in range(length)})


def test_days_and_weekdays_combine_as_in_cron() -> None:
    assert days_of("0 4 7,8 * 0", days=8) == [0, 2, 3, 7]
    assert days_of("0 4 */2 * 0", days=8) == [0]
    assert days_of("0 4 7 1 *", days=8) == [2]


def test_the_daemon_runs_on_the_days_of_either() -> None:
    noon = datetime(2025, 1, 7, 12).astimezone()
    times = [noon]
    for _ in range(3):
        comes = OnCron("0 4 8 * SUN").get_next_fire_time(times[-1], times[-1])
        assert comes
        times.append(comes)
    assert [(time.day, time.hour) for time in times[1:]] == [(8, 4), (12, 4), (19, 4)]


def test_an_empty_line_means_never() -> None:
    assert cron.cron_line(" ") is None


def test_blanks_are_no_part_of_it() -> None:
    assert cron.cron_line("  0 4\t* *  1 ") == "0 4 * * 1"


@pytest.mark.parametrize(
    "text",
    [
        *("daily", "@daily", "0 4 * *", "0 25 * * *", "0 4 * * 8", "0 4 * * 10", "0 0 4 * * *", "0 4 * * 1-8"),
        *("0 4 * * mon-", "0 4 * * ,1", "0 4 * * 1/0", "0 4 * * monday", "0 4 * * ?", "0 4 0 * *", "0 4 * 13 *"),
    ],
)
def test_what_is_not_a_cron_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a cron line; write e\.g\. '0 4 \* \* \*' \("):
        cron.cron_line(text)


@pytest.mark.parametrize("text", ["0 4 31 2 *", "0 4 30 2 *", "0 4 31 4,6,9,11 *", "0 4 30,31 2 */2"])
def test_a_line_that_never_comes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="never comes"):
        cron.cron_line(text)


@pytest.mark.parametrize("text", ["0 4 29 2 *", "0 4 29 2 */6", "0 4 31 2 MON", "0 4 31 2,3 *"])
def test_a_line_that_comes_seldom_is_not(text: str) -> None:
    assert cron.cron_line(text) == text
