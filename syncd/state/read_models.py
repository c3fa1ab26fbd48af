"""The read models: what the state shows to people and scripts, complete without another query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from typing_extensions import override

from syncd.model import NO_ODD_ROWS, ChangeState, Content, FoundBy, Hold, OddRows, Pause, Result
from syncd.refusal_score import RefusalScore


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How polling goes. `last_error` None: the last poll went well."""

    last_poll_at: datetime | None
    last_success_at: datetime | None
    last_error: str | None
    consecutive_failures: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The state in figures. `changes` has a count for each of CHANGE_STATES, `held` one for each reason that holds any.

    `missing_refused`: how many orders the last full compare refused to mark as missing until an operator releases them.
    `cancellations_failed`: how many cancellations are undecided. `odd_rows`: of the shop, by the last polls.
    `polls`: the last ones, newest first. `refusals`: how unusual those of IMSHOP are. `longest_quiet`: between two
    deliveries, as far as the shop changed nothing, since `delivers_since`. `lost_at`: when this state was made where an
    earlier one was lost, until an operator accepts that. `certificate_ends`: of IMSHOP's, as seen last; None: not
    known, or no TLS.
    """

    tracked: int
    changes: Mapping[ChangeState, int]
    held: Mapping[Hold, int]
    oldest_pending_at: datetime | None
    next_due_at: datetime | None
    source: SourceStatus
    pause: Pause | None
    last_delivered_at: datetime | None
    missing_refused: int
    cancellations_failed: int = 0
    odd_rows: OddRows = NO_ODD_ROWS
    polls: Sequence[PollView] = ()
    refusals: RefusalScore = field(default_factory=RefusalScore)
    delivers_since: datetime | None = None
    longest_quiet: timedelta = timedelta()
    lost_at: datetime | None = None
    certificate_ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class PushView:
    """The last push of a change. `result` is that of the attempt; `refused`: IMSHOP said no. `new_status` and
    `imshop_status` as IMSHOP answered."""

    order_id: str
    status: str
    result: Result
    refused: bool
    ended_at: datetime
    error: str | None = None
    new_status: str | None = None
    imshop_status: str | None = None

    @property
    def delivered(self) -> bool:
        return self.result == "delivered"


class AtLeast(int):
    """A count that was broken off: there are so many, or more. A text shows it with a plus sign."""

    @override
    def __str__(self) -> str:
        return f"{int(self)}+"


@dataclass(frozen=True, slots=True)
class Recent:
    """What happened lately; all newest first.

    pushes         the last ones, of each change one
    lags           how long after the shop's time changes were found: the least of each of the last polls
    waiting_since  since when the change waits that has been pending for longest, without those that IMSHOP refused
    unlisted       how many changes are held for each code that the statuses file does not list; of many `AtLeast` some
    """

    pushes: Sequence[PushView] = ()
    lags: Sequence[timedelta] = ()
    waiting_since: datetime | None = None
    unlisted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A change with its history: the fields of docs/interface.md, section 5, and a few more.

    `imshop_uuid` is the one that IMSHOP answered with, or else the source's. `next_attempt_at` only if it is pending.
    `besides`: what it tells if its status is the one before (`news.besides_status`); None: its status is the news.
    """

    id: int
    order_id: str
    status: str
    previous_status: str | None
    state: ChangeState
    detected_at: datetime
    source_updated_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_error: str | None
    imshop_uuid: str | None
    imshop_status: str | None
    found_by: FoundBy
    hold: Hold | None
    message: str | None
    tracking_url: str | None
    besides: Content | None = None

    @property
    def lag(self) -> timedelta | None:
        """From the shop's change, else its detection, to IMSHOP's answer."""
        started = self.source_updated_at or self.detected_at
        return None if self.delivered_at is None else max(timedelta(0), self.delivered_at - started)


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One push of a change: its result, and IMSHOP's answer or the error in one line (`detail`). `new_status`: the
    code that IMSHOP answered to be in force."""

    change_id: int
    started_at: datetime
    ended_at: datetime
    result: Result
    http_status: int | None
    detail: str | None
    new_status: str | None = None


@dataclass(frozen=True, slots=True)
class SeenView:
    """What was seen of an order. `told`: what IMSHOP knows of it; None: unknown."""

    content: Content
    told: Content | None
    imshop_uuid: str | None
    shop_id: str | None
    first_seen_at: datetime
    changed_at: datetime
    missing_since: datetime | None
    acknowledged_status: str | None
    acknowledged_at: datetime | None
    acknowledged_uuid: str | None


@dataclass(frozen=True, slots=True)
class Story:
    """Everything about one order. `seen` None: it is not tracked. Changes newest first, attempts oldest first.
    `former_numbers`: the numbers that it had before."""

    order_id: str
    seen: SeenView | None
    changes: Sequence[ChangeView]
    attempts: Sequence[AttemptView]
    former_numbers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PollView:
    """One poll: how many rows it read and changes it found, or the `error` that ended it. `seconds`: how long it took,
    where that was measured."""

    at: datetime
    kind: str
    rows: int
    changes: int
    error: str | None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HalfHour:
    """Half an hour of the day. `pushed`: how many changes IMSHOP took. `lags`: of the newest of them, the seconds from
    the shop's change to IMSHOP's answer, ascending."""

    since: datetime
    pushed: int
    lags: Sequence[float]


@dataclass(frozen=True, slots=True)
class ChangeWithAttempt:
    """A change and its last attempt, if there was one."""

    change: ChangeView
    last: AttemptView | None


@dataclass(frozen=True, slots=True)
class Released:
    """What an operator released: how many changes of the guard, and how many orders the next full compare may mark as
    missing. `unlisted`: what stays held, for codes that the statuses file does not list."""

    changes: int
    missing: int
    unlisted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OperatorResult:
    """The ids of the changes that an operator's action changed, and why it left each of the others as it was."""

    done: Sequence[int]
    left: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many changes and orders were deleted."""

    changes: int
    orders: int
