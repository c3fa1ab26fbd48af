"""START HERE. A poll: what the shop shows now is compared with what was seen last, and put on disk.

    merchant's orders ──► source.changed ──► diff ──► staging ──► outbox ┄┄► deliver.py
      (DB or API)          Pages of Orders   pure     seen + changes + cursor
                                                      in one transaction

An incremental poll reads what changed since the cursor, and a little before it. A full compare (reconcile.py) reads
everything, and finds what no cursor can: a row whose timestamp did not move, an order that vanished. Nothing is
pushed from here, and no transaction of the state is open while the source is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from syncd.errors import SourceError, SyncdError
from syncd.model import Baseline, Page
from syncd.pipeline.diff import Policy, Verdict
from syncd.pipeline.full_compare import FullCompare, ScannedSource, ScannedState
from syncd.pipeline.staging import PollKind, PollResult, Stager

HISTORY_MARGIN = timedelta(days=1)
"""A shop that was empty at the baseline has no newest order to tell history by, only the baseline's own time; the
shop's time zone may be set wrong by up to 14 hours."""
STATUSES_REDEFINED = 10
"""So many changes may go out in the first compare after statuses came from elsewhere: those of the time in which the
settings were changed. More of them are no changes, but the same statuses in other words."""


class Source(ScannedSource, Protocol):
    """The little that a poll needs of a shop."""

    def has_cursor(self) -> bool:
        """Whether orders carry something to poll by; without it every poll is a full compare. May raise SourceError."""

    def changed(self, cursor: str) -> Iterator[Page]:
        """Orders changed since `cursor` less the lookback; of one order's rows the last counts.

        Page.cursor None: keep the one there is. Pages may be empty: they tell that the reading goes on, and whoever
        takes one must not be long, for the shop may be waiting. May raise SourceError, also between pages.
        """


class PollState(ScannedState, Protocol):
    """The little that a poll needs of the state. Every method may raise StateError."""

    def baseline(self) -> Baseline | None: ...

    def set_key_definition(self, definition: str) -> None:
        """What the shop's own keys of orders are from now on. If they were something else, those that are kept are
        forgotten."""

    def column_sources(self) -> Mapping[str, str] | None:
        """Where the compared columns came from as the orders were seen; None: nobody noted."""

    def set_column_sources(self, definitions: Mapping[str, str]) -> None:
        """What was seen of the orders came from there."""

    def set_baseline(self, baseline: Baseline) -> None: ...

    def set_cursor(self, cursor: str) -> None: ...

    def shop_ids(self, order_ids: Collection[str]) -> Mapping[str, str]:
        """The shop's own keys of those of the orders whose key is known."""

    def orders_to_compare(self, now: datetime) -> Sequence[str]:
        """Orders that are to be compared whatever the cursor says: their buyers were answered with an earlier decision
        since a poll last looked at them, or another poll than that of `now` saw that their payment was taken back."""

    def orders_compared(self, order_ids: Collection[str], now: datetime) -> None:
        """The poll of `now` compared these orders with what they are in the shop, as far as it found them there."""

    def resolve_unlisted(self, verdict: Callable[[str], Verdict], max_changes: int, now: datetime) -> None:
        """Changes held because their status was not listed: let go those that are to be pushed now (if they are more
        than `max_changes`, the guard holds them), discard those that are to be skipped."""

    def record_poll(
        self, now: datetime, error: str | None, *, kind: str, rows: int = 0, changes: int = 0, read: bool = False
    ) -> None:
        """Note for `syncd status` and the status page how the last poll went. `read`: whatever the error, what the shop
        shows was read to its end, and is told."""


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls one shop. One poll at a time; the caller sees to that.

    `verdict`: what the statuses file says of a code. `max_changes`: more than that in one poll are held; 0: never.
    `lookback`: how far before the newest order of the baseline an order still is news and not history.
    `push_first`: orders that are there at the first poll are told too. `keys`: what the shop's own keys of orders are,
    in whatever words; None: it shows none. `columns`: where each compared column comes from, likewise. Where one comes
    from elsewhere than before, all orders are compared at once: what it shows is noted and told to nobody, but for
    statuses, of which more than a few are held. `progress` is called with the number of rows read so far, and may raise
    to abandon the poll: what was staged stays, what was not is found again.
    """

    source: Source
    state: PollState
    verdict: Callable[[str], Verdict]
    max_changes: int
    lookback: timedelta
    push_first: bool = False
    keys: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    progress: Callable[[int], None] = lambda _rows: None

    def poll(self, now: datetime) -> PollResult:
        """Find and stage what changed since the last poll. SourceError, StateError: as much as was found is staged.

        A result with a `fault` counts as a failed poll, though all that it found goes out."""
        return self._noted("incremental", self._poll, now)

    def reconcile(self, now: datetime) -> PollResult:
        """Compare everything. SourceError, StateError: as much as was found is staged."""
        return self._noted("full", self._compare_all, now)

    def _poll(self, now: datetime) -> PollResult:
        before = self.state.column_sources()
        cursor = self._to_follow_from()
        if cursor is None or self._redefined(before):
            return self._compare_all(now)
        result = self._follow(cursor, self._stager("incremental", self.state.baseline(), now))
        self._note_columns(before)
        return result

    def _to_follow_from(self) -> str | None:
        """The cursor; None: all orders are to be compared."""
        cursor = self.state.cursor()
        return cursor if cursor is not None and self.state.baseline() is not None and self.source.has_cursor() else None

    def _follow(self, cursor: str, stager: Stager) -> PollResult:
        for page in self.source.changed(cursor):
            stager.result.rows += len(page.orders) + len(page.skipped)
            stager.result.note_skipped(page.skipped)
            stager.result.note_dropped(order.dropped for order in page.orders)
            stager.stage(page)
            self.progress(stager.result.rows)
        self._look_again(stager)
        stager.finish()
        return stager.result

    def _compare_all(self, now: datetime) -> PollResult:
        before = self.state.column_sources()
        redefined = self._redefined(before)
        followed = self._follow_first(now, redefined, unsure=before is None)
        baseline = self.state.baseline()
        follows = self.source.has_cursor()
        whole = self.source.scans_whole or baseline is None or (follows and self.state.cursor() is None)
        stager = self._stager("full", baseline, now, redefined)
        compare = FullCompare(self.source, self.state, stager, self.progress, whole=whole)
        if not compare.run():
            stager.result.read_again()
            compare = FullCompare(self.source, self.state, stager, self.progress, whole=True)
            compare.run()
        newest = compare.newest()
        if newest and self.state.cursor() is None:
            self.state.set_cursor(newest[0])
        if baseline is None and (follows or stager.result.rows):
            self.state.set_baseline(Baseline(now, newest[1] if newest else None))
            stager.result.baseline = True
        self._look_again(stager, compared=True)
        stager.finish()
        self._note_columns(before)
        stager.result.redefined = sorted(redefined) if before is not None else ()
        if followed:
            stager.result.found.update(followed.found)
            stager.result.held += followed.held
        return stager.result

    def _follow_first(self, now: datetime, redefined: frozenset[str], *, unsure: bool) -> PollResult | None:
        """What the cursor shows is not to wait until all orders were compared, for that may take long. Statuses in
        other words are: they are counted together. `unsure`: most likely the columns come from where they came before,
        so what a row shows that was changed since is news."""
        cursor = self._to_follow_from()
        if cursor is None or not redefined or "status" in redefined:
            return None
        stager = self._stager("incremental", self.state.baseline(), now, redefined, adopt_only_old=unsure)
        return self._follow(cursor, stager)

    def _look_again(self, stager: Stager, *, compared: bool = False) -> None:
        """Compare the orders that a poll is to look at whatever the shop's cursor says. `compared`: they were, as all
        orders are."""
        orders = self.state.orders_to_compare(stager.now)
        if orders and not compared:
            stager.stage(self.source.find(orders, self.state.shop_ids(orders)), "full")
        if settled := {*orders} - stager.put_off:
            self.state.orders_compared(settled, stager.now)

    def _redefined(self, before: Mapping[str, str] | None) -> frozenset[str]:
        """Columns that come from elsewhere than before. What a version that noted nothing took them from is not known:
        they may, but for the status, whose changes since then are not to be lost."""
        known = {"status": self.columns.get("status")} if before is None else before
        return frozenset(column for column, definition in self.columns.items() if known.get(column) != definition)

    def _note_columns(self, before: Mapping[str, str] | None) -> None:
        """One that is not given now may be given again as it was."""
        if before != (columns := {**(before or {}), **self.columns}):
            self.state.set_column_sources(columns)

    def _stager(
        self,
        kind: PollKind,
        baseline: Baseline | None,
        now: datetime,
        redefined: frozenset[str] = frozenset(),
        *,
        adopt_only_old: bool = False,
    ) -> Stager:
        self.state.resolve_unlisted(self.verdict, self.max_changes, now)
        policy = Policy(
            self.verdict,
            adopt_all=baseline is None and not self.push_first,
            history_before=self._history_before(baseline),
            adopt_columns=redefined - {"status"},
            adopt_only_old=adopt_only_old,
            now=now,
        )
        at_most = min(self.max_changes, STATUSES_REDEFINED) if "status" in redefined else self.max_changes
        return Stager(
            self.state,
            policy,
            at_most,
            now,
            PollResult(kind),
            find=self.source.find,
            waits=self.source.scans_whole,
        )

    def _history_before(self, baseline: Baseline | None) -> datetime | None:
        if baseline is None:
            return None
        return baseline.newest - self.lookback if baseline.newest else baseline.taken_at - HISTORY_MARGIN

    def _noted(self, kind: PollKind, poll: Callable[[datetime], PollResult], now: datetime) -> PollResult:
        try:
            if self.keys is not None:
                self.state.set_key_definition(self.keys)
            result = poll(now)
        except SourceError as error:
            self.state.record_poll(now, str(error), kind=kind)
            raise
        except SyncdError:
            raise
        except Exception as error:  # told by whoever runs the poll; until it is over, nothing may look like health
            what = f"a poll failed in a way nobody foresaw ({type(error).__name__}); the log has more, please report it"
            self.state.record_poll(now, what, kind=kind)
            raise
        self.state.record_poll(
            now,
            result.fault,
            kind=result.kind,
            rows=result.rows,
            changes=sum(result.found.values()),
            read=result.rows > 0,
        )
        return result
