"""The source's clock, its replication delay and its timestamps: what in them suggests a wrong setting. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from syncd.doctor.database_inspection import Replication
from syncd.doctor.findings import Finding, ok, warning
from syncd.doctor.order_checks import NewestRows
from syncd.model import Order

CLOCK_TOLERANCE = timedelta(seconds=2)
REPLICA_TOLERANCE = timedelta(seconds=10)
HOUR = timedelta(hours=1)
HALF_HOUR = timedelta(minutes=30)
WIDEST_OFFSET = timedelta(hours=14)
LONGEST_INTERVAL = timedelta(minutes=10)
"""With polls further apart, half hours cannot be told from one another."""
POLLS_COMPARED, FEWEST_POLLS, MOST = 20, 6, 0.8
"""Only the last few polls, since summer time moves the offset."""
_ZONE = (
    "SYNCD_SOURCE__TIMEZONE to it (better a name, e.g. Europe/Moscow: an offset ignores summer time), "
    "then restart syncd"
)
SLACK = timedelta(minutes=2)
"""The clocks of a shop's machines may be that far apart, and the last order may have changed that long ago."""


@dataclass(frozen=True, slots=True)
class PolledChange:
    """A change that an incremental poll found: when it found it, and the `updated_at` that the order had (both UTC)."""

    order_id: str
    detected_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PollHistory:
    """The last changes that incremental polls found, newest first. `interval`: the time between polls."""

    changes: Sequence[PolledChange] = ()
    interval: timedelta = timedelta()


NO_HISTORY = PollHistory()


def clock_difference(ahead: timedelta) -> Finding:
    """`ahead`: how far the source's clock is ahead of this machine's; negative if it is behind."""
    side = "ahead of" if ahead > timedelta() else "behind"
    text = f"the source's clock is {abs(ahead).total_seconds():.1f} s {side} this machine's"
    if abs(ahead) <= CLOCK_TOLERANCE:
        return ok("source", text)
    return warning("source", text, "Synchronise both by NTP: lag is measured from one clock to the other")


def replication_finding(found: Replication | None) -> Finding | None:
    """What reading a replica costs. None: the database is not a replica, as far as can be told."""
    if found is None or not found.is_replica:
        return None
    if found.behind is None:
        text = "the database is a replica that is not replicating now, or does not report how far behind it is"
        advice = "Start its replication again, or read the primary: until then no change in the shop is seen"
        return warning("source", text, advice)
    text = f"the database is a replica, {found.behind.total_seconds():.0f} s behind its primary"
    if found.behind <= REPLICA_TOLERANCE:
        return ok("source", text)
    return warning(
        "source", text, "Every status is pushed that much later: repair the replication, or read the primary"
    )


def time_precision(newest: NewestRows) -> Finding:
    """How precise `updated_at` is. Whole seconds are enough, since each poll reads again what lies a little back."""
    precision = "whole seconds" if newest.whole_seconds else "fractions of a second"
    kind = "local time without an offset" if newest.wall_clock else "absolute time"
    return ok("source", f"updated_at has {precision} and is {kind}; the newest is {newest.times[0]:%F %T} UTC")


@dataclass(frozen=True, slots=True)
class ConstantLag:
    """`fitting` of the last `polls` polls found changes about `lag`, whole half hours, after their `updated_at`."""

    lag: timedelta
    fitting: int
    polls: int


def constant_lag(newest: NewestRows, history: PollHistory) -> ConstantLag | None:
    """How long after the time that the shop gives changes are found, in whole half hours. With the right time zone it
    is zero, for the real delay is less than the interval of polls. None: too few polls agree.

    The times are as the shop's orders have them now, since the zone may have been corrected meanwhile. Of each poll
    only its newest change counts: an older one may have waited for another reason.
    """
    times_now = {row.order_id: row.updated_at for row in newest.rows if isinstance(row, Order) and row.updated_at}
    last_changes = {one.order_id: one for one in reversed(history.changes) if one.order_id in times_now}
    shifts = Counter(times_now[one.order_id] - one.updated_at for one in last_changes.values())
    if not shifts or history.interval > LONGEST_INTERVAL:
        return None
    ((shift, _),) = shifts.most_common(1)
    lags: dict[datetime, timedelta] = {}
    for one in last_changes.values():
        if times_now[one.order_id] - one.updated_at == shift:  # else the order has changed again since
            lag = one.detected_at - times_now[one.order_id]
            lags[one.detected_at] = min(lag, lags.get(one.detected_at, lag))
    polls = sorted(lags, reverse=True)[:POLLS_COMPARED]
    half_hours = [lags[poll] + SLACK - (lags[poll] + SLACK) % HALF_HOUR for poll in polls]
    near = [half for poll, half in zip(polls, half_hours, strict=True) if lags[poll] - half <= history.interval + SLACK]
    if not near or len(polls) < FEWEST_POLLS:
        return None
    ((commonest, count),) = Counter(near).most_common(1)
    return ConstantLag(commonest, count, len(polls)) if count >= MOST * len(polls) else None


def zone_findings(
    newest: NewestRows, now: datetime, zone: tzinfo, history: PollHistory = NO_HISTORY
) -> Iterator[Finding]:
    """Whether the newest times make more sense in another time zone than `zone`. `now`: by the source's clock. A
    constant lag of past polls is stronger evidence than the age of the newest order."""
    lag = constant_lag(newest, history) if newest.wall_clock else None
    configured = zone.utcoffset(now) or timedelta()
    if lag and timedelta() < lag.lag <= WIDEST_OFFSET:
        text = (
            f"of the last {lag.polls} polls that found changes, {lag.fitting} found them {_hours(lag.lag)} after the "
            f"time that the shop gives: SYNCD_SOURCE__TIMEZONE ({_offset(configured)} now) is probably off by that much"
        )
        likely = _offset(configured - lag.lag)
        yield warning("source", text, f"The shop's local time is probably {likely}: set {_ZONE}")
        return
    leads = [at - now for at in newest.times if at - now > SLACK]
    near = [lead for lead in leads if lead <= WIDEST_OFFSET]
    if near and newest.wall_clock:
        yield _wrong_zone(f"orders are dated up to {_hours(near[0])} in the future", near[0], configured)
    elif leads:
        text = f"{len(leads)} of the newest {len(newest.times)} orders are dated in the future, by up to {leads[0]}"
        yield warning("source", text, "They are pushed, but check that updated_at is the time of the last change")
    elif newest.wall_clock and not lag:
        age = now - newest.times[0]
        if HOUR <= age <= WIDEST_OFFSET and age % HOUR <= SLACK:
            yield _wrong_zone(f"the newest order is {_hours(age)} old almost to the minute", -age, configured)


def _wrong_zone(text: str, lead: timedelta, configured: timedelta) -> Finding:
    """The likely offset is the one with which the newest order has changed just now."""
    likely = _offset(configured + -(-(lead - SLACK) // HOUR) * HOUR)
    advice = f"If orders have changed within the last minutes, the shop's local time is {likely}: set {_ZONE}"
    return warning("source", f"{text}: SYNCD_SOURCE__TIMEZONE ({_offset(configured)} now) may be wrong", advice)


def _hours(span: timedelta) -> str:
    return f"{span / HOUR:.1f} h"


def _offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
