"""What the last pushes, changes and polls show: unusual refusals or quiet, other answers than expected, another time
zone, slow polls. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import comb

from syncd.pipeline.statuses_file import Statuses
from syncd.state import PollView, PushView, Recent, Summary

MOST = 0.8
NEWEST = 5
LOOKED_AT = (5, 10, 20, 40, 80)
BY_CHANCE = 0.001
"""IMSHOP refuses most: of the NEWEST pushes, and of so many of the newest as chance would not refuse in this shop,
where orders that were not placed in the app are refused every day."""
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


def unusual_refusals(summary: Summary, recent: Recent, now: datetime) -> Sequence[PushView]:
    """The last pushes, newest first, if IMSHOP refused most of them and more than is usual here; else none."""
    answered = [push for push in recent.pushes if push.refused or push.delivered]
    if len(answered) < NEWEST or refusals(answered[:NEWEST]) < MOST * NEWEST:
        return ()
    usual = _usual_refusals(summary, answered)
    run = next((number for number, push in enumerate(answered) if not push.refused), len(answered))
    for looked in reversed(LOOKED_AT):
        newest = answered[:looked]
        refused = refusals(newest)
        if refused >= MOST * len(newest) and _chance(refused, len(newest), usual) < BY_CHANCE:
            return answered[: max(run, len(newest))] if refused == len(newest) else newest
    return answered[:run] if unusual_quiet(summary, now) else ()


def unusual_quiet(summary: Summary, now: datetime) -> timedelta | None:
    """For how long nothing was delivered, if that is twice as long as this shop ever changed nothing."""
    first, last = summary.delivers_since, summary.last_delivered_at
    if first is None or last is None or last - first < QUIET_KNOWN:
        return None
    quiet = now - last
    return quiet if quiet > max(2 * summary.longest_quiet, QUIET_AT_LEAST) else None


def refusals(pushes: Sequence[PushView]) -> int:
    return sum(push.refused for push in pushes)


def _usual_refusals(summary: Summary, answered: Sequence[PushView]) -> float:
    """The part of the earlier changes that IMSHOP refused. Of a new shop nothing is known but that it is not most."""
    refused = summary.changes["refused"] - sum(push.result == "refused" for push in answered)
    delivered = summary.changes["delivered"] - sum(push.delivered for push in answered)
    return (max(0, refused) + 0.5) / (max(0, refused) + max(0, delivered) + 2)


def _chance(refused: int, pushes: int, usual: float) -> float:
    """How likely at least so many refusals are if each push is refused with the usual probability."""
    likely = (comb(pushes, some) * usual**some * (1 - usual) ** (pushes - some) for some in range(refused, pushes + 1))
    return sum(likely)


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
