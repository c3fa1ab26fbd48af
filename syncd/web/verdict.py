"""Whether statuses reach buyers, in one word, and what is in the way. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from syncd.state import Summary

Level: TypeAlias = Literal["good", "look", "bad"]
"""All is well; somebody should have a look; buyers are not told."""

SOURCE_MAY_FAIL = timedelta(minutes=10)
MAY_WAIT = timedelta(minutes=15)
"""The limits of the alerts in docs/operations.md."""


@dataclass(frozen=True, slots=True)
class Reason:
    """`what` and `do` are phrases of words.py, and `values` fill them; `detail` is somebody else's text."""

    level: Level
    what: str
    do: str | None = None
    detail: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    reasons: Sequence[Reason]

    @property
    def level(self) -> Level:
        found = {reason.level for reason in self.reasons}
        return "bad" if "bad" in found else "look" if "look" in found else "good"

    @property
    def headline(self) -> str:
        return {
            "good": "Statuses reach buyers",
            "look": "Statuses flow, but have a look",
            "bad": "Statuses do not reach buyers",
        }[self.level]


def judge(summary: Summary, *, leads: bool, faults: Sequence[str], now: datetime) -> Verdict:
    """`faults`: what is wrong with this daemon itself, in its own words."""
    reasons = [
        *_of_daemon(leads=leads, faults=faults),
        *_of_source(summary, now),
        *_of_delivery(summary, now),
        *_of_changes(summary),
    ]
    return Verdict(sorted(reasons, key=lambda reason: reason.level != "bad"))


def unreadable(error: str) -> Verdict:
    """The state, and with it everything else, cannot be read."""
    return Verdict([Reason("bad", "The state cannot be read", "Mend that first: nothing is pushed without it", error)])


def _of_daemon(*, leads: bool, faults: Sequence[str]) -> Iterator[Reason]:
    for fault in faults:
        yield Reason("bad", "This daemon is in trouble", "Look at its log", fault)
    if not leads:
        yield Reason("look", "Another daemon polls and pushes; this one stands by", "Nothing: it takes over by itself")


def _of_source(summary: Summary, now: datetime) -> Iterator[Reason]:
    source = summary.source
    last_good = source.last_success_at
    was_read = last_good is not None and last_good == source.last_poll_at
    if source.consecutive_failures and not was_read:
        level: Level = "look" if last_good and now - last_good < SOURCE_MAY_FAIL else "bad"
        do = "Run syncd check. The next poll tries again"
        yield Reason(level, "The shop cannot be read", do, source.last_error, since=last_good)
    elif last_good is None:
        yield Reason("look", "No poll has ended yet", "Wait a moment: the first one reads every order")
    elif now - last_good >= SOURCE_MAY_FAIL:
        yield Reason("look", "The last poll was long ago", "See that the daemon runs", since=last_good)
    if missing := summary.missing_refused:
        do = "If they are really gone, run: syncd release"
        yield Reason("look", "Orders missing in the shop, none forgotten: {count}", do, values={"count": missing})
    elif source.consecutive_failures and was_read:
        do = "Nothing: the next full compare tries again"
        yield Reason("look", "Whether orders are gone cannot be told", do, source.last_error)


def _of_delivery(summary: Summary, now: datetime) -> Iterator[Reason]:
    if pause := summary.pause:
        what = PAUSES.get(pause.reason, "Delivery is paused")
        do = "Nothing waiting is lost: it goes out as soon as IMSHOP answers well again"
        yield Reason("bad", what, do, pause.detail, since=pause.since)
    oldest = summary.oldest_pending_at
    if oldest and now - oldest >= MAY_WAIT and not summary.pause:
        yield Reason("look", "A change has waited for long", "See below what IMSHOP answers", since=oldest)


def _of_changes(summary: Summary) -> Iterator[Reason]:
    if held := summary.changes["held"]:
        do = "Look: syncd changes --state held. Then syncd release, or syncd discard --held"
        yield Reason("look", "Held changes wait for your decision: {count}", do, values={"count": held})
    if dead := summary.changes["dead"]:
        do = "Look: syncd changes --state dead. Then syncd retry --all-dead, or syncd discard --all-dead"
        yield Reason("look", "Dead changes that IMSHOP was never told: {count}", do, values={"count": dead})
    if failed := summary.cancellations_failed:
        do = "Look: syncd cancellations. Mend what the error says, then: syncd cancellations retry ID"
        yield Reason("look", "Cancellations that nobody decided: {count}", do, values={"count": failed})


PAUSES = {
    "unauthorized": "Delivery is paused: IMSHOP does not accept the key",
    "unreachable": "Delivery is paused: IMSHOP cannot be reached",
    "tls": "Delivery is paused: no secure connection to IMSHOP",
    "redirect": "Delivery is paused: IMSHOP's address has moved",
    "no_answer": "Delivery is paused: IMSHOP does not answer",
}
