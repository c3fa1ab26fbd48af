"""What the last pushes, changes and polls show: unusual refusals or quiet, other answers than expected, another time
zone, slow polls. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from syncd.pipeline.statuses_file import Statuses
from syncd.state import PollView, PushView, Recent, Summary

MOST = 0.8
NEWEST = 5
ORDERS_AT_LEAST = 3
QUIET_KNOWN = timedelta(days=14)
"""Deliveries must be known for so long before it is known how quiet a shop is at night and at weekends."""
QUIET_AT_LEAST = timedelta(hours=1)
HALF_HOUR = timedelta(minutes=30)
LONGEST_OFFSET = timedelta(hours=14)
SLACK = timedelta(minutes=2)
"""Clocks may differ by that much, and a poll may be late by it, before a difference looks like another time zone."""
FINDS_COMPARED = 5
CLOCKS_DIFFER = timedelta(seconds=5)
"""Changes that are found that much before the shop's time: its clock is ahead."""
SLOW_POLLS = 3
FEW_SECONDS = 1.0
"""A poll that is shorter is not slow, however short its interval."""


def unusual_refusals(summary: Summary, recent: Recent) -> Sequence[PushView]:
    """The last pushes, newest first, if IMSHOP refuses most of them, of several orders, and more than is usual here;
    or if it refused all that this shop ever had to tell. Else none."""
    answered = [push for push in recent.pushes if push.refused or push.delivered]
    if not summary.last_delivered_at and refusals(answered):
        return answered
    if not summary.refusals.is_unusual or refusals(answered[:NEWEST]) < MOST * NEWEST:
        return ()
    since = summary.refusals.since
    lately = [push for push in answered if since is None or push.ended_at >= since]
    return lately if len({push.order_id for push in lately if push.refused}) >= ORDERS_AT_LEAST else ()


def unusual_quiet(summary: Summary, now: datetime) -> timedelta | None:
    """For how long nothing was delivered, if that is twice as long as this shop ever changed nothing."""
    first, last = summary.delivers_since, summary.last_delivered_at
    if first is None or last is None or last - first < QUIET_KNOWN:
        return None
    quiet = now - last
    return quiet if quiet > max(2 * summary.longest_quiet, QUIET_AT_LEAST) else None


def refusals(pushes: Sequence[PushView]) -> int:
    return sum(push.refused for push in pushes)


def mismatches(pushes: Sequence[PushView], statuses: Statuses) -> Mapping[str, tuple[PushView, str]]:
    """By code: the newest delivered push of it and what differs in IMSHOP's answer, where something does."""
    newest: dict[str, PushView] = {}
    for push in pushes:
        if push.delivered:
            newest.setdefault(push.status, push)
    found = {code: statuses.mismatch(code, push.new_status, push.imshop_status) for code, push in newest.items()}
    return {code: (newest[code], wrong) for code, wrong in found.items() if wrong}


def common_lag(lags: Sequence[timedelta], interval: timedelta) -> timedelta | None:
    """How much later, or earlier (negative), than at the shop's time changes are found: the whole half hours, or the
    difference of the clocks, that the newest FINDS_COMPARED of `lags` have in common. None: nothing unusual."""
    newest = lags[:FINDS_COMPARED]
    if len(newest) < FINDS_COMPARED or interval + 2 * SLACK >= HALF_HOUR:
        return None
    if max(newest) < -CLOCKS_DIFFER:
        return max(newest)
    half_hours = {(lag + SLACK) // HALF_HOUR * HALF_HOUR for lag in newest}
    common = half_hours.pop()
    near = not half_hours and all(lag - common <= interval + SLACK for lag in newest)
    return common if near and timedelta() < common <= LONGEST_OFFSET else None


def slow_polls(polls: Sequence[PollView], interval: timedelta) -> float | None:
    """The seconds that each of the last SLOW_POLLS polls took at least, if that is longer than `interval`. A full
    compare among other polls may take long."""
    good = [poll for poll in polls if poll.error is None]
    took = [poll.seconds for poll in good if poll.kind == "incremental" or good[0].kind == "full"][:SLOW_POLLS]
    known = [seconds for seconds in took if seconds is not None]
    if len(known) < SLOW_POLLS or min(known) <= max(interval.total_seconds(), FEW_SECONDS):
        return None
    return min(known)


def usual_interval(polls: Sequence[PollView], interval: timedelta) -> timedelta:
    """From one poll to the next where no daemon keeps the interval of the settings: as cron runs them."""
    gaps = sorted(newer.at - older.at for newer, older in pairwise(polls))
    return max(interval, gaps[len(gaps) // 2]) if gaps else interval
