"""The second half of a poll: differences are written to the state, and the guard stops too many changes at once.

Page of Orders ──► diff ──► one transaction: seen + changes + cursor ──► (poll over) ──► release all, or hold all
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Literal, NamedTuple, Protocol, TypeAlias

from syncd.model import Decision, Dropped, FoundBy, Identified, Order, Page, Seen, Skipped
from syncd.pipeline.diff import Policy, diff, is_as_seen

PollKind: TypeAlias = Literal["incremental", "full"]


class Staging(Protocol):
    """One staging transaction of the state. No two of them are open at once, in this process or another."""

    def load(self, order_ids: Iterable[str]) -> Mapping[str, Seen]:
        """What was seen of those of the orders that are tracked."""

    def being_cancelled(self, order_ids: Iterable[str], since: datetime) -> set[str]:
        """Those of the orders whose cancellation is in flight, or was at some time since: a row read since then may
        show the order as it was before."""

    def renumber(self, numbers: Mapping[str, str], now: datetime) -> None:
        """Give tracked orders, with all that is stored of them, other numbers: former -> new."""

    def store(
        self, decisions: Sequence[Decision], now: datetime, *, counting: bool, segments: Mapping[str, int] | None = None
    ) -> None:
        """Write what is seen now, and the changes: as held by their `hold`, else as held until the poll is over if
        `counting`, else as pending. `segments`: those of orders that may be seen for the first time.

        A pending change supersedes all older changes of its order that are not being sent; a held one supersedes only
        held ones. A void decision supersedes both and adds none.
        """

    def adopt(self, found: Sequence[Identified], now: datetime, segments: Mapping[str, int]) -> set[str]:
        """Record orders that were not tracked when they were looked for, each with its segment, as if IMSHOP knew all
        that they show. Returns those that a cancellation has made known since: they are left as they are.
        StateError if another one is tracked."""

    def set_cursor(self, cursor: str) -> None: ...


class StagingState(Protocol):
    """The interface that staging requires of the state. Every method may raise StateError."""

    def cursor(self) -> str | None: ...

    def load(self, order_ids: Iterable[str]) -> Mapping[str, Seen]: ...

    def numbers_by_shop_id(self, shop_ids: Iterable[str]) -> Mapping[str, set[str]]:
        """The numbers of the tracked orders that have these keys of the shop."""

    def staging(self) -> AbstractContextManager[Staging]: ...

    def is_counting(self) -> bool:
        """Whether changes of an earlier poll, which was interrupted, wait for the end of a poll."""

    def release_or_hold(self, max_changes: int, now: datetime) -> int:
        """Release the changes held as `counting`, those of an interrupted poll among them; if they are more than
        `max_changes`, the guard holds them all. Returns how many it holds now."""


REDEFINED = (
    "they come from elsewhere than before, so all orders were compared: what tracking, payment and message show now "
    "was recorded and told to nobody, and more than a few new statuses are held"
)


@dataclass(slots=True)
class PollResult:
    """What a poll did.

    rows       that were read
    skipped    rows that cannot be read as an order, by reason
    dropped    fields that cannot be read, by name, of orders that go on without them: `dropped_from` so many orders
    found      changes, by what found them
    adopted    orders seen for the first time, recorded and told to nobody
    baseline   whether the poll took the baseline
    held       changes that the guard holds
    missing    orders that the source shows no more
    redefined  compared columns that come from elsewhere than before
    ahead      rows that are dated in the future, by up to `ahead_by`
    fault      why orders that the source does not show were not forgotten; those that it shows were compared and staged
    """

    kind: PollKind
    rows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    skipped_rows: list[Skipped] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    dropped_from: int = 0
    dropped_examples: dict[str, Dropped] = field(default_factory=dict)
    found: Counter[FoundBy] = field(default_factory=Counter)
    adopted: int = 0
    baseline: bool = False
    held: int = 0
    missing: int = 0
    redefined: Sequence[str] = ()
    ahead: int = 0
    ahead_by: timedelta = timedelta()
    fault: str | None = None

    SKIPPED_ROWS_KEPT: ClassVar = 20

    def read_again(self) -> None:
        """All rows are read once more: what was counted of them is reset. The changes found so far are staged, and
        stay."""
        self.rows = self.dropped_from = 0
        self.skipped_rows = []
        for counted in (self.skipped, self.dropped, self.dropped_examples):
            counted.clear()

    def note_skipped(self, skipped: Sequence[Skipped]) -> None:
        self.skipped.update(row.reason for row in skipped)
        self.skipped_rows += skipped[: self.SKIPPED_ROWS_KEPT - len(self.skipped_rows)]

    def note_dropped(self, of_orders: Iterable[Sequence[Dropped]]) -> None:
        """`of_orders`: the dropped fields of each order, mostly none."""
        for fields in filter(None, of_orders):
            self.dropped_from += 1
            for one in fields:
                self.dropped[one.field] += 1
                self.dropped_examples.setdefault(one.field, one)


class Staged(NamedTuple):
    """The orders that were tracked under no number, and those that were tracked under another one."""

    first_seen: AbstractSet[str] = frozenset()
    renumbered: Collection[str] = frozenset()


@dataclass(slots=True)
class Stager:
    """Stages the pages of one poll.

    max_changes     0: the guard is off
    find            the orders that the shop shows now under these numbers or, where they are known, these keys
    release_at_end  changes are released only when the poll is over, since a later row may show an order differently
    """

    state: StagingState
    policy: Policy
    max_changes: int
    now: datetime
    result: PollResult
    find: Callable[[Sequence[str], Mapping[str, str]], Page]
    release_at_end: bool = False
    counting: bool = field(init=False)
    put_off: set[str] = field(default_factory=set)
    """Orders that this poll leaves to the next one. The cursor stays, so that the next poll reads them again."""
    not_as_shown: set[str] = field(default_factory=set)
    """Orders recorded differently from what the shop shows: the next poll decides whether their payment is gone."""

    _looked_up: int = 0
    _keys_are_shared: bool = False

    LOOKED_UP_AT_MOST: ClassVar = 500
    """In one poll so many orders that come with another number are looked up under the former one. If the shop shows
    none of them there, it gave all orders other numbers, and the rest are not looked up."""

    def __post_init__(self) -> None:
        self.counting = self.state.is_counting()

    def stage(
        self,
        page: Page,
        found_by: FoundBy | None = None,
        known: Mapping[str, Seen] | None = None,
        segments: Mapping[str, int] | None = None,
    ) -> Staged:
        """Write what differs, and the page's cursor. `known`: what was seen of the orders, where that is loaded
        already. `segments`: of orders that may be seen for the first time.

        Most polls find nothing. So the page is compared before the transaction, which keeps others from writing, and
        what differs is compared again within it. Rows beyond the cursor did change: they are compared once.
        """
        if not page.orders and page.cursor is None:
            return Staged()
        cursor_moves = page.cursor is not None and page.cursor != self.state.cursor()
        if known is None and not _must_differ(page):
            known = self.state.load(order.order_id for order in page.orders)
        latest = _latest(page.orders, known or {})
        numbers = {} if self.policy.adopt_all or known is None else self._other_numbers(latest, known)
        suspects = [*latest.values()]
        if known is not None:
            suspects = [one for one in suspects if not is_as_seen(one, known.get(one.order_id), self.policy)]
        if not suspects and not cursor_moves:
            return Staged()
        with self.state.staging() as staging:
            if numbers:
                staging.renumber(numbers, self.now)
            seen = staging.load(order.order_id for order in suspects)
            if known is not None:  # a cancellation may have made an order known since
                self.put_off |= seen.keys() - known.keys() - {*numbers.values()}
            decisions = diff(suspects, seen, self.policy, found_by)
            self.put_off |= staging.being_cancelled((one.seen.order_id for one in decisions), self.now)
            decisions = [one for one in decisions if one.seen.order_id not in self.put_off]
            counting = self._must_wait(decisions, last=page.last)
            staging.store(decisions, self.now, counting=counting, segments=segments)
            if page.cursor is not None and cursor_moves and not self.put_off:
                staging.set_cursor(page.cursor)
        return Staged(self._note(decisions, seen), {*numbers.values()})

    def adopt(self, found: Sequence[Identified], segments: Mapping[str, int]) -> set[str]:
        """The baseline sees these orders for the first time: record them, and tell nobody. Returns their numbers, but
        for those that are put off. StateError if one of them is tracked."""
        numbers = {one.order_id for one in found}
        with self.state.staging() as staging:
            self.put_off |= staging.being_cancelled(numbers, self.now)
            new = [one for one in found if one.order_id not in self.put_off]
            self.put_off |= staging.adopt(new, self.now, segments)
        numbers -= self.put_off
        self.result.note_dropped(one.dropped for one in found)
        self.result.adopted += len(numbers)
        return numbers

    def _other_numbers(self, page: dict[str, Order], known: Mapping[str, Seen]) -> dict[str, str]:
        """Orders that come with another number than they are tracked under by the shop's key: former -> new.

        - The shop shows one key with two numbers: they are two orders, and neither is renumbered.
        - The shop shows one number with two keys: the number stays with the order that had it first. The other order is
          taken out of `page`, since a push under this number would reach another buyer.
        """
        shown = Counter(order.shop_id for order in page.values())
        keys = {
            order.shop_id: order_id
            for order_id, order in page.items()
            if order.shop_id
            and shown[order.shop_id] == 1
            and (order_id not in known or _differs(order.shop_id, known[order_id].shop_id))
        }
        holders = {
            order_id: str(known[order_id].shop_id)
            for order_id, order in page.items()
            if order_id in known and _differs(order.shop_id, known[order_id].shop_id)
        }
        if not keys and not holders:
            return {}
        tracked = self.state.numbers_by_shop_id(keys)
        former = {
            number: shop_id
            for shop_id, numbers in tracked.items()
            for number in numbers
            if len(numbers) == 1 and number != keys.get(shop_id)
        }
        looked_up = {**holders, **former}
        still_there: set[str] = set()
        moved: dict[str, str] = {}
        if looked_up and (self._keys_are_shared or self._looked_up < self.LOOKED_UP_AT_MOST):
            shown_now = {(order.order_id, order.shop_id) for order in self.find([*looked_up], looked_up).orders}
            still_there = {number for number, shop_id in looked_up.items() if (number, shop_id) in shown_now}
            moved = _moved(holders, shown_now)
            self._looked_up += len(looked_up)
            self._keys_are_shared |= bool(still_there)
        for number in still_there & holders.keys():
            self._leave_out(page.pop(number), holders[number])
        numbers = {number: keys[shop_id] for number, shop_id in former.items() if number not in still_there}
        numbers = {number: new for number, new in numbers.items() if new in page}
        for number, new in moved.items():
            if numbers.setdefault(number, new) == new and [*numbers.values()].count(new) > 1:
                del numbers[number]
                self._leave_out(page.pop(number), holders[number])
        return numbers

    def _leave_out(self, order: Order, holder: str) -> None:
        detail = (
            f"order {order.order_id}, shop_id {order.shop_id}, is left out: in the shop the number {order.order_id} is "
            f"that of shop_id {holder} too"
        )
        self.result.note_skipped([Skipped("number_taken", order.order_id, detail)])

    def finish(self) -> None:
        """The poll is complete: release its changes, or hold them all."""
        self.result.held += self.state.release_or_hold(self.max_changes, self.now)

    def _must_wait(self, decisions: Sequence[Decision], *, last: bool) -> bool:
        """Whether these changes wait for the end of the poll: more of it is to come, or they are too many."""
        changes = sum(decision.change is not None for decision in decisions)
        too_many = self.max_changes and changes > self.max_changes
        if changes and (self.max_changes or self.release_at_end) and (too_many or self.counting or not last):
            self.counting = True
            return True
        return False

    def _note(self, decisions: Sequence[Decision], seen: Mapping[str, Seen]) -> set[str]:
        self.not_as_shown |= {one.seen.order_id for one in decisions if one.seen.unpaid_since is not None}
        new = {decision.seen.order_id for decision in decisions} - seen.keys()
        changes = [decision.change for decision in decisions if decision.change is not None]
        self.result.found.update(change.found_by for change in changes)
        self.result.adopted += len(new) - len(new & {change.order_id for change in changes})
        return new


def _must_differ(page: Page) -> bool:
    """Whether some orders are read for the first time since they changed. Not if there are keys of the shop: of orders
    with other numbers the shop is asked, and that not within a transaction."""
    return any(order.beyond_cursor for order in page.orders) and all(order.shop_id is None for order in page.orders)


def _latest(orders: Sequence[Order], known: Mapping[str, Seen]) -> dict[str, Order]:
    """The last row of each number. If two orders show the number: of the one that is tracked under it."""
    latest: dict[str, Order] = {}
    for order in orders:
        number, before = order.order_id, known.get(order.order_id)
        is_anothers = before is not None and _differs(order.shop_id, before.shop_id)
        if not (number in latest and is_anothers and before and latest[number].shop_id == before.shop_id):
            latest[number] = order
    return latest


def _differs(shop_id: str | None, known: str | None) -> bool:
    return None not in (shop_id, known) and shop_id != known


def _moved(holders: Mapping[str, str], there: Collection[tuple[str, str | None]]) -> dict[str, str]:
    """Of these orders (number -> key) those that the shop shows under exactly one other number: former -> new."""
    numbers: dict[str | None, set[str]] = {}
    for number, shop_id in there:
        numbers.setdefault(shop_id, set()).add(number)
    shown = {number: numbers.get(shop_id, set()) for number, shop_id in holders.items()}
    return {number: min(others) for number, others in shown.items() if len(others) == 1 and number not in others}
