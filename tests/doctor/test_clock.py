"""Which wrong time zone the timestamps suggest; clocks and replicas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from syncd.doctor.clock_checks import (
    PolledChange,
    PollHistory,
    clock_difference,
    replication_finding,
    time_precision,
    zone_findings,
)
from syncd.doctor.database_inspection import Replication
from syncd.doctor.findings import Finding
from syncd.doctor.order_checks import NewestRows
from syncd.model import Order
from tests.made import NOON


def newest(*ages_in_minutes: float, wall_clock: bool = True) -> NewestRows:
    times = [NOON - timedelta(minutes=age) for age in ages_in_minutes]
    return NewestRows(rows=(), times=times, wall_clock=wall_clock, whole_seconds=True)


def suggestions(*ages_in_minutes: float, hours_east: float = 0, wall_clock: bool = True) -> str:
    found = zone_findings(newest(*ages_in_minutes, wall_clock=wall_clock), NOON, timezone(timedelta(hours=hours_east)))
    return "\n".join(f"{finding.text} {finding.advice}" for finding in found)


@pytest.mark.parametrize("age", [0.5, 30, 95, 100_000, -1.5])
def test_plausible_age_suggests_no_wrong_zone(age: float) -> None:
    """The newest order changed a short or a long time ago."""
    assert suggestions(age) == ""


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
def test_suggested_offset_dates_newest_order_just_now(age: float, hours_east: float, likely: str) -> None:
    assert f"the shop's local time is {likely}:" in suggestions(age, 5000, hours_east=hours_east)


def test_order_dated_far_ahead_hides_no_others() -> None:
    """The others still suggest a wrong time zone."""
    assert "the shop's local time is +03:00" in suggestions(-1_000_000, -170, -60)


def test_order_dated_far_ahead_is_reported_apart() -> None:
    assert "1 of the newest 2 orders are dated in the future, by up to 40 days, 0:00:00" in suggestions(-40 * 1440, 5)


def test_future_instant_does_not_suggest_wrong_zone() -> None:
    """An instant has its offset, so the setting of the time zone does not matter."""
    assert "TIMEZONE" not in suggestions(-180, wall_clock=False)
    assert suggestions(180, wall_clock=False) == ""


def observed(
    lag_in_minutes: float,
    polls: int = 8,
    *,
    read_ahead: float = 0,
    interval: float = 0.5,
    others: tuple[float, ...] = (),
    hours_east: float = 3,
) -> str:
    """What is said where `polls` polls found a change so many minutes after its time, and `others` after theirs. With
    the zone that is set now the times are `read_ahead` minutes later."""
    lags = [*[lag_in_minutes + number * 0.05 for number in range(polls)], *others]
    found = [NOON - timedelta(minutes=45 * number) for number in range(len(lags))]
    times = [at - timedelta(minutes=lag) for at, lag in zip(found, lags, strict=True)]
    changes = [PolledChange(str(number), *pair) for number, pair in enumerate(zip(found, times, strict=True))]
    rows = [Order(one.order_id, {"status": "new"}, one.updated_at + timedelta(minutes=read_ahead)) for one in changes]
    shown = NewestRows(rows, sorted((row.updated_at for row in rows if row.updated_at), reverse=True), True, True)
    seen = PollHistory(changes, timedelta(minutes=interval))
    findings = zone_findings(shown, NOON, timezone(timedelta(hours=hours_east)), seen)
    return "\n".join(f"{finding.text} {finding.advice}" for finding in findings)


@pytest.mark.parametrize(
    ("lag", "hours", "likely"),
    [(180.2, "3.0 h", "+00:00"), (179, "3.0 h", "+00:00"), (90.3, "1.5 h", "+01:30"), (60, "1.0 h", "+02:00")],
)
def test_constant_lag_of_changes_suggests_wrong_zone(lag: float, hours: str, likely: str) -> None:
    found = observed(lag, others=(1400.0, 2.0))
    assert f"of the last 10 polls that found changes, 8 found them {hours} after the time that the shop gives" in found
    assert "SYNCD_SOURCE__TIMEZONE (+03:00 now) is probably off by that much" in found
    assert f"The shop's local time is probably {likely}" in found


@pytest.mark.parametrize(
    ("lag", "more"),
    [
        (0.2, {}),
        (180.2, {"polls": 5}),
        (180.2, {"others": (1.0, 700.0, 13.0)}),
        (190, {}),
        (180.2, {"interval": 20}),
        (180.2, {"read_ahead": 180}),
        (900, {}),
    ],
    ids=["no lag", "too few", "not all", "no whole half hour", "rare polls", "set right since", "too far"],
)
def test_other_lags_do_not_suggest_wrong_zone(lag: float, more: dict[str, Any]) -> None:
    assert "probably off" not in observed(lag, **more)


def test_prompt_changes_clear_an_old_newest_order() -> None:
    assert "almost to the minute" in suggestions(181)
    seen = PollHistory(
        [PolledChange(str(n), NOON - timedelta(hours=n), NOON - timedelta(hours=n)) for n in range(3, 12)]
    )
    rows = [Order(one.order_id, {"status": "new"}, one.updated_at) for one in seen.changes]
    shown = NewestRows(rows, [NOON - timedelta(hours=3)], wall_clock=True, whole_seconds=True)
    assert not [*zone_findings(shown, NOON, UTC, seen)]


def level(finding: Finding) -> str:
    return f"{finding.level}: {finding.text}"


def test_clock_over_two_seconds_off_is_a_warning() -> None:
    assert level(clock_difference(timedelta(seconds=-1.9))) == "ok: the source's clock is 1.9 s behind this machine's"
    assert (
        level(clock_difference(timedelta(seconds=2.1)))
        == "warning: the source's clock is 2.1 s ahead of this machine's"
    )


def test_precision_is_told() -> None:
    fine = NewestRows((), [datetime(2026, 1, 2, 3, 4, 5, 6, UTC)], wall_clock=False, whole_seconds=False)
    assert (
        "fractions of a second and is absolute time; the newest is 2026-01-02 03:04:05 UTC" in time_precision(fine).text
    )
    assert "whole seconds and is local time without an offset" in time_precision(newest(0)).text


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, None),
        (Replication(is_replica=False), None),
        (
            Replication(is_replica=True, behind=timedelta(seconds=10)),
            "ok: the database is a replica, 10 s behind its primary",
        ),
        (
            Replication(is_replica=True, behind=timedelta(seconds=11)),
            "warning: the database is a replica, 11 s behind its primary",
        ),
        (
            Replication(is_replica=True),
            "warning: the database is a replica that is not replicating now, or does not report how far behind it is",
        ),
    ],
)
def test_a_replica_that_lags_is_a_warning(found: Replication | None, said: str | None) -> None:
    finding = replication_finding(found)
    assert (finding and level(finding)) == said
