"""What travels through the pipe: one frozen type a moment.

    source ──► Order ──► diff ──► Seen + Change ──► outbox ──► Push ──► IMSHOP ──► Answer ──► Outcome

All datetimes are aware and in UTC. What a poll makes of each order is a NamedTuple: a frozen dataclass takes three
times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Literal, NamedTuple, TypeAlias

Content: TypeAlias = Mapping[str, str | bool | None]
"""The compared part of an order: a value for each of COMPARED that the source gives.

A key that is missing means that the source has no such column. That is not the same as None: a column that the
source did not have before is adopted and told to nobody. `tracking` is the tracking URL, or the bare tracking
number where the URL is built from a template, so that editing the template changes no order.
"""

COMPARED = ("status", "tracking", "paid", "payment_id", "message")

FoundBy: TypeAlias = Literal["cursor", "lookback", "full"]
Hold: TypeAlias = Literal["counting", "guard", "status"]
"""Why a change is held: its poll is not over and the guard has not counted all of it; the guard tripped; its status
is not in the statuses file."""
ChangeState: TypeAlias = Literal["pending", "held", "delivered", "superseded", "refused", "dead", "discarded"]
CHANGE_STATES: tuple[ChangeState, ...] = (
    "pending",
    "held",
    "delivered",
    "superseded",
    "refused",
    "dead",
    "discarded",
)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A field of an order that cannot be read, and so is not known: the rest of the order goes on without it."""

    field: str
    order_id: str
    detail: str


class Order(NamedTuple):
    """What the source says about an order now."""

    order_id: str
    content: Content
    updated_at: datetime | None = None
    message: str | None = None
    tracking_url: str | None = None
    user_id: str | None = None
    imshop_uuid: str | None = None
    shop_id: str | None = None
    """The shop's own key of the order, where `order_id` is a public number. IMSHOP never hears of it."""
    beyond_cursor: bool = True
    """False: found only because the poll reads again what lies behind its cursor."""
    repeats: bool = False
    """A newer row of an order that the same reading showed before."""
    dropped: Sequence[Dropped] = ()

    @property
    def status(self) -> str:
        return str(self.content["status"])


class Identified(NamedTuple):
    """What is compared of an order, and what else must be the same for it to be as it was seen."""

    order_id: str
    content: Content
    imshop_uuid: str | None
    shop_id: str | None
    dropped: Sequence[Dropped] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is not taken for an order. `reason` is one of `no_id`, `no_status`, `bad_timestamp`, `bad_sequence`,
    `bad_value`, which say why it cannot be read, and `number_taken`: its number is another order's."""

    reason: str
    order_id: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class OddRows:
    """Rows of the shop that a person should look at. `skipped`: so many are not taken for orders; `order_ids` names
    some of them, `example` says why one is not. `ahead`: so many are dated in the future, by up to `ahead_by`."""

    skipped: int = 0
    order_ids: Sequence[str] = ()
    example: str | None = None
    ahead: int = 0
    ahead_by: timedelta = timedelta()

    NAMED: ClassVar = 20

    def after(self, poll: OddRows, *, full: bool) -> OddRows:
        """What is known after one more poll. A full compare reads all rows, so what it skipped is all; other polls read
        the same row again, so of them the greatest number is kept and not the sum. Only they read each time the rows
        that are dated in the future."""
        if full:
            return replace(poll, ahead=self.ahead, ahead_by=self.ahead_by)
        return replace(
            poll,
            skipped=max(self.skipped, poll.skipped),
            order_ids=tuple(dict.fromkeys([*self.order_ids, *poll.order_ids]))[: self.NAMED],
            example=poll.example or self.example,
        )


NO_ODD_ROWS = OddRows()


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of the source. `cursor` is where the next poll is to start once they are on disk."""

    orders: Sequence[Order]
    skipped: Sequence[Skipped] = ()
    cursor: str | None = None
    last: bool = True


class Seen(NamedTuple):
    """What was known of an order when it was last seen.

    `content` is what was observed; `told` is what IMSHOP is taken to know: what it acknowledged, or what was there
    at the baseline. None: not known, since it was never told or an attempt's outcome is in doubt. `revision` counts the
    differences that were observed.
    """

    order_id: str
    content: Content
    told: Content | None
    imshop_uuid: str | None = None
    revision: int = 0
    missing: bool = False
    """The last full compare did not find it in the source."""
    payment_in_doubt: bool = False
    """A change that carries a payment waits to be told, or was given up though it may have been."""
    shop_id: str | None = None
    unpaid_since: datetime | None = None
    """When a poll saw that it is not paid any more; `content` keeps the payment until a later poll sees so too."""


class Recorded(NamedTuple):
    """What a full compare needs of Seen: the fields of the same names."""

    content: Content
    imshop_uuid: str | None
    shop_id: str | None
    missing: bool


class Change(NamedTuple):
    """A difference that IMSHOP must be told, as `diff` found it."""

    order_id: str
    revision: int
    content: Content
    previous_status: str | None
    message: str | None
    tracking_url: str | None
    user_id: str | None
    imshop_uuid: str | None
    with_payment: bool
    source_updated_at: datetime | None
    found_by: FoundBy
    hold: Hold | None = None

    @property
    def status(self) -> str:
        return str(self.content["status"])


class Decision(NamedTuple):
    """What is to be stored for one order: what is seen of it from now on, and a change to be told or none.

    `void`: IMSHOP already knows what the order has gone back to, so whatever still waits to be told of it is dropped.
    """

    seen: Seen
    change: Change | None = None
    void: bool = False


@dataclass(frozen=True, slots=True)
class FormedSegment:
    """A segment of orders that a full compare has seen row by row. `first_seen`: those of its orders that were stored
    as part of it when they were seen for the first time. `order_ids`: the others. `digest` None: the next compare looks
    at each row again."""

    key: int
    order_ids: Sequence[str]
    digest: bytes | None
    first_seen: Sequence[str] = ()

    @property
    def all(self) -> Sequence[str]:
        return [*self.order_ids, *self.first_seen]


@dataclass(frozen=True, slots=True)
class Baseline:
    """When the first full compare was done, and the newest `updated_at` it read, if there was any."""

    taken_at: datetime
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Payment:
    """Goes out whole or not at all (docs/protocol.md, section 1): a payment id if paid, else None."""

    paid: bool
    payment_id: str | None


@dataclass(frozen=True, slots=True)
class Push:
    """A change taken from the outbox, to be sent once. `code` and `message` are as IMSHOP is to hear them."""

    change_id: int
    order_id: str
    revision: int
    status: str
    code: str
    message: str | None
    tracking_url: str | None
    user_id: str | None
    imshop_uuid: str | None
    uuid_is_shared: bool
    """Several orders carry this IMSHOP UUID: one app order was split in the shop."""
    payment: Payment | None
    detected_at: datetime
    source_updated_at: datetime | None
    attempts: int
    refusals: int
    failing_since: datetime | None
    in_doubt: bool
    """An earlier attempt may have been applied."""
    claim: int = 0
    """How often the change was claimed, this time included. An outcome with an older number is not that of the present
    claim."""


@dataclass(frozen=True, slots=True)
class Answer:
    """IMSHOP took the change."""

    http_status: int
    internal_id: str | None
    uuid: str | None
    new_status: str | None
    imshop_status: str | None
    message: str | None


Result: TypeAlias = Literal["delivered", "retry", "refused", "dead", "paused", "unsent"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one push, as the outbox records it.

    `result` is what happened, `state` what the change is from now on. `paused` and `unsent` use up no attempt, and
    `unsent` leaves the change as if it had not been taken. `error` is a person's text; `refused`: IMSHOP's own no.
    """

    push: Push
    result: Result
    state: ChangeState
    started_at: datetime
    ended_at: datetime
    seconds: float = 0.0
    next_attempt_at: datetime | None = None
    in_doubt: bool = False
    answer: Answer | None = None
    error: str | None = None
    refused: bool = False
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Delivery as a whole waits, because no push can succeed now; one probe at a time finds out when it can."""

    reason: str
    since: datetime
    detail: str


Generation: TypeAlias = Literal["first", "current"]
CancellationState: TypeAlias = Literal["received", "accepted", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A buyer wants an order cancelled (docs/protocol.md, section 2). At least one identifier is given."""

    generation: Generation
    order_id: str | None
    imshop_uuid: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CancelDecision:
    """What came of one attempt to have the shop cancel an order: from the shop's answer to the buyer's.

    `accepted` and `refused` are the shop's, or syncd's own where it need not ask; `failed`: nobody decided. `status`
    and `message` are the answer to IMSHOP, `message` in words for the buyer. `error` is for the operator: why it
    failed, or what is odd about a refusal. `in_doubt`: it failed, and may have been applied all the same. `lasts`
    False: when IMSHOP asks again, the shop is looked into again, since the order may be another one or have another
    status by then.
    """

    state: Literal["accepted", "refused", "failed"]
    status: str | None = None
    message: str | None = None
    error: str | None = None
    in_doubt: bool = False
    lasts: bool = True


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A cancellation in the inbox, and what became of it.

    `received`: it is being applied, until `claimed_until` at the latest. `token` names it to the shop, the same at each
    attempt. `shop_id` is the shop's own key of the order, where it is known. `attempts`: how often it was begun to be
    applied; `asked`: how often IMSHOP asked. The other fields are those of its last CancelDecision; `in_doubt`: one of
    its attempts may have been applied though it failed.
    """

    id: int
    token: str
    generation: Generation
    order_id: str | None
    imshop_uuid: str | None
    reason: str | None
    state: CancellationState
    received_at: datetime
    asked: int
    attempts: int
    claimed_until: datetime
    decided_at: datetime | None
    status: str | None
    message: str | None
    error: str | None
    in_doubt: bool
    shop_id: str | None = None

    @property
    def decision(self) -> CancelDecision | None:
        """None: it is being applied."""
        if self.state == "received":
            return None
        return CancelDecision(self.state, self.status, self.message, self.error, self.in_doubt)


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A cancellation as it was found in, or put into, the inbox. `is_ours`: the caller must apply it and record the
    decision; nobody else will."""

    cancellation: Cancellation
    is_ours: bool
