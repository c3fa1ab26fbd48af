"""What timestamps smell of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from syncd.doctor.finding import Finding
from syncd.doctor.timing import behind, off, precision, zone_smells
from syncd.sources.inspection import Newest
from syncd.sources.replication import Replication
from tests.made import NOON


def newest(*ages_in_minutes: float, wall_clock: bool = True) -> Newest:
    times = [NOON - timedelta(minutes=age) for age in ages_in_minutes]
    return Newest(rows=(), times=times, wall_clock=wall_clock, whole_seconds=True)


def smells(*ages_in_minutes: float, hours_east: float = 0, wall_clock: bool = True) -> str:
    found = zone_smells(newest(*ages_in_minutes, wall_clock=wall_clock), NOON, timezone(timedelta(hours=hours_east)))
    return "\n".join(f"{finding.text} {finding.advice}" for finding in found)


@pytest.mark.parametrize("age", [0.5, 30, 95, 100_000, -1.5])
def test_an_order_that_changed_lately_or_long_ago_smells_of_nothing(age: float) -> None:
    assert smells(age) == ""


@pytest.mark.parametrize(
    ("age", "hours_east", "likely"),
    [
        (-180, 0, "+03:00"),
        (-178, 0, "+03:00"),
        (-125, 0, "+03:00"),
        (-181.5, 0, "+03:00"),
        (-119, 3, "+05:00"),
        (181, 3, "+00:00"),
        (301, 3, "-02:00"),
        (-59, -5.5, "-04:30"),
    ],
)
def test_the_likely_offset_is_that_with_which_the_newest_order_changed_just_now(
    age: float, hours_east: float, likely: str
) -> None:
    assert f"its local time is {likely}" in smells(age, 5000, hours_east=hours_east)


def test_an_order_dated_far_ahead_does_not_hide_the_smell_of_the_others() -> None:
    assert "its local time is +03:00" in smells(-1_000_000, -170, -60)


def test_an_order_dated_far_ahead_is_told_by_itself() -> None:
    assert "1 of the newest 2 orders are dated in the future, 40 days, 0:00:00 at most" in smells(-40 * 1440, 5)


def test_an_instant_ahead_is_no_matter_of_the_time_zone() -> None:
    assert "TIMEZONE" not in smells(-180, wall_clock=False)
    assert smells(180, wall_clock=False) == ""


def level(finding: Finding) -> str:
    return f"{finding.level}: {finding.text}"


def test_a_clock_more_than_two_seconds_off_is_a_warning() -> None:
    assert level(off(timedelta(seconds=-1.9))) == "ok: its clock is 1.9 s behind this machine's"
    assert level(off(timedelta(seconds=2.1))) == "warning: its clock is 2.1 s ahead of this machine's"


def test_precision_is_told() -> None:
    fine = Newest((), [datetime(2026, 1, 2, 3, 4, 5, 6, UTC)], wall_clock=False, whole_seconds=False)
    assert "fractions of a second and says an instant; the newest is 2026-01-02 03:04:05 UTC" in precision(fine).text
    assert "whole seconds and says local time without an offset" in precision(newest(0)).text


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, None),
        (Replication(is_replica=False), None),
        (Replication(is_replica=True, behind=timedelta(seconds=10)), "ok: it is a replica, 10 s behind its primary"),
        (
            Replication(is_replica=True, behind=timedelta(seconds=11)),
            "warning: it is a replica, 11 s behind its primary",
        ),
        (
            Replication(is_replica=True),
            "warning: it is a replica that does not follow its primary now, or does not say so",
        ),
    ],
)
def test_a_replica_that_lags_is_a_warning(found: Replication | None, said: str | None) -> None:
    finding = behind(found)
    assert (finding and level(finding)) == said
