"""What a person is told, and when: each trouble once, again when it becomes red or grew, once more when it is over, and
never more than HOURLY notices an hour. Pure: the time comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from syncd.reasons import KINDS, Reason, ReasonKind, Severity, Verdict

HOUR = timedelta(hours=1)
HOURLY = 6
AGAIN_AFTER = HOUR / HOURLY
"""A notice that reached nobody is tried again after this; and it counts as one of HOURLY."""
GROWS_AFTER = HOUR
"""A trouble that grew, as by more dead changes, is told again, but not sooner after it was told."""
ORDERS_NAMED = 3

OVER: Mapping[ReasonKind, str] = {
    "state": "The state can be read and written again",
    "daemon": "The daemon has no fault any more",
    "source": "The shop is read again",
    "paused": "Delivery goes on",
    "refusals": "IMSHOP takes changes again",
    "waiting": "No change waits for long any more",
    "quiet": "A change was delivered",
    "held": "No change is held any more",
    "unlisted": "All codes of held changes are listed",
    "dead": "No change is dead any more",
    "mismatch": "IMSHOP shows all statuses as expected",
    "skipped": "All rows of the shop can be read",
    "future": "No row is dated in the future any more",
    "zone": "Changes are found at their time",
    "slow": "Polls are done within their interval",
    "late": "The shop is polled again",
    "missing": "It is decided whether orders are gone",
    "lost": "The new baseline was accepted",
    "settings": "The daemon works with the settings that are written",
    "first": "A poll has ended",
    "cancellations": "No cancellation is undecided any more",
    "certificate": "IMSHOP's certificate was renewed",
}


@dataclass(frozen=True, slots=True)
class Announced:
    """A trouble that was told: `at`, with this count. `since`: when it began. `severity`: the worst that it was told
    with; earlier versions kept none."""

    at: datetime
    since: datetime
    count: int = 0
    severity: Severity = "bad"


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """What is kept in the state.

    announced    the troubles that were told and are not over, by kind
    noticed      when the others were noticed first
    sent_at      the notices of the last hour
    failing      what the last notice failed on, by the URL's label; `reached_nobody`: at all of them
    """

    announced: Mapping[ReasonKind, Announced] = field(default_factory=dict)
    noticed: Mapping[ReasonKind, datetime] = field(default_factory=dict)
    sent_at: Sequence[datetime] = ()
    failing: Mapping[str, str] = field(default_factory=dict)
    reached_nobody: bool = False

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> NoticeRecord:
        """What `stored` made of it; an empty one, if another version of syncd wrote what this one cannot read."""
        try:
            return _adapter().validate_python(stored or {})
        except ValidationError:
            return cls()

    def stored(self) -> dict[str, Any]:
        found: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return found


@cache
def _adapter() -> TypeAdapter[NoticeRecord]:
    return TypeAdapter(NoticeRecord)


@dataclass(frozen=True, slots=True)
class Notice:
    """One message: the troubles that begin, and the kinds of those that are over, with how long they lasted. `worse`:
    which of the former were told before, as amber, and are red now."""

    begun: Sequence[Reason]
    over: Mapping[ReasonKind, timedelta]
    left: int
    """How many troubles were told before and go on."""
    worse: frozenset[ReasonKind] = frozenset()


def next_notice(record: NoticeRecord, verdict: Verdict, now: datetime) -> tuple[NoticeRecord, Notice | None]:
    """What is to be told now, if anything; and the record with what was noticed, to be kept in any case."""
    found = {trouble.kind: trouble for trouble in verdict.reasons if trouble.severity != "good"}
    announced = {
        kind: replace(known, count=min(known.count, found[kind].count)) if kind in found else known
        for kind, known in record.announced.items()
    }
    noticed = {kind: at for kind, at in record.noticed.items() if kind in verdict.unknown}
    noticed |= {  # not after now: the clock may have been set back
        kind: min(record.noticed.get(kind, trouble.since or now), now)
        for kind, trouble in found.items()
        if kind not in announced
    }
    record = replace(
        record,
        announced=announced,
        noticed=noticed,
        sent_at=[at for at in record.sent_at if timedelta() <= now - at < HOUR],
    )
    begun = [trouble for trouble in found.values() if _is_news(trouble, record, found, now)]
    ended = [kind for kind in KINDS if kind in announced and kind not in found and kind not in verdict.unknown]
    if not (begun or ended) or not _may_send(record, now):
        return record, None
    begins = {trouble.kind for trouble in begun}
    left = sum(kind not in begins and kind not in ended for kind in announced)
    worse = frozenset(trouble.kind for trouble in begun if _is_worse(trouble, record))
    return record, Notice(begun, {kind: now - announced[kind].since for kind in ended}, left, worse)


def _is_news(trouble: Reason, record: NoticeRecord, found: Mapping[ReasonKind, Reason], now: datetime) -> bool:
    if known := record.announced.get(trouble.kind):
        grew = trouble.count > known.count and now - known.at >= GROWS_AFTER
        return grew or (_is_worse(trouble, record) and trouble.because not in found)
    since = trouble.since or record.noticed[trouble.kind]
    return trouble.because not in found and max(now - since, timedelta()) >= trouble.lasts


def _is_worse(trouble: Reason, record: NoticeRecord) -> bool:
    known = record.announced.get(trouble.kind)
    return known is not None and known.severity != "bad" and trouble.severity == "bad"


def _may_send(record: NoticeRecord, now: datetime) -> bool:
    if len(record.sent_at) >= HOURLY:
        return False
    return not (record.reached_nobody and record.sent_at and now - max(record.sent_at) < AGAIN_AFTER)


def after_sending(
    record: NoticeRecord, notice: Notice, failing: Mapping[str, str], *, reached_nobody: bool, now: datetime
) -> NoticeRecord:
    """The record once the notice was sent. If it reached nobody, it is still to be told."""
    record = replace(record, sent_at=[*record.sent_at, now], failing={**failing}, reached_nobody=reached_nobody)
    if reached_nobody:
        return record
    announced = {kind: known for kind, known in record.announced.items() if kind not in notice.over}
    for trouble in notice.begun:
        before = announced.get(trouble.kind)
        since = before.since if before else trouble.since or record.noticed.get(trouble.kind, now)
        severity: Severity = "bad" if before and before.severity == "bad" else trouble.severity
        announced[trouble.kind] = Announced(now, since, trouble.count, severity)
    noticed = {kind: at for kind, at in record.noticed.items() if kind not in announced}
    return replace(record, announced=announced, noticed=noticed)


def title(notice: Notice) -> str:
    if not notice.begun:
        rest = f"; {_counted(notice.left)} left" if notice.left else ""
        return f"syncd: {_counted(len(notice.over))} over{rest}"
    if len(notice.begun) == 1:
        return f"syncd: {'worse now: ' if notice.worse else ''}{notice.begun[0].headline}"
    return f"syncd: {_counted(len(notice.begun))}"


def body(notice: Notice, order_ids: Mapping[ReasonKind, Sequence[str]], about: str, now: datetime) -> str:
    """`order_ids`: some of the orders that a trouble is about. `about`: which shop and machine this is, as the last
    line."""
    lines = []
    for trouble in notice.begun:
        lasted = f", for {_span(now - trouble.since)}" if trouble.since and trouble.lasts else ""
        worse = "Worse now: " if trouble.kind in notice.worse else ""
        lines.append(f"{worse}{trouble.headline}{lasted}.{_orders(order_ids.get(trouble.kind, ()), trouble.count)}")
        lines.append(f"Run: syncd {trouble.command}")
    lines += [f"Over: {OVER[kind]}, after {_span(lasted)}." for kind, lasted in notice.over.items()]
    return "\n".join([*lines, "", about])


def _orders(order_ids: Sequence[str], count: int) -> str:
    if not order_ids:
        return ""
    named = order_ids[:ORDERS_NAMED]
    return f" Orders: {', '.join(named)}{' and more' if max(count, len(order_ids)) > len(named) else ''}."


def _counted(number: int) -> str:
    return f"{number} trouble" if number == 1 else f"{number} troubles"


def _span(length: timedelta) -> str:
    minutes = max(0, round(length.total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
