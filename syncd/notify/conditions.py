"""Which troubles there are, by what is known of the state. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args

from syncd.state import Summary

TroubleKind: TypeAlias = Literal[
    "state", "source", "paused", "waiting", "held", "dead", "skipped", "cancellations", "certificate"
]
TROUBLE_KINDS: tuple[TroubleKind, ...] = get_args(TroubleKind)

PAUSES = {
    "unauthorized": "Delivery is paused: IMSHOP does not accept the key",
    "unreachable": "Delivery is paused: IMSHOP cannot be reached",
    "tls": "Delivery is paused: no TLS connection to IMSHOP",
    "redirect": "Delivery is paused: IMSHOP's address has moved",
    "no_answer": "Delivery is paused: IMSHOP does not answer",
}
"""By the reason of the pause."""
MAY_WAIT = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class NoticeLimits:
    """How long a trouble may last before it counts; `certificate`: how long before its end. `every`: from one look at
    the state to the next; what begins in between is told together."""

    every: timedelta = timedelta(seconds=15)
    fault: timedelta = timedelta(minutes=5)
    waiting: timedelta = MAY_WAIT
    certificate: timedelta = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known.

    summary           None: the state cannot be read
    waiting_since     when the oldest change that waits for delivery was found, without those that IMSHOP refused
    rows_skipped      of the shop, since the last full compare that read every row
    certificate_ends  of IMSHOP's; None: not known, or no TLS
    """

    summary: Summary | None
    waiting_since: datetime | None = None
    rows_skipped: int = 0
    certificate_ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """`what` is wrong, without a full stop. `since` None: it is not known. It counts once it `lasts` that long, unless
    `because` is there as well, which explains it. `count`: how many orders or rows it is about, where it is counted."""

    kind: TroubleKind
    what: str
    command: str
    since: datetime | None = None
    lasts: timedelta = timedelta()
    count: int = 0
    because: TroubleKind | None = None


@dataclass(frozen=True, slots=True)
class Troubles:
    """`unknown`: the kinds of which it is not known whether they are there."""

    found: Sequence[Trouble]
    unknown: frozenset[TroubleKind] = frozenset()


def judge_situation(situation: Situation, limits: NoticeLimits, now: datetime) -> Troubles:
    """The troubles that there are now, those included that have not lasted long enough."""
    summary = situation.summary
    if summary is None:
        unreadable = Trouble(
            "state", "The state cannot be read: nothing is polled or pushed", "check", lasts=limits.fault
        )
        return Troubles([unreadable], frozenset(TROUBLE_KINDS) - {"state"})
    found = [
        *_of_source(summary, limits),
        *_of_delivery(summary, situation.waiting_since, limits),
        *_of_changes(summary),
        *_of_orders(summary, situation.rows_skipped),
    ]
    if (ends := situation.certificate_ends) and ends - now < limits.certificate:
        days = (ends - now).days
        what = "IMSHOP's certificate has ended" if ends <= now else f"IMSHOP's certificate ends in {days} days"
        found.append(Trouble("certificate", f"{what}; ask IMSHOP to renew it", "check"))
    return Troubles(found, frozenset() if situation.certificate_ends else frozenset({"certificate"}))


def _of_source(summary: Summary, limits: NoticeLimits) -> Iterator[Trouble]:
    source = summary.source
    if source.consecutive_failures and (
        source.last_success_at is None or source.last_success_at != source.last_poll_at
    ):
        what = "The shop cannot be read: what changes there is not seen"
        yield Trouble("source", what, "check", source.last_success_at, limits.fault)


def _of_delivery(summary: Summary, waiting_since: datetime | None, limits: NoticeLimits) -> Iterator[Trouble]:
    if pause := summary.pause:
        what = PAUSES.get(pause.reason, "Delivery is paused")
        yield Trouble("paused", what, "check", pause.since, limits.fault)
    if waiting_since:
        what = "Changes have been waiting for a long time to be pushed"
        yield Trouble("waiting", what, "changes --state pending", waiting_since, limits.waiting, because="paused")


def _of_changes(summary: Summary) -> Iterator[Trouble]:
    """The guard counts for the length of a poll, so what it holds meanwhile is none yet."""
    if held := summary.changes["held"] - summary.held.get("counting", 0):
        what = f"Held changes wait for your decision: {held}"
        yield Trouble("held", what, "changes --state held", count=held)
    if dead := summary.changes["dead"]:
        what = f"Changes were given up, and IMSHOP was never told: {dead}"
        yield Trouble("dead", what, "changes --state dead", count=dead)


def _of_orders(summary: Summary, rows_skipped: int) -> Iterator[Trouble]:
    if rows_skipped:
        what = f"Rows of the shop cannot be read as orders: {rows_skipped}"
        yield Trouble("skipped", what, "check", count=rows_skipped)
    if failed := summary.cancellations_failed:
        what = f"Cancellations by buyers failed: {failed}"
        yield Trouble("cancellations", what, "cancellations", count=failed)
