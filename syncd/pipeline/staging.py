"""The second half of a poll: differences put on disk, and the guard against telling too many buyers at once.

Page of Orders ──► diff ──► one transaction: seen + changes + cursor ──► (poll over) ──► settle: let go, or hold all
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, Protocol, TypeAlias

from syncd.model import Decision, Dropped, FoundBy, Order, Page, Seen, Skipped
from syncd.pipeline.diff import Policy, diff

PollKind: TypeAlias = Literal["incremental", "full"]


class Staging(Protocol):
    """One transaction of the state. No other transaction stages at the same time, in this process or another."""

    def load(self, order_ids: Iterable[str]) -> Mapping[str, Seen]:
        """What was seen of those of the orders that are tracked."""

    def being_cancelled(self, order_ids: Iterable[str], since: datetime) -> set[str]:
        """Those of the orders that are being cancelled by their buyers, or were at some time since: a row read since
        then may show them as they were before."""

    def renumber(self, numbers: Mapping[str, str], now: datetime) -> None:
        """Give tracked orders other numbers, former -> new, with all that is kept of them."""

    def store(self, decisions: Sequence[Decision], now: datetime, *, counting: bool) -> None:
        """Save what is seen now and the changes: pending, or held as their `hold` says, or as `counting` if set.

        A change that is pending supersedes every older one of its order that is not being sent; one that is held
        supersedes only those that are held. A void decision supersedes both and adds nothing.
        """

    def set_cursor(self, cursor: str) -> None: ...


class StagingState(Protocol):
    """The little that staging needs of the state. Every method may raise StateError."""

    def cursor(self) -> str | None: ...

    def load(self, order_ids: Iterable[str]) -> Mapping[str, Seen]: ...

    def numbers_by_shop_id(self, shop_ids: Iterable[str]) -> Mapping[str, set[str]]:
        """The numbers of the tracked orders with these keys of the shop's."""

    def staging(self) -> AbstractContextManager[Staging]: ...

    def is_counting(self) -> bool:
        """Whether changes wait for the end of a poll: an earlier one was interrupted."""

    def settle(self, max_changes: int, now: datetime) -> int:
        """Let the changes held as `counting` go, or if there are more than `max_changes`, hold them all for the guard.

        Those of an earlier poll that was interrupted count too. Returns how many the guard holds because of this.
        """


REDEFINED = (
    "they come from elsewhere than before, so all orders were compared: what tracking, payment and message show now "
    "was noted and told to nobody, and more than a few new statuses are held"
)


@dataclass(slots=True)
class PollResult:
    """What a poll did.

    rows       that were read
    skipped    rows that cannot be read as an order, by reason
    dropped    fields that cannot be read, by name, of orders that go on without them: `dropped_from` so many orders
    found      changes, by the net that caught them
    adopted    orders seen for the first time and told to nobody
    baseline   all orders were, for there was no state yet
    held       changes that the guard stopped
    missing    orders that are not in the source any more
    redefined  compared columns that come from elsewhere than before
    fault      why orders that the source does not show were not forgotten; what it does show was compared and staged
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
    fault: str | None = None

    SKIPPED_ROWS_KEPT: ClassVar = 20

    def read_again(self) -> None:
        """All rows are read once more: forget what was counted of them. What was found is on disk, and stays."""
        self.rows = self.dropped_from = 0
        self.skipped_rows = []
        for counted in (self.skipped, self.dropped, self.dropped_examples):
            counted.clear()

    def note_skipped(self, skipped: Sequence[Skipped]) -> None:
        self.skipped.update(row.reason for row in skipped)
        self.skipped_rows += skipped[: self.SKIPPED_ROWS_KEPT - len(self.skipped_rows)]

    def note_dropped(self, of_orders: Iterable[Sequence[Dropped]]) -> None:
        """What was dropped of each of some orders, mostly nothing."""
        for fields in filter(None, of_orders):
            self.dropped_from += 1
            for one in fields:
                self.dropped[one.field] += 1
                self.dropped_examples.setdefault(one.field, one)


@dataclass(slots=True)
class Stager:
    """Stages one poll's pages. `max_changes` 0: the guard is off. `waits`: no change goes before the poll is over, for
    a later row may show its order otherwise. `find`: the orders that the shop shows now under these numbers, of which
    some have these keys."""

    state: StagingState
    policy: Policy
    max_changes: int
    now: datetime
    result: PollResult
    find: Callable[[Sequence[str], Mapping[str, str]], Page]
    waits: bool = False
    counting: bool = field(init=False)
    put_off: set[str] = field(default_factory=set)
    """Orders that this poll leaves to the next one. The cursor stays too, so that it reads them again."""
    not_as_shown: set[str] = field(default_factory=set)
    """Orders that are not seen as the shop shows them: whether their payment is gone the next poll will tell."""

    _looked_up: int = 0
    _shares_keys: bool = False

    LOOKED_UP_AT_MOST: ClassVar = 500
    """So many orders that come with another number are looked up under the former one, in one poll. If the shop shows
    none of them there any more, the others are like them: another number was chosen for all orders."""

    def __post_init__(self) -> None:
        self.counting = self.state.is_counting()

    def stage(self, page: Page, found_by: FoundBy | None = None) -> set[str]:
        """Put what differs on disk, with the page's cursor; returns the ids of the orders first seen under them here.

        Most polls find nothing, so the differences are looked for before the transaction that locks out others, and
        again within it.
        """
        if not page.orders and page.cursor is None:
            return set()
        known = self.state.load(order.order_id for order in page.orders)
        latest = _latest(page.orders, known)
        numbers = {} if self.policy.adopt_all else self._other_numbers(latest, known)
        differing = diff(latest.values(), known, self.policy, found_by)
        cursor_moves = page.cursor is not None and page.cursor != self.state.cursor()
        if not differing and not cursor_moves:
            return set()
        with self.state.staging() as staging:
            if numbers:
                staging.renumber(numbers, self.now)
            suspects = [latest[decision.seen.order_id] for decision in differing]
            self.put_off |= staging.being_cancelled((order.order_id for order in suspects), self.now)
            suspects = [order for order in suspects if order.order_id not in self.put_off]
            seen = staging.load(order.order_id for order in suspects)
            decisions = diff(suspects, seen, self.policy, found_by)
            staging.store(decisions, self.now, counting=self._counts(decisions, last=page.last))
            if page.cursor is not None and not self.put_off:
                staging.set_cursor(page.cursor)
        return self._note(decisions, seen) | {*numbers.values()}

    def _other_numbers(self, page: dict[str, Order], known: Mapping[str, Seen]) -> dict[str, str]:
        """Orders that are tracked by the shop's key under another number than they come with now: former -> new.

        Where the shop shows one key with two numbers they are two orders. Where it shows one number with two keys, the
        number stays that of the order that had it first, and the other one is taken out of `page`: it has no number of
        its own yet, and what is told under this one would reach another buyer.
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
        sought = {**holders, **former}
        two: set[str] = set()
        moved: dict[str, str] = {}
        if sought and (self._shares_keys or self._looked_up < self.LOOKED_UP_AT_MOST):
            there = {(order.order_id, order.shop_id) for order in self.find([*sought], sought).orders}
            two = {number for number, shop_id in sought.items() if (number, shop_id) in there}
            moved = _moved(holders, there)
            self._looked_up += len(sought)
            self._shares_keys |= bool(two)
        for number in two & holders.keys():
            self._leave_out(page.pop(number), holders[number])
        numbers = {number: keys[shop_id] for number, shop_id in former.items() if number not in two}
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
        """The poll is complete: let its changes go, or hold them all."""
        self.result.held = self.state.settle(self.max_changes, self.now)

    def _counts(self, decisions: Sequence[Decision], *, last: bool) -> bool:
        """Whether these changes must wait for the end of the poll, since more of it is to come or they are too many."""
        changes = sum(decision.change is not None for decision in decisions)
        too_many = self.max_changes and changes > self.max_changes
        if changes and (self.max_changes or self.waits) and (too_many or self.counting or not last):
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


def _latest(orders: Sequence[Order], known: Mapping[str, Seen]) -> dict[str, Order]:
    """The last row of each number; where another order shows the number too, of the order that is known by it."""
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
    """Those of these orders, number -> key, that the shop shows under one other number: former -> new."""
    numbers: dict[str | None, set[str]] = {}
    for number, shop_id in there:
        numbers.setdefault(shop_id, set()).add(number)
    shown = {number: numbers.get(shop_id, set()) for number, shop_id in holders.items()}
    return {number: min(others) for number, others in shown.items() if len(others) == 1 and number not in others}
