"""START HERE. A poll: what the shop shows now is compared with what was seen last, and put on disk.

    merchant's orders ──► source.changed ──► diff ──► staging ──► outbox ┄┄► deliver.py
      (DB or API)          Pages of Orders   pure     seen + changes + cursor
                                                      in one transaction

An incremental poll reads what changed since the cursor, and the lookback before it. A full compare (full_compare.py)
reads all orders, and finds what no cursor can: a row whose timestamp did not move, an order that vanished. A poll
pushes nothing, and no transaction of the state is open while the source is read. Next: deliver.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from syncd.errors import SourceError, SyncdError
from syncd.model import NO_ODD_ROWS, Baseline, OddRows, Page
from syncd.pipeline.diff import Policy, StatusAction
from syncd.pipeline.full_compare import FullCompare, ScannedSource, ScannedState
from syncd.pipeline.staging import PollResult, Stager

HISTORY_MARGIN = timedelta(days=1)
"""Where the shop was empty at the baseline, an order from a day or more before it counts as history: the time zone in
the settings may be wrong by up to 14 hours."""
AHEAD = timedelta(minutes=2)
"""A row that is dated further in the future than clocks differ."""
STATUSES_REDEFINED = 10
"""The guard's limit in the first compare after the query takes the status from another column. A few changes happened
while the settings were changed; more of them are the same statuses in other words."""


class Source(ScannedSource, Protocol):
    """The interface that a poll requires of a shop: implemented by `sources.database.database_source.DatabaseSource`
    and `sources.api.api_source.ApiSource`."""

    def has_cursor(self) -> bool:
        """Whether orders carry a timestamp or number to poll by; if not, every poll is a full compare. May raise
        SourceError."""

    def changed(self, cursor: str) -> Iterator[Page]:
        """Orders changed since `cursor` less the lookback; of one order's rows the last counts.

        Page.cursor None: the cursor stays where it is. A page may be empty: it shows that reading goes on. The caller
        handles each page at once, since the shop's statement may be open. May raise SourceError, also between pages.
        """


class PollState(ScannedState, Protocol):
    """The interface that a poll requires of the state: implemented by `state.polls`. Every method may raise
    StateError."""

    def baseline(self) -> Baseline | None: ...

    def set_key_definition(self, definition: str) -> None:
        """Record where the shop's own keys of orders come from. If that changed, the stored keys are forgotten."""

    def column_sources(self) -> Mapping[str, str] | None:
        """The recorded definition of each compared column; None: an earlier version did not record it."""

    def set_column_sources(self, definitions: Mapping[str, str]) -> None:
        """Record where each compared column comes from."""

    def set_baseline(self, baseline: Baseline) -> None: ...

    def set_cursor(self, cursor: str) -> None: ...

    def shop_ids(self, order_ids: Collection[str]) -> Mapping[str, str]:
        """The shop's own keys of those of the orders whose key is known."""

    def orders_to_compare(self, now: datetime) -> Sequence[str]:
        """Orders that this poll compares whatever the cursor says: a cancellation was answered with an earlier decision
        since they were last compared, or an earlier poll saw that their payment was taken back."""

    def orders_compared(self, order_ids: Collection[str], now: datetime) -> None:
        """The poll of `now` compared these orders, as far as the shop shows them."""

    def date_back_cancellations(self, now: datetime) -> None:
        """A poll begins at `now`, so decisions on cancellations that are dated later were made before it: a clock was
        set back since. Date them before it; and unfinished ones that would last far too long end now."""

    def has_failed(self) -> bool:
        """Whether the last poll that was recorded failed."""

    def resolve_unlisted(self, action: Callable[[str], StatusAction], max_changes: int, now: datetime) -> None:
        """Of the changes held because the statuses file did not list their status: release those that it pushes now
        (more than `max_changes` are held by the guard), discard those that it skips."""

    def record_poll(
        self,
        now: datetime,
        error: str | None,
        *,
        kind: str,
        rows: int = 0,
        changes: int = 0,
        read: bool = False,
        seconds: float | None = None,
        odd_rows: OddRows = NO_ODD_ROWS,
    ) -> None:
        """Record how a poll went, for `syncd.verdict` and the status page. `read`: although `error` tells of a fault,
        rows were read to their end and their changes are told."""


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls one shop. The caller runs one poll at a time.

    action      what the statuses file says of a status code
    max_changes  more changes than this in one poll are held by the guard; 0: no limit
    lookback     an order that is this much older than the newest one of the baseline is history: it is told to nobody
                 when it first shows
    push_first   tell the orders of the baseline too
    keys         where the shop's own keys of orders come from, as an opaque text; None: the shop shows none
    columns      where each compared column comes from, likewise. If one comes from elsewhere than before, all orders
                 are compared: what the column shows is recorded and told to nobody, but for statuses, of which more
                 than STATUSES_REDEFINED are held
    monotonic    a clock that says how long a poll took; None: that is not measured
    progress     called with the number of rows read so far; it may raise to abandon the poll, whose changes stay staged
    """

    source: Source
    state: PollState
    action: Callable[[str], StatusAction]
    max_changes: int
    lookback: timedelta
    push_first: bool = False
    keys: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    monotonic: Callable[[], float] | None = None
    progress: Callable[[int], None] = lambda _rows: None

    def poll(self, now: datetime, result: PollResult | None = None) -> PollResult:
        """Find and stage what changed since the last poll. SourceError, StateError: what was found until then is
        staged.

        A result with a `fault` counts as a failed poll, though all that it found is told. `result` is filled as the
        poll goes on: after an error it says what was done until then."""
        return self._recorded(now, result or PollResult("incremental"), self._poll)

    def reconcile(self, now: datetime, result: PollResult | None = None) -> PollResult:
        """Compare all orders. SourceError, StateError: what was found until then is staged."""
        return self._recorded(now, result or PollResult("full"), self._compare_all)

    def _recorded(self, now: datetime, result: PollResult, poll: Callable[[datetime, PollResult], None]) -> PollResult:
        """Run a poll and record in the state how it went."""
        started = self.monotonic() if self.monotonic else 0.0
        try:
            if self.keys is not None:
                self.state.set_key_definition(self.keys)
            self.state.resolve_unlisted(self.action, self.max_changes, now)
            self.state.date_back_cancellations(now)
            poll(now, result)
        except SourceError as error:
            self._release_if_it_lasts(now, result)
            self.state.record_poll(now, str(error), kind=result.kind)
            raise
        except SyncdError:
            raise
        except Exception as error:  # logged by the job; recorded here, so that status and metrics show the failure
            what = f"unexpected error in a poll ({type(error).__name__}); the log has its traceback, please report it"
            self.state.record_poll(now, what, kind=result.kind)
            raise
        self.state.record_poll(
            now,
            result.fault,
            kind=result.kind,
            rows=result.rows,
            changes=sum(result.found.values()),
            read=result.rows > 0,
            seconds=self.monotonic() - started if self.monotonic else None,
            odd_rows=_odd_rows(result),
        )
        return result

    def _release_if_it_lasts(self, now: datetime, result: PollResult) -> None:
        """The poll broke off, so nobody knows how many changes there are, and those found wait for the next poll, which
        counts them too. If that breaks off as well, they wait no longer: one order that makes the shop's API fail would
        keep the news of all others back."""
        if self.state.has_failed():
            redefined = self._redefined(self.state.column_sources())
            result.held += self.state.release_or_hold(self._limit(redefined), now)

    def _poll(self, now: datetime, result: PollResult) -> None:
        columns_before = self.state.column_sources()
        cursor = self._cursor_to_follow(result)
        if cursor is None or self._redefined(columns_before):
            self._compare_all(now, result)
            return
        self._follow(cursor, self._stager(result, now))
        self._record_columns(columns_before)

    def _cursor_to_follow(self, result: PollResult) -> str | None:
        """None: all orders must be compared. Sets the kind of `result` before the source is asked, so that a failure
        there is recorded as one of a full compare."""
        cursor = self.state.cursor()
        if cursor is None or self.state.baseline() is None:
            result.kind = "full"
            return None
        return cursor if self.source.has_cursor() else None

    def _follow(self, cursor: str, stager: Stager) -> None:
        for page in self.source.changed(cursor):
            stager.result.rows += len(page.orders) + len(page.skipped)
            stager.result.note_skipped(page.skipped)
            stager.result.note_dropped(order.dropped for order in page.orders)
            _note_ahead(stager.result, page, stager.now)
            stager.stage(page)
            self.progress(stager.result.rows)
        if orders := self.state.orders_to_compare(stager.now):
            stager.stage(self.source.find(orders, self.state.shop_ids(orders)), "full")
        self._finish(stager, orders)

    def _compare_all(self, now: datetime, result: PollResult) -> None:
        """Compare all orders. The first cursor and the baseline are recorded when all of them are staged: a poll that
        is interrupted before is followed by another full compare."""
        columns_before = self.state.column_sources()  # `reconcile` begins here, so nothing is known yet
        redefined = self._redefined(columns_before)
        cursor = self._cursor_to_follow(result)
        result.kind = "full"
        # A full compare may take long, so what changed since the cursor is told first. Not if the status is redefined:
        # the limit on redefined statuses counts all orders together.
        if cursor is not None and redefined and "status" not in redefined:
            # If no definitions were recorded, they most likely did not change: rows beyond the cursor are real changes.
            self._follow(cursor, self._stager(result, now, redefined, adopt_only_old=columns_before is None))
            result.read_again()
        stager = self._stager(result, now, redefined)
        baseline = self.state.baseline()
        has_cursor = self.source.has_cursor()
        whole = self.source.scans_whole or baseline is None or (has_cursor and self.state.cursor() is None)
        compare = FullCompare(self.source, self.state, stager, self.progress, whole=whole)
        if not compare.run():  # too many orders differ to look each of them up: read everything again, whole
            result.read_again()
            compare = FullCompare(self.source, self.state, stager, self.progress, whole=True)
            compare.run()
        newest = compare.newest()
        if newest and self.state.cursor() is None:
            self.state.set_cursor(newest[0])
        # An old order without a timestamp looks like a new one: were the baseline of such a shop taken while its query
        # shows nothing, the buyers of all its orders would be notified once it shows them again.
        if baseline is None and (has_cursor or result.rows):
            self.state.set_baseline(Baseline(now, newest[1] if newest else None))
            result.baseline = True
        self._finish(stager, self.state.orders_to_compare(now))
        self._record_columns(columns_before)
        result.redefined = sorted(redefined) if columns_before is not None else ()

    def _finish(self, stager: Stager, compared: Sequence[str]) -> None:
        """The poll is complete. `compared`: orders that had to be compared, whatever the cursor says, and were."""
        if settled := {*compared} - stager.put_off:
            self.state.orders_compared(settled, stager.now)
        stager.finish()

    def _redefined(self, before: Mapping[str, str] | None) -> frozenset[str]:
        """The columns that come from elsewhere than before. `before` None: that was never recorded. Then all columns
        count as redefined but the status: a status that changed meanwhile must not be lost."""
        known = {"status": self.columns.get("status")} if before is None else before
        return frozenset(column for column, definition in self.columns.items() if known.get(column) != definition)

    def _record_columns(self, before: Mapping[str, str] | None) -> None:
        """A column that is missing now keeps its definition: it may come back as it was."""
        if before != (columns := {**(before or {}), **self.columns}):
            self.state.set_column_sources(columns)

    def _stager(
        self,
        result: PollResult,
        now: datetime,
        redefined: frozenset[str] = frozenset(),
        *,
        adopt_only_old: bool = False,
    ) -> Stager:
        baseline = self.state.baseline()
        history_before = None
        if baseline is not None:  # not after now: the clock may have been set back since
            history_before = min(baseline.newest, now) - self.lookback if baseline.newest else None
            history_before = history_before or min(baseline.taken_at, now) - HISTORY_MARGIN
        policy = Policy(
            self.action,
            adopt_all=baseline is None and not self.push_first,
            history_before=history_before,
            adopt_columns=redefined - {"status"},
            adopt_only_old=adopt_only_old,
            now=now,
        )
        return Stager(
            self.state,
            policy,
            self._limit(redefined),
            now,
            result,
            find=self.source.find,
            release_at_end=self.source.scans_whole,
        )

    def _limit(self, redefined: Collection[str]) -> int:
        """How many changes the guard lets through while these columns are redefined."""
        return min(self.max_changes, STATUSES_REDEFINED) if "status" in redefined else self.max_changes


def _note_ahead(result: PollResult, page: Page, now: datetime) -> None:
    latest = now + AHEAD
    if ahead := [order.updated_at - now for order in page.orders if order.updated_at and order.updated_at > latest]:
        result.ahead += len(ahead)
        result.ahead_by = max(result.ahead_by, *ahead)


def _odd_rows(result: PollResult) -> OddRows:
    named = [row.order_id for row in result.skipped_rows if row.order_id]
    example = next((row.detail for row in result.skipped_rows), None)
    return OddRows(result.skipped.total(), tuple(named), example, result.ahead, result.ahead_by)
