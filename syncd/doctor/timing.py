"""The shop's clock and its timestamps: what in them smells of a wrong setting. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo

from syncd.doctor.finding import Finding, ok, warning
from syncd.sources.inspection import Newest
from syncd.sources.replication import Replication

CLOCKS_APART = timedelta(seconds=2)
REPLICA_BEHIND = timedelta(seconds=10)
HOUR = timedelta(hours=1)
WIDEST_OFFSET = timedelta(hours=14)
SLACK = timedelta(minutes=2)
"""Clocks of a shop's several machines may be that far apart, and the last order may have changed that long ago."""


def off(ahead: timedelta) -> Finding:
    """`ahead`: how far the source's clock is ahead of this machine's."""
    apart = f"{abs(ahead).total_seconds():.1f} s {'ahead of' if ahead > timedelta() else 'behind'} this machine's"
    if abs(ahead) <= CLOCKS_APART:
        return ok("source", f"its clock is {apart}")
    return warning("source", f"its clock is {apart}", "Have both set by NTP: lag is measured from one to the other")


def behind(found: Replication | None) -> Finding | None:
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


def precision(newest: Newest) -> Finding:
    """How finely `updated_at` counts. Whole seconds are enough, since each poll reads again what lies a little back."""
    fine = "whole seconds" if newest.whole_seconds else "fractions of a second"
    written = "local time without an offset" if newest.wall_clock else "an instant"
    return ok("source", f"updated_at counts in {fine} and says {written}; the newest is {newest.times[0]:%F %T} UTC")


def zone_smells(newest: Newest, now: datetime, zone: tzinfo) -> Iterator[Finding]:
    """Whether the newest times would make sense in another time zone than `zone`; `now` by the source's clock."""
    leads = [at - now for at in newest.times if at - now > SLACK]
    near = [lead for lead in leads if lead <= WIDEST_OFFSET]
    if near and newest.wall_clock:
        yield _wrong_zone(f"orders are dated up to {_hours(near[0])} in the future", near[0], now, zone)
    elif leads:
        text = f"{len(leads)} of the newest {len(newest.times)} orders are dated in the future, {leads[0]} at most"
        yield warning("source", text, "They are told, but see that updated_at is the time of the last change")
    elif newest.wall_clock and _is_whole_hours(now - newest.times[0]):
        behind = now - newest.times[0]
        yield _wrong_zone(f"the newest order is {_hours(behind)} old almost to the minute", -behind, now, zone)


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
