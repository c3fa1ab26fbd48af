"""One order's story for `syncd explain` and the status page: what this buyer sees, and why. Pure, but for `from_state`.

`buyer_view` decides. What it says is a phrase with values: either language is a matter of who shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from shlex import quote
from typing import Protocol

from syncd.model import Cancellation, Content, Pause
from syncd.news import is_news, payment_of
from syncd.pipeline.statuses_file import Statuses
from syncd.shop_lookup import LookupResult
from syncd.state import ChangeView, SeenView, Story, Summary
from syncd.text import Count
from syncd.verdict import PAUSES
from syncd.wording import in_words

HEADLINES: Mapping[bool | None, str] = {
    True: "The buyer sees what the shop says",
    False: "The buyer does not see what the shop says",
    None: "It is not certain that the buyer sees what the shop says",
}
LATE = timedelta(minutes=10)
"""A full compare may come upon a change before the next poll does."""
TAKEN_AS_KNOWN = "never; taken as known: {content}"
NOT_ASKED = LookupResult(None)
NOBODY_KNOWS = "Neither the shop nor syncd knows this order"
NOT_DELIVERED = {
    "refused": "IMSHOP refused it, so this buyer was not told: {error}. Once IMSHOP knows the order",
    "dead": "Given up after {tries:attempt|attempts}, so this buyer was not told: {error}. Once that is mended",
    "discarded": "Discarded, so this buyer was not told. If that was wrong",
}
"""By the state of the newest change."""
HELD = {
    "guard": "Held since {at}: too many changes came at once. If they are right",
    "status": "Held since {at}: the code {code} is not in the statuses file. List it there, and it goes by itself",
    "counting": "Held since {at}, until its poll is over",
}
"""By what holds it."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the state and the shop know of one order, and what else decides what its buyer sees.

    `cancellations` came from the app, the newest first. `similar`: orders that may be meant, if the state does not know
    this one. `last_poll_at`: of the last good poll. `lookback`: how far behind its cursor a poll reads.
    """

    story: Story
    in_shop: LookupResult = NOT_ASKED
    cancellations: Sequence[Cancellation] = ()
    similar: Sequence[str] = ()
    statuses: Statuses = field(default_factory=Statuses)
    pause: Pause | None = None
    last_poll_at: datetime | None = None
    lookback: timedelta = timedelta(0)

    @property
    def is_known(self) -> bool:
        return bool(self.in_shop.order or self.story.seen or self.story.changes or self.cancellations)


class StoryReports(Protocol):
    """The interface that an explanation requires of the state. Every method may raise StateError."""

    def story(self, order_id: str) -> Story: ...

    def cancellations(self, order_id: str) -> Sequence[Cancellation]: ...

    def similar_numbers(self, order_id: str) -> Sequence[str]: ...

    def summary(self) -> Summary: ...


def from_state(reports: StoryReports, order_id: str, statuses: Statuses, lookback: timedelta) -> Explanation:
    """The explanation as far as the state knows it; the shop is still to be looked into."""
    story, summary = reports.story(order_id), reports.summary()
    cancelled = reports.cancellations(story.order_id)
    similar = [] if story.seen or story.changes or cancelled else reports.similar_numbers(order_id)
    return Explanation(
        story,
        cancellations=cancelled,
        similar=similar,
        statuses=statuses,
        pause=summary.pause,
        last_poll_at=summary.source.last_success_at,
        lookback=lookback,
    )


@dataclass(frozen=True, slots=True)
class Because:
    """A phrase of web/translations.py that `values` fill in, and the command that mends it. `agrees` False: so the
    buyer does not see what the shop says; None: so that is not certain."""

    phrase: str
    values: Mapping[str, object] = field(default_factory=dict)
    command: str | None = None
    agrees: bool | None = True

    def said(self, translate: Callable[[str], str] = str, shown: Callable[[object], str] = str) -> str:
        """In words. `shown`: how a value is written."""
        values = {name: value if isinstance(value, Count) else shown(value) for name, value in self.values.items()}
        return translate(self.phrase).format(**values)


@dataclass(frozen=True, slots=True)
class BuyerView:
    """What the shop says of an order, what IMSHOP was told and when, and IMSHOP's own status; None: not known.

    `reads`: the text that IMSHOP was given for the buyer. `agrees`: whether the buyer sees what the shop says; None:
    that is not certain. `reasons` say why.
    """

    agrees: bool | None
    says: Content | None
    told: Content | None
    told_at: datetime | None
    reads: str | None
    imshop_status: str | None
    reasons: Sequence[Because]

    @property
    def headline(self) -> str:
        return HEADLINES[self.agrees]


def buyer_view(known: Explanation) -> BuyerView:
    """What this buyer sees, whether that is what the shop says, and why."""
    reasons = [*_of_shop(known), *_of_delivery(known), *_of_answer(known)]
    agreements = {reason.agrees for reason in reasons}
    order, seen = known.in_shop.order, known.story.seen
    delivered = _last_delivered(known.story)
    return BuyerView(
        agrees=False if False in agreements else None if None in agreements else True,
        says=order.content if order else seen.content if seen else None,
        told=seen.told if seen else None,
        told_at=seen.acknowledged_at if seen else delivered.delivered_at if delivered else None,
        reads=buyer_reads(delivered, known.statuses) if delivered else None,
        imshop_status=delivered.imshop_status if delivered else None,
        reasons=reasons,
    )


def buyer_reads(change: ChangeView, statuses: Statuses) -> str | None:
    """The text that a change brings for the buyer; None: IMSHOP has its own for the code."""
    return change.message or statuses.message(change.status)


def told_in_words(view: BuyerView, translate: Callable[[str], str], at: Callable[[datetime], str]) -> str:
    """What IMSHOP was told, and when. `at`: how a moment is written."""
    content = translate("not known") if view.told is None else in_words(view.told, translate)
    if view.told_at:
        return f"{content}, {at(view.told_at)}"
    return translate("never") if view.told is None else translate(TAKEN_AS_KNOWN).format(content=content)


def _of_shop(known: Explanation) -> Iterator[Because]:
    """How what the shop shows now differs from what was seen of it."""
    order, seen = known.in_shop.order, known.story.seen
    if known.in_shop.fault:
        yield Because("The shop cannot be asked, so this is what was seen last", agrees=None)
    elif order is None:
        yield Because("The shop does not show this order any more", agrees=None)
    elif seen is None:
        yield Because("syncd has not seen this order yet: the next poll that finds it decides", agrees=None)
    elif is_news(order.content, seen.content):
        at = order.updated_at
        if at and known.last_poll_at and at < known.last_poll_at - known.lookback:
            what = "The shop changed it without its timestamp, still {at}: polls pass it by, a full compare finds it"
            yield Because(what, {"at": at}, "syncd reconcile", agrees=False)
        else:
            what = "The shop changed it since the last good poll, {at}; the next one finds it"
            yield Because(what, {"at": known.last_poll_at or "–"}, agrees=False)


def _of_delivery(known: Explanation) -> Iterator[Because]:
    """What became of telling IMSHOP what was seen."""
    seen = known.story.seen
    if seen is None:
        return
    if seen.told is not None and not is_news(seen.content, seen.told):
        yield from _of_known(known, seen)
        return
    newest, status = next(iter(known.story.changes), None), str(seen.content["status"])
    may_know: bool | None = None if seen.told is None else False
    if known.statuses.action(status) == "skip" and (newest is None or newest.status != status):
        yield Because("The statuses file skips the code {code}: IMSHOP is not told", {"code": status}, agrees=may_know)
    elif newest and newest.state == "pending":
        yield from _of_pending(newest, known.pause, may_know=may_know)
    elif newest and newest.state == "held":
        values = {"at": newest.detected_at, "code": newest.status}
        command = "syncd release" if newest.hold == "guard" else None
        yield Because(HELD[newest.hold or "guard"], values, command, agrees=may_know)
    elif newest and newest.state in NOT_DELIVERED:
        values = {"error": newest.last_error or "–", "tries": Count(newest.attempts)}
        mends = _resync(known) if newest.state == "discarded" else f"syncd retry {newest.id}"
        yield Because(NOT_DELIVERED[newest.state], values, mends, agrees=False)
    else:
        yield Because("It is not known what IMSHOP heard last. To tell it again", command=_resync(known), agrees=None)


def _of_pending(change: ChangeView, pause: Pause | None, *, may_know: bool | None) -> Iterator[Because]:
    if change.attempts and change.last_error:
        values = {"error": change.last_error, "tries": Count(change.attempts)}
        yield Because("IMSHOP did not take it in {tries:attempt|attempts}: {error}", values, agrees=may_know)
    yield Because("It waits to be told since {at}", {"at": change.detected_at}, agrees=may_know)
    if pause:
        yield Because(PAUSES.get(pause.reason, "Delivery is paused"), agrees=may_know)
    elif change.attempts and change.next_attempt_at:
        yield Because("The next attempt is at {at}", {"at": change.next_attempt_at}, agrees=may_know)


def _of_known(known: Explanation, seen: SeenView) -> Iterator[Because]:
    """How IMSHOP came to know what was seen."""
    newest = next(iter(known.story.changes), None)
    cancelled = next((one for one in known.cancellations if one.state == "accepted" and one.decided_at), None)
    if cancelled and cancelled.decided_at and (not seen.acknowledged_at or seen.acknowledged_at < cancelled.decided_at):
        yield Because("The buyer cancelled it in the app at {at}", {"at": cancelled.decided_at})
    elif newest and newest.state == "superseded":
        yield Because("It went back to what IMSHOP knows before it was told anything else")
    elif seen.acknowledged_at is None and not _last_delivered(known.story):
        what = "Taken as known when it was first seen at {at}: IMSHOP was never told. If the app shows another status"
        yield Because(what, {"at": seen.first_seen_at}, _resync(known), agrees=None)
    if seen.content.get("paid") is True and payment_of(seen.content) is None:
        yield Because("IMSHOP cannot be told that it is paid: the shop gives no payment id")


def _of_answer(known: Explanation) -> Iterator[Because]:
    """What IMSHOP made of what it was told, and how late that was found."""
    change = _last_delivered(known.story)
    if change is None:
        return
    attempts = [one for one in known.story.attempts if one.change_id == change.id and one.result == "delivered"]
    answered = attempts[-1].new_status if attempts else None
    values = {"code": known.statuses.code(change.status), "answered": answered, "shown": change.imshop_status}
    if known.statuses.mismatch(change.status, answered, None):
        yield Because("IMSHOP was told {code}, and answered that {answered} is in force", values, agrees=False)
    elif known.statuses.mismatch(change.status, None, change.imshop_status):
        what = "IMSHOP shows {shown} for {code}; the statuses file expects {expected}. Ask IMSHOP to correct its table"
        expected = known.statuses.listed[change.status].imshop
        yield Because(what, {**values, "expected": expected}, agrees=False)
    if at := _late_timestamp(change, known.lookback):
        what = "The shop had changed it without its timestamp, {at}: only a full compare found it, at {found}"
        yield Because(what, {"at": at, "found": change.detected_at})


def _late_timestamp(change: ChangeView, lookback: timedelta) -> datetime | None:
    """The timestamp that the shop left as it was. A change that was told again was not found at all."""
    at = change.source_updated_at
    is_difference = change.previous_status is not None and change.besides != {}
    is_late = change.found_by == "full" and at is not None and change.detected_at - at > max(lookback, LATE)
    return at if is_difference and is_late else None


def _last_delivered(story: Story) -> ChangeView | None:
    return next((change for change in story.changes if change.state == "delivered"), None)


def _resync(known: Explanation) -> str:
    return f"syncd resync {quote(known.story.order_id)}"
