"""A full compare: everything the shop shows against everything that was seen, in flat memory.

    source.scan ──► segments ──► digest as last time? ──► yes: nothing more to do
     compared columns                └► no: put aside ──► row by row ──► differs ──► source.look_up ──► staging.py

Digests only save work. A change is found by comparing rows with what was seen, so a lost digest costs time and hides
nothing: whatever writes what was seen of an order drops the digest of its segment.

A database is read to its last row before anything is written to the state: as long as its statement is open, it may
keep others from writing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from syncd.errors import SourceError
from syncd.model import Identified, Page, Seen, Skipped
from syncd.pipeline.diff import as_shown
from syncd.pipeline.segments import Row, Segment, segments
from syncd.pipeline.staging import Stager, StagingState
from syncd.spool import Spool

CONFIRMED_AT_ONCE = 1000
"""Segments, of about 251 orders each, that are confirmed in one transaction."""
LOOKED_UP_AT_ONCE = 500
LOOKED_UP_AT_MOST = 5000
"""If more orders differ, all orders are read again, whole, instead: where the shop's id is an expression, each look-up
scans its table."""
RECHECKED_AT_MOST = 10_000
"""If more orders are gone, the cause is not that they moved between two pages while these were read."""
RECHECKED_KEY = 1
"""The segment of orders that a scan lost and a second look found. It keeps no digest."""


class Scan(Protocol):
    """One pass over all orders. Every method may raise SourceError."""

    @property
    def width(self) -> int:
        """How many columns of a row are compared; the first of them is the id."""

    def blocks(self) -> Iterator[Sequence[Row]]:
        """All rows, in an order that is the same in each scan; of one order's rows the last counts.

        Unless the source scans whole, the caller handles each block at once, since the shop's statement is open. A
        block may be empty: it shows that reading goes on."""

    def content(self, row: Row) -> Identified | Skipped:
        """The compared part of the order in this row."""

    def read(self, rows: Sequence[Row]) -> Page:
        """The orders in these rows. Only for a scan that is whole."""

    def newest(self) -> tuple[str, datetime | None] | None:
        """After a whole scan: the cursor for the next poll, and the newest `updated_at`, if rows have one. None: no row
        had a number, or an `updated_at` before the source's present."""


class ScannedSource(Protocol):
    """The interface that a full compare requires of a shop."""

    @property
    def scans_whole(self) -> bool:
        """Whether a scan reads all columns anyway, so that no order is looked up: true of APIs."""

    def scan(self, *, whole: bool) -> Scan:
        """`whole`: read all columns, not only those that are compared."""

    def look_up(self, ids: Sequence[Any]) -> Page:
        """The orders with these ids, given as a scan gave them. May raise SourceError."""

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str]) -> Page:
        """The orders with these numbers, or with the shop's own keys, which are known of some of them; an order that
        has got another number comes with that one. May raise SourceError."""

    def still_shown(self, order_ids: Collection[str]) -> Iterator[Page]:
        """Those of these orders that the shop shows, though the scan did not; none where no scan loses an order. A page
        may be empty: it shows that the search goes on. May raise SourceError."""


class ScannedState(StagingState, Protocol):
    """The interface that a full compare requires of the state. Every method may raise StateError."""

    def tracked(self) -> int:
        """How many orders are tracked and not missing."""

    def start_compare(self) -> int:
        """A number for this compare, higher than those of all earlier ones."""

    def digests(self, keys: Sequence[int] | None = None) -> Mapping[int, tuple[bytes, int]]:
        """The valid digests of these segments (None: of all), and how many tracked orders each covers."""

    def confirm_segments(self, keys: Sequence[int], compare: int) -> None:
        """These segments are unchanged, so this compare has seen all their orders."""

    def replace_segment(
        self, key: int, order_ids: Sequence[str], digest: bytes | None, compare: int, since: datetime
    ) -> None:
        """This compare has seen these tracked orders, which now make up the segment. The digests of the segments that
        they were in before are dropped. `digest` None: the next compare examines the segment row by row too; so it does
        if a buyer cancelled one of the orders since this compare began (`since`)."""

    def unseen(self, compare: int, limit: int) -> Sequence[str]:
        """Tracked orders that this compare did not see, `limit` at most."""

    def mark_missing(self, compare: int, now: datetime) -> int | None:
        """Mark the tracked orders that this compare did not see as missing, and return how many they are. If they are
        all orders, or ten or more and over a tenth of all, and no operator accepted that: mark none, return None."""

    def clear_refused_missing(self) -> None:
        """A compare saw every tracked order: a refusal to mark orders as missing is over."""


class FullCompare:
    """One full compare. `progress` is called with the number of rows read so far; it may raise to abandon the
    compare."""

    def __init__(
        self,
        source: ScannedSource,
        state: ScannedState,
        stager: Stager,
        progress: Callable[[int], None],
        *,
        whole: bool,
    ) -> None:
        self._source = source
        self._state = state
        self._stager = stager
        self._progress = progress
        self._whole = whole
        self._scan = source.scan(whole=whole)
        self._compare = state.start_compare()
        self._present = 0
        self._same: list[int] = []
        self._differing: list[Any] = []
        self._looked_up = 0

    def run(self) -> bool:
        """Compare all orders. False: too many differ to look each of them up, and all must be read again, whole."""
        changed = self._changed_while_reading() if self._source.scans_whole else self._changed_after_reading()
        for segment in changed:
            self._progress(self._stager.result.rows)
            self._examine(segment)
            if len(self._differing) >= LOOKED_UP_AT_ONCE:
                self._look_up()
            if self._looked_up > LOOKED_UP_AT_MOST:
                return False
        self._look_up()
        self._mark_missing()
        return True

    def newest(self) -> tuple[str, datetime | None] | None:
        return self._scan.newest()

    def _blocks(self) -> Iterator[Sequence[Row]]:
        for block in self._scan.blocks():
            self._stager.result.rows += len(block)
            self._progress(self._stager.result.rows)
            yield block

    def _changed_after_reading(self) -> Iterator[Segment]:
        """The segments of a database that changed, once all rows are read. Of every 251 orders a key and a digest are
        in memory; the rows themselves are in a spool."""
        known = self._state.digests()
        heads: list[tuple[int, bytes]] = []
        with closing(Spool()) as spool:
            for segment in segments(self._blocks(), self._scan.width):
                if not self._is_same(segment, known):
                    heads.append((segment.key, segment.digest))
                    spool.put(segment.rows)
            for (key, digest), rows in zip(heads, spool.blocks(), strict=True):
                yield Segment(key, rows, digest)

    def _changed_while_reading(self) -> Iterator[Segment]:
        """The segments of an API that changed, as they come: while one is staged, the next page is being fetched. Each
        segment's digest is loaded in its turn, since staging an order that comes twice drops digests."""
        for segment in segments(self._blocks(), self._scan.width):
            if not self._is_same(segment, self._state.digests([segment.key])):
                yield segment

    def _is_same(self, segment: Segment, known: Mapping[int, tuple[bytes, int]]) -> bool:
        digest, orders = known.get(segment.key, (b"", 0))
        if segment.digest != digest:
            return False
        self._present += orders
        self._same.append(segment.key)
        return True

    def _confirm(self) -> None:
        for start in range(0, len(self._same), CONFIRMED_AT_ONCE):
            self._state.confirm_segments(self._same[start : start + CONFIRMED_AT_ONCE], self._compare)
        self._same.clear()

    def _examine(self, segment: Segment) -> None:
        """Compare a segment row by row. Its digest is kept only if each row is a tracked order that is as it was
        seen."""
        rows: dict[str, Row] = {}
        contents: dict[str, Identified] = {}
        skipped: list[Skipped] = []
        repeated: set[str] = set()
        for row in segment.rows:
            read = self._scan.content(row)
            if isinstance(read, Skipped):
                skipped.append(read)
                continue
            if read.order_id in rows:
                repeated.add(read.order_id)
            rows[read.order_id], contents[read.order_id] = row, read
        self._stager.result.note_skipped(skipped)
        seen = self._state.load([*contents, *(row.order_id for row in skipped if row.order_id)])
        self._present += len(seen)
        # A scan is not ordered by time: of several rows of one order only a look-up tells the last.
        same = {order_id for order_id in contents if _same(contents[order_id], seen.get(order_id))} - repeated
        differing = [row for order_id, row in rows.items() if order_id not in same]
        self._stager.result.note_dropped(contents[order_id].dropped for order_id in same)
        if self._whole:
            self._stage(self._scan.read(differing))
        else:
            self._differing += [row[0] for row in differing]
        complete = len(contents) == len(segment.rows) and (self._whole or not differing)
        recorded = contents.keys().isdisjoint(self._stager.put_off | self._stager.not_as_shown)
        dropped = any(found.dropped for found in contents.values())  # dropped fields are counted in each compare
        digest = segment.digest if complete and recorded and not dropped else None
        present = [*seen, *(contents.keys() - seen.keys() if self._whole else ())]
        self._state.replace_segment(segment.key, present, digest, self._compare, self._stager.now)

    def _look_up(self) -> None:
        for start in range(0, len(self._differing), LOOKED_UP_AT_ONCE):
            self._stage(self._source.look_up(self._differing[start : start + LOOKED_UP_AT_ONCE]))
        self._looked_up += len(self._differing)
        self._differing.clear()

    def _stage(self, page: Page) -> None:
        """Never as the last page: more may come, and the guard counts all of it."""
        self._stager.result.note_dropped(order.dropped for order in page.orders)
        self._present += len(self._stager.stage(replace(page, last=False), "full"))

    def _mark_missing(self) -> None:
        """Mark as missing the orders that the shop does not show. If they are too many, that is a fault, which goes
        into the result and raises nothing: changes of the orders that are shown are told all the same."""
        tracked, result = self._state.tracked(), self._stager.result
        if self._present >= tracked:
            self._state.clear_refused_missing()
            return
        self._confirm()
        try:
            self._recheck()
        except SourceError as error:
            gone = tracked - self._present
            result.fault = f"whether {gone} orders are gone is not known, so none of them is forgotten: {error}"
            return
        missing = self._state.mark_missing(self._compare, self._stager.now)
        if missing is None:
            result.fault = (
                f"the shop shows only {self._present} of the {tracked} orders that it showed before. That looks like a "
                "fault of the shop or of the query, so none of them is forgotten. If it is right, run: syncd release"
            )
        else:
            result.missing = missing

    def _recheck(self) -> None:
        """Look once more for orders that seem to be gone, where a scan may lose orders."""
        unseen = self._state.unseen(self._compare, RECHECKED_AT_MOST + 1)
        if len(unseen) > RECHECKED_AT_MOST:
            return
        found: set[str] = set()
        for page in self._source.still_shown(unseen):
            self._progress(self._stager.result.rows)
            self._stage(page)
            found |= {order.order_id for order in page.orders}
            found |= {row.order_id for row in page.skipped if row.order_id}
        if found:
            self._state.replace_segment(RECHECKED_KEY, [*found], None, self._compare, self._stager.now)
            self._present += len(found)


def _same(found: Identified, seen: Seen | None) -> bool:
    if seen is None or seen.missing:
        return False
    shown = as_shown(found, seen) if found.dropped else (found.content, found.imshop_uuid, found.shop_id)
    return shown == (seen.content, seen.imshop_uuid, seen.shop_id)
