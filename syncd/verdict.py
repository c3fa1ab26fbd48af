"""Whether statuses reach buyers, in one headline, and what is in the way: for the status page, and for the mails of
`syncd once --cron`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from syncd.notify.conditions import MAY_WAIT, PAUSES
from syncd.state import Summary

Severity: TypeAlias = Literal["good", "warning", "bad"]
"""All is well; somebody should look at it; buyers are not told."""

SOURCE_MAY_FAIL = timedelta(minutes=10)
"""The limit of the alert in docs/operations.md."""


@dataclass(frozen=True, slots=True)
class Reason:
    """`what` is wrong and what to `do`: phrases of web/translations.py, which `values` fill in. `detail` is the error,
    in the words of the shop, IMSHOP or the state."""

    severity: Severity
    what: str
    do: str | None = None
    detail: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    since: datetime | None = None

    @property
    def headline(self) -> str:
        """What is wrong, in English."""
        return self.what.format(**self.values)

    @property
    def line(self) -> str:
        """All of it in one line, in English."""
        sentences = (self.headline, self.detail, self.do)
        return ". ".join(sentence.rstrip(".") for sentence in sentences if sentence)


@dataclass(frozen=True, slots=True)
class Verdict:
    reasons: Sequence[Reason]

    @property
    def severity(self) -> Severity:
        found = {reason.severity for reason in self.reasons}
        return "bad" if "bad" in found else "warning" if "warning" in found else "good"

    @property
    def headline(self) -> str:
        return {
            "good": "Statuses reach buyers",
            "warning": "Statuses reach buyers, but something needs attention",
            "bad": "Statuses do not reach buyers",
        }[self.severity]


def judge(summary: Summary, *, leads: bool, faults: Sequence[str], now: datetime) -> Verdict:
    """`faults`: what is wrong with this daemon itself, in sentences."""
    reasons = [
        *_daemon_reasons(leads=leads, faults=faults),
        *_source_reasons(summary, now),
        *_delivery_reasons(summary, now),
        *_change_reasons(summary),
    ]
    return Verdict(sorted(reasons, key=lambda reason: reason.severity != "bad"))


def unreadable(error: str) -> Verdict:
    """The state, and with it everything else, cannot be read."""
    do = "Fix this first: nothing is pushed without the state"
    return Verdict([Reason("bad", "The state cannot be read", do, error)])


def _daemon_reasons(*, leads: bool, faults: Sequence[str]) -> Iterator[Reason]:
    for fault in faults:
        yield Reason("bad", "This daemon has a fault", "Read its log", fault)
    if not leads:
        what = "Another daemon polls and pushes; this one stands by"
        yield Reason("warning", what, "Nothing to do: this one takes over if the other fails")


def _source_reasons(summary: Summary, now: datetime) -> Iterator[Reason]:
    source = summary.source
    last_good = source.last_success_at
    was_read = last_good is not None and last_good == source.last_poll_at
    if source.consecutive_failures and not was_read:
        severity: Severity = "warning" if last_good and now - last_good < SOURCE_MAY_FAIL else "bad"
        do = "Run syncd check. The next poll tries again"
        yield Reason(severity, "The shop cannot be read", do, source.last_error, since=last_good)
    elif last_good is None:
        yield Reason("warning", "No poll has ended yet", "Wait: the first poll reads every order")
    elif now - last_good >= SOURCE_MAY_FAIL:
        yield Reason("warning", "The last poll was long ago", "Check that the daemon runs", since=last_good)
    if missing := summary.missing_refused:
        what = "Orders missing from the shop, none of them forgotten: {count}"
        yield Reason("warning", what, "If they are really gone, run: syncd release", values={"count": missing})
    elif source.consecutive_failures and was_read:
        do = "Nothing to do: the next full compare finds out"
        yield Reason("warning", "It is not known whether orders are gone", do, source.last_error)


def _delivery_reasons(summary: Summary, now: datetime) -> Iterator[Reason]:
    if pause := summary.pause:
        what = PAUSES.get(pause.reason, "Delivery is paused")
        do = "Nothing is lost: the changes are sent once IMSHOP accepts them again"
        yield Reason("bad", what, do, pause.detail, since=pause.since)
    oldest = summary.oldest_pending_at
    if oldest and now - oldest >= MAY_WAIT and not summary.pause:
        yield Reason(
            "warning",
            "A change has been waiting for a long time",
            "See IMSHOP's answers: syncd changes --state pending",
            since=oldest,
        )


def _change_reasons(summary: Summary) -> Iterator[Reason]:
    if held := summary.changes["held"]:
        do = "See: syncd changes --state held. Then run syncd release or syncd discard --held"
        yield Reason("warning", "Held changes wait for your decision: {count}", do, values={"count": held})
    if dead := summary.changes["dead"]:
        do = "See: syncd changes --state dead. Then run syncd retry --all-dead or syncd discard --all-dead"
        yield Reason("warning", "Dead changes, never delivered to IMSHOP: {count}", do, values={"count": dead})
    if failed := summary.cancellations_failed:
        do = "See: syncd cancellations. Fix the cause, then run: syncd cancellations retry ID"
        yield Reason("warning", "Cancellations without a decision: {count}", do, values={"count": failed})
