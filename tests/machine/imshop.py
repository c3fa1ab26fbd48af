"""An IMSHOP in memory that takes pushes, answers each as it is told to, and holds every push against the promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock
from typing import TypeAlias

from syncd.imshop.replies import (
    BUSY,
    FAILING,
    FOREIGN,
    REDIRECT,
    REFUSED,
    SILENT,
    UNAUTHORIZED,
    UNREACHABLE,
    ReplyMeaning,
)
from syncd.model import Answer, Content, Payment, Push
from syncd.pipeline.diff import StatusAction
from tests.machine.shop import ModelShop, Version

UNPAID = Payment(paid=False, payment_id=None)


@dataclass(frozen=True, slots=True)
class Reply:
    """How IMSHOP meets a push. `applied`: it takes the change, whatever it says. `crash`: the client itself fails."""

    name: str
    applied: bool
    meaning: ReplyMeaning | None = None
    status: int | None = None
    retry_after: float | None = None
    crash: bool = False

    @property
    def in_doubt(self) -> bool:
        """Whether the daemon cannot know if it was applied."""
        return self.crash or (self.meaning is not None and self.meaning.in_doubt)

    def error(self) -> Exception | None:
        if self.crash:
            return ZeroDivisionError("nobody foresaw this")
        if self.meaning is None:
            return None
        return self.meaning.error(self.status, self.retry_after, host="imshop", why="a test", quote="")


TAKEN = Reply("TAKEN", applied=True)
_REPLIES = (
    TAKEN,
    Reply("TAKEN_BUT_SILENT", applied=True, meaning=SILENT),
    Reply("SILENT", applied=False, meaning=SILENT),
    Reply("TAKEN_BUT_500", applied=True, meaning=FAILING, status=500),
    Reply("UNAVAILABLE", applied=False, meaning=FAILING, status=503, retry_after=20),
    Reply("TOO_MANY", applied=False, meaning=BUSY, status=429, retry_after=600),
    Reply("REFUSED", applied=False, meaning=REFUSED, status=200),
    Reply("NOT_FOUND", applied=False, meaning=FOREIGN, status=404),
    Reply("UNAUTHORIZED", applied=False, meaning=UNAUTHORIZED, status=401),
    Reply("REDIRECT", applied=False, meaning=REDIRECT, status=302),
    Reply("UNREACHABLE", applied=False, meaning=UNREACHABLE),
    Reply("CRASH", applied=False, crash=True),
    Reply("TAKEN_BUT_CRASH", applied=True, crash=True),
)
REPLIES = {reply.name: reply for reply in _REPLIES}


@dataclass(slots=True)
class Knowledge:
    """What IMSHOP knows of an order. `payment` None: nobody can say.

    `version`: the last one told. `repeatable`: the outcome of the last push was ambiguous. `asked_again`: so often did
    an operator ask for a push since. `vague`: details of which the daemon cannot know whether they were ever told.
    `cancelled`: its buyer wanted that; what waited to be told of it then may have been dropped. `overtaken`: the
    version in the push that was on its way when its buyer was answered.
    """

    status: str | None = None
    tracking: str | None = None
    payment: Payment | None = UNPAID
    version: int = -1
    repeatable: bool = False
    asked_again: int = 0
    vague: set[str] = field(default_factory=set)
    cancelled: bool = False
    overtaken: int | None = None


_Asked: TypeAlias = tuple[Push, SimpleQueue[Reply]]


@dataclass
class ModelImshop:
    """A push waits until `answer` is called for its order, or is met with `auto`.

    `broken` says which promises were broken, since nobody hears an exception that is raised in a worker.
    """

    shop: ModelShop
    action: Callable[[str], StatusAction]
    auto: Reply | None = None
    in_flight: dict[str, _Asked] = field(default_factory=dict)
    knows: dict[str, Knowledge] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    asked: int = 0
    broken: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def push(self, push: Push) -> Answer:
        with self._lock:
            self._check(push)
            waiting: SimpleQueue[Reply] = SimpleQueue()
            self.in_flight[push.order_id] = (push, waiting)
            self.payments += [push.payment] if push.payment else []
            self.asked += 1
        if self.auto:
            self.answer(push.order_id, self.auto)
        reply = waiting.get()
        if error := reply.error():
            raise error
        return Answer(200, push.order_id, None, push.code, "processing", None)

    def answer(self, order_id: str, reply: Reply) -> None:
        self._answer(order_id, reply).put(reply)

    def caller_died(self, claimed: Iterable[str], *, applied: bool) -> None:
        """The process that asks dies: the pushes in flight are applied, or none is. All that the next process finds
        claimed may have been in flight."""
        for order_id in list(self.in_flight):
            self.answer(order_id, Reply("LOST", applied=applied, meaning=SILENT))
        for order_id in claimed:
            self.of(order_id).repeatable = True

    def of(self, order_id: str) -> Knowledge:
        return self.knows.setdefault(order_id, Knowledge())

    def hear_of_cancellation(self, order_id: str, version: int) -> None:
        """IMSHOP is answered that the order is cancelled, in that version of it."""
        known = self.of(order_id)
        if known.status is None or known.repeatable or known.asked_again:
            known.vague |= {"tracking", "payment"}
            known.repeatable = True  # the daemon goes on not knowing what else IMSHOP knows
        known.status, known.version = "cancelled", max(known.version, version)

    def adopt(self, order_id: str, content: Content) -> None:
        """What there was at the baseline is what IMSHOP is taken to know."""
        known = self.of(order_id)
        known.status, known.tracking = str(content["status"]), _text(content["tracking"])
        known.payment = payment_of(content)

    def _answer(self, order_id: str, reply: Reply) -> SimpleQueue[Reply]:
        push, waiting = self.in_flight.pop(order_id)
        known = self.of(order_id)
        if reply.applied:
            if not (known.repeatable or _is_news(push, known)):
                known.asked_again -= 1
            self._learn(known, push)
            self.told.append((order_id, push.code))
        known.repeatable |= reply.in_doubt
        return waiting

    def _learn(self, known: Knowledge, push: Push) -> None:
        if known.status is None or known.repeatable or known.asked_again:
            known.vague |= {"tracking", "payment"}
        known.vague -= _details(push)
        known.status, known.version, known.repeatable = push.code, _version(push), False
        known.tracking, known.payment = push.tracking_url or known.tracking, push.payment or known.payment

    def _check(self, push: Push) -> None:
        known, number = self.of(push.order_id), _version(push)
        version = self.shop.history[push.order_id][number]
        for fault, is_so in {
            "is in two pushes at once": push.order_id in self.in_flight,
            "is told what the merchant skips": self.action(push.status) != "push",
            "is told what it never was": not (_says(push, version) or _only_cancels(push, version, known)),
            "is told something older": number < known.version and number != known.overtaken,
            "is told again without need": not (known.repeatable or known.asked_again or _is_news(push, known))
            and known.overtaken is None,
        }.items():
            if is_so:
                self.broken.append(f"order {push.order_id} {fault}: {push}, IMSHOP knows {known}")


@dataclass
class Line:
    """Satisfies `pipeline.deliver.Pusher`: a process's way to IMSHOP, which ends with the process."""

    imshop: ModelImshop
    dead: bool = False

    def push(self, push: Push) -> Answer:
        if self.dead:
            raise SILENT.error(host="imshop", why="the process is dead")
        return self.imshop.push(push)


def payment_of(content: Content) -> Payment | None:
    """The payment that can be told, if any: whole or not at all."""
    if content["paid"]:
        payment_id = content.get("payment_id")
        return Payment(paid=True, payment_id=_text(payment_id)) if payment_id else None
    return UNPAID


def agrees(known: Knowledge, content: Content) -> bool:
    """Whether IMSHOP knows all of the content that can be told. No status: nobody can say which it knows."""
    return (
        content["status"] in (None, known.status)
        and content.get("tracking") in (None, known.tracking)
        and payment_of(content) in (None, known.payment)
    )


def _says(push: Push, version: Version) -> bool:
    told = (push.code, push.tracking_url)
    return told == (version.status, version.tracking) and push.payment in (None, payment_of(version.content))


def _only_cancels(push: Push, version: Version, known: Knowledge) -> bool:
    """A cancelled status that follows a push which was on its way tells nothing else."""
    return known.cancelled and (push.code, push.tracking_url, push.payment) == (version.status, None, None)


def _is_news(push: Push, known: Knowledge) -> bool:
    return (
        push.code != known.status
        or bool(known.vague & _details(push))
        or push.tracking_url not in (None, known.tracking)
        or push.payment not in (None, known.payment)
    )


def _details(push: Push) -> set[str]:
    """What a push tells beside the status."""
    return {name for name, told in (("tracking", push.tracking_url), ("payment", push.payment)) if told is not None}


def _version(push: Push) -> int:
    assert push.message is not None
    return int(push.message)


def _text(value: str | bool | None) -> str | None:
    return None if value is None else str(value)
