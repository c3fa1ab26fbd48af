"""The shop's clock and its timestamps: what in them smells of a wrong setting. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from syncd.doctor.database_inspection import NewestRows, Replication
from syncd.doctor.findings import Finding, ok, warning
from syncd.model import Order

CLOCKS_APART = timedelta(seconds=2)
REPLICA_BEHIND = timedelta(seconds=10)
HOUR = timedelta(hours=1)
HALF_HOUR = timedelta(minutes=30)
WIDEST_OFFSET = timedelta(hours=14)
LONGEST_INTERVAL = timedelta(minutes=10)
"""With polls further apart, half hours cannot be told from one another."""
POLLS_COMPARED, FEWEST_POLLS, MOST = 20, 6, 0.8
"""The last few alone, for summer time moves the offset."""
SLACK = timedelta(minutes=2)
"""Clocks of a shop's several machines may be that far apart, and the last order may have changed that long ago."""


def clock_difference(ahead: timedelta) -> Finding:
    """`ahead`: how far the source's clock is ahead of this machine's."""
    apart = f"{abs(ahead).total_seconds():.1f} s {'ahead of' if ahead > timedelta() else 'behind'} this machine's"
    if abs(ahead) <= CLOCKS_APART:
        return ok("source", f"its clock is {apart}")
    return warning("source", f"its clock is {apart}", "Have both set by NTP: lag is measured from one to the other")


def replication_finding(found: Replication | None) -> Finding | None:
    """What a replica costs. None: the database is none, as far as can be told."""
    if found is None or not found.is_replica:
        return None
    if found.behind is None:
        advice = "Have it follow its primary again, or read the primary: until then no change in the shop is seen"
        return warning("source", "it is a replica that does not follow its primary now, or does not say so", advice)
    text = f"it is a replica, {found.behind.total_seconds():.0f} s behind its primary"
    if found.behind <= REPLICA_BEHIND:
        return ok("source", text)
    return warning("source", text, "Every status is told that much later: mend the replication, or read the primary")


def time_precision(newest: NewestRows) -> Finding:
    """How finely `updated_at` counts. Whole seconds are enough, since each poll reads again what lies a little back."""
    fine = "whole seconds" if newest.whole_seconds else "fractions of a second"
    written = "local time without an offset" if newest.wall_clock else "an instant"
    return ok("source", f"updated_at counts in {fine} and says {written}; the newest is {newest.times[0]:%F %T} UTC")


@dataclass(frozen=True, slots=True)
class PolledChange:
    """A change that an incremental poll found: when, and of which time the shop said that it was."""

    order_id: str
    detected_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PollHistory:
    """The last changes, newest first, that polls `interval` apart found."""

    changes: Sequence[PolledChange] = ()
    interval: timedelta = timedelta()


NO_HISTORY = PollHistory()


def lag_in_half_hours(newest: NewestRows, seen: PollHistory) -> tuple[timedelta, int, int] | None:
    """How long after the time that the shop gives changes are found, in whole half hours: with the right zone none, for
    it is less than an interval of polls; and of how many polls that is so, of how many. None: too few say the same.

    The times are as the shop's orders have them now, for the zone may have been set anew since. Of each poll the newest
    change counts: what others waited for is not the zone's matter.
    """
    now_said = {row.order_id: row.updated_at for row in newest.rows if isinstance(row, Order) and row.updated_at}
    last = {one.order_id: one for one in reversed(seen.changes) if one.order_id in now_said}
    shifts = Counter(now_said[one.order_id] - one.updated_at for one in last.values())
    if not shifts or seen.interval > LONGEST_INTERVAL:
        return None
    ((shift, _),) = shifts.most_common(1)
    lags: dict[datetime, timedelta] = {}
    for one in last.values():
        if now_said[one.order_id] - one.updated_at == shift:  # else it was touched again
            lag = one.detected_at - now_said[one.order_id]
            lags[one.detected_at] = min(lag, lags.get(one.detected_at, lag))
    polls = sorted(lags, reverse=True)[:POLLS_COMPARED]
    whole = [lags[poll] + SLACK - (lags[poll] + SLACK) % HALF_HOUR for poll in polls]
    fitting = [half for poll, half in zip(polls, whole, strict=True) if lags[poll] - half <= seen.interval + SLACK]
    if not fitting or len(polls) < FEWEST_POLLS:
        return None
    ((half, count),) = Counter(fitting).most_common(1)
    return (half, count, len(polls)) if count >= MOST * len(polls) else None


def zone_findings(newest: NewestRows, now: datetime, zone: tzinfo, seen: PollHistory = NO_HISTORY) -> Iterator[Finding]:
    """Whether the newest times would make sense in another time zone than `zone`; `now` by the source's clock. What
    polls observed tells more than how old the newest order is."""
    lag = lag_in_half_hours(newest, seen) if newest.wall_clock else None
    if lag and timedelta() < lag[0] <= WIDEST_OFFSET:
        yield _off_by(lag, now, zone)
        return
    leads = [at - now for at in newest.times if at - now > SLACK]
    near = [lead for lead in leads if lead <= WIDEST_OFFSET]
    if near and newest.wall_clock:
        yield _wrong_zone(f"orders are dated up to {_hours(near[0])} in the future", near[0], now, zone)
    elif leads:
        text = f"{len(leads)} of the newest {len(newest.times)} orders are dated in the future, {leads[0]} at most"
        yield warning("source", text, "They are told, but see that updated_at is the time of the last change")
    elif newest.wall_clock and not lag and _is_whole_hours(now - newest.times[0]):
        behind = now - newest.times[0]
        yield _wrong_zone(f"the newest order is {_hours(behind)} old almost to the minute", -behind, now, zone)


def _off_by(lag: tuple[timedelta, int, int], now: datetime, zone: tzinfo) -> Finding:
    half, count, polls = lag
    configured = zone.utcoffset(now) or timedelta()
    text = (
        f"of the last {polls} polls that found changes, {count} found them {_hours(half)} after the time that the shop "
        f"gives: SYNCD_SOURCE__TIMEZONE ({_offset(configured)} now) is probably off by that much"
    )
    return warning("source", text, f"The shop's local time is rather {_offset(configured - half)}: set it there")


def _wrong_zone(text: str, lead: timedelta, now: datetime, zone: tzinfo) -> Finding:
    """The likely offset is the one with which the newest order has changed just now."""
    configured = zone.utcoffset(now) or timedelta()
    likely = configured + -(-(lead - SLACK) // HOUR) * HOUR
    advice = f"If orders have changed within the last minutes, its local time is {_offset(likely)}: set it there"
    return warning("source", f"{text}: SYNCD_SOURCE__TIMEZONE ({_offset(configured)} now) may be wrong", advice)


def _is_whole_hours(age: timedelta) -> bool:
    return HOUR <= age <= WIDEST_OFFSET and age % HOUR <= SLACK


def _hours(span: timedelta) -> str:
    return f"{span / HOUR:.1f} h"


def _offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
