"""A full compare: everything the shop shows against everything that was seen, in flat memory.

    source.scan ──► segments ──► digest as last time? ──► yes: nothing more to do
     compared columns                └► no: put aside ──► row by row ──► differs ──► source.look_up ──► staging.py

The digests only save work. What differs is found by comparing with what was seen, so a lost digest costs time, and
none can hide a change: whoever writes what is seen of an order drops the digest of the segment it is in.

Until the last row is read, nothing is asked of the state: a database lets nobody else write as long as its statement is
open.
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
"""One transaction, that is one fsync, for about 250,000 unchanged orders."""
LOOKED_UP_AT_ONCE = 500
LOOKED_UP_AT_MOST = 5000
"""If more orders differ, everything is read again, whole, instead: where the shop's id is an expression, each look-up
costs it a scan of its table."""
LOOKED_AGAIN_AT_MOST = 10_000
"""If more orders are gone, it is not because they slipped through between two pages."""
LOOKED_AGAIN = 1  # the key of their segment, which keeps no digest


class Scan(Protocol):
    """One pass over all orders. Every method may raise SourceError."""

    @property
    def width(self) -> int:
        """How many columns of a row are compared; the first of them is the id."""

    def blocks(self) -> Iterator[Sequence[Row]]:
        """All rows, in an order that is the same in each scan; of one order's rows the last counts.

        Unless the source scans whole, whoever takes a block must not be long: the shop may be waiting. Blocks may be
        empty: they tell that the reading goes on."""

    def content(self, row: Row) -> Identified | Skipped:
        """What is compared of the order."""

    def read(self, rows: Sequence[Row]) -> Page:
        """The orders in these rows. Only for a scan that is whole."""

    def newest(self) -> tuple[str, datetime | None] | None:
        """After a whole scan: where a poll is to start, and the newest `updated_at`, if rows have one. None: no row had
        a number, or an `updated_at` that lies before the source's present."""


class ScannedSource(Protocol):
    """The little that a full compare needs of a shop."""

    @property
    def scans_whole(self) -> bool:
        """Whether a scan reads all columns anyway, so that nothing need be looked up."""

    def scan(self, *, whole: bool) -> Scan:
        """`whole`: all columns are read, not just those that are compared."""

    def look_up(self, ids: Sequence[Any]) -> Page:
        """The orders with these ids, given as a scan gave them. May raise SourceError."""

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str]) -> Page:
        """The orders with these numbers, or with the shop's own keys that are known of some of them. One that has
        another number by now comes with that. May raise SourceError."""

    def still_shown(self, order_ids: Collection[str]) -> Iterator[Page]:
        """Those of these orders that are there, though a scan did not show them; none where no scan loses an order.
        Pages may be empty: they tell that the search goes on. May raise SourceError."""


class ScannedState(StagingState, Protocol):
    """The little that a full compare needs of the state. Every method may raise StateError."""

    def tracked(self) -> int:
        """How many orders are tracked and not missing."""

    def start_compare(self) -> int:
        """A number for this compare, higher than those of all before."""

    def digests(self, keys: Sequence[int] | None = None) -> Mapping[int, tuple[bytes, int]]:
        """The digests that still hold of these segments, None: of all, and how many tracked orders each covers."""

    def confirm_segments(self, keys: Sequence[int], compare: int) -> None:
        """These segments are as they were, so this compare has seen all their orders."""

    def replace_segment(
        self, key: int, order_ids: Sequence[str], digest: bytes | None, compare: int, since: datetime
    ) -> None:
        """This compare has seen these tracked orders, and they make up the segment. The digests of segments that they
        were in before are dropped. `digest` None: the segment is to be looked at row by row next time too; so it is if
        a buyer cancelled one of them since this compare began, `since`: what it was compared with holds no more."""

    def unseen(self, compare: int, limit: int) -> Sequence[str]:
        """Tracked orders that this compare did not see, `limit` at most."""

    def mark_missing(self, compare: int, now: datetime) -> int | None:
        """Mark the tracked orders that this compare did not see as missing, and return how many they are.

        None, and nothing is marked: they are ten or more and over a tenth of all, or they are all, and no operator has
        accepted that.
        """

    def clear_refused_missing(self) -> None:
        """A compare saw every tracked order: what an earlier one refused to forget is there again."""


class FullCompare:
    """One full compare. `progress` is called with the number of rows read so far, and may raise to abandon it."""

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
        """Compare everything. False: too much differs to look it all up; a whole compare must take over."""
        changed = self._changed_as_they_come if self._source.scans_whole else self._changed_put_aside
        for segment in changed():
            self._progress(self._stager.result.rows)
            self._examine(segment)
            if len(self._differing) >= LOOKED_UP_AT_ONCE:
                self._look_up()
            if self._looked_up > LOOKED_UP_AT_MOST:
                return False
        self._look_up()
        self._miss()
        return True

    def newest(self) -> tuple[str, datetime | None] | None:
        return self._scan.newest()

    def _blocks(self) -> Iterator[Sequence[Row]]:
        for block in self._scan.blocks():
            self._stager.result.rows += len(block)
            self._progress(self._stager.result.rows)
            yield block

    def _changed_put_aside(self) -> Iterator[Segment]:
        """A database's, once all rows are read. A digest and a key for each 251 orders are held in memory."""
        known = self._state.digests()
        heads: list[tuple[int, bytes]] = []
        with closing(Spool()) as spool:
            for segment in segments(self._blocks(), self._scan.width):
                if not self._is_same(segment, known):
                    heads.append((segment.key, segment.digest))
                    spool.put(segment.rows)
            for (key, digest), rows in zip(heads, spool.blocks(), strict=True):
                yield Segment(key, rows, digest)

    def _changed_as_they_come(self) -> Iterator[Segment]:
        """An API's: while one segment is put on disk, the next page is on its way. Of an order that comes twice the
        second row must not pass for one that was compared before, so each segment's digest is asked for in its turn."""
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
        """Compare a segment row by row. Its digest is kept only if each row is a tracked order just as it was seen."""
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
        # Of several rows of one order only a look-up knows which is the last: a scan is not ordered by their time.
        same = {order_id for order_id in contents if _same(contents[order_id], seen.get(order_id))} - repeated
        differing = [row for order_id, row in rows.items() if order_id not in same]
        self._stager.result.note_dropped(contents[order_id].dropped for order_id in same)
        if self._whole:
            self._stage(self._scan.read(differing))
        else:
            self._differing += [row[0] for row in differing]
        as_seen = len(contents) == len(segment.rows) and (self._whole or not differing)
        as_seen = as_seen and contents.keys().isdisjoint(self._stager.put_off | self._stager.not_as_shown)
        as_seen = as_seen and not any(found.dropped for found in contents.values())  # they are counted each time
        present = [*seen, *(contents.keys() - seen.keys() if self._whole else ())]
        digest = segment.digest if as_seen else None
        self._state.replace_segment(segment.key, present, digest, self._compare, self._stager.now)

    def _look_up(self) -> None:
        for start in range(0, len(self._differing), LOOKED_UP_AT_ONCE):
            self._stage(self._source.look_up(self._differing[start : start + LOOKED_UP_AT_ONCE]))
        self._looked_up += len(self._differing)
        self._differing.clear()

    def _stage(self, page: Page) -> None:
        """Never as the last page: there may be more to come, and the guard counts all of it."""
        self._stager.result.note_dropped(order.dropped for order in page.orders)
        self._present += len(self._stager.stage(replace(page, last=False), "full"))

    def _miss(self) -> None:
        """Law: forgetting an order needs a complete full compare, and a source that shows far less is a fault.

        The fault is the result's and raises nothing: what was found in the orders that are shown is told all the same.
        """
        tracked, result = self._state.tracked(), self._stager.result
        if self._present >= tracked:
            self._state.clear_refused_missing()
            return
        self._confirm()
        try:
            self._look_again()
        except SourceError as error:
            gone = tracked - self._present
            result.fault = f"whether {gone} orders are gone cannot be told, so none of them is forgotten: {error}"
            return
        missing = self._state.mark_missing(self._compare, self._stager.now)
        if missing is None:
            result.fault = (
                f"the shop shows only {self._present} of the {tracked} orders that it showed before. That looks like a "
                "fault of the shop or of the query, so none of them is forgotten. If it is right, run: syncd release"
            )
        else:
            result.missing = missing

    def _look_again(self) -> None:
        """Where a scan may lose orders, a few that are gone are looked for once more."""
        unseen = self._state.unseen(self._compare, LOOKED_AGAIN_AT_MOST + 1)
        if len(unseen) > LOOKED_AGAIN_AT_MOST:
            return
        found: set[str] = set()
        for page in self._source.still_shown(unseen):
            self._progress(self._stager.result.rows)
            self._stage(page)
            found |= {order.order_id for order in page.orders}
            found |= {row.order_id for row in page.skipped if row.order_id}
        if found:
            self._state.replace_segment(LOOKED_AGAIN, [*found], None, self._compare, self._stager.now)
            self._present += len(found)


def _same(found: Identified, seen: Seen | None) -> bool:
    if seen is None or seen.missing:
        return False
    shown = as_shown(found, seen) if found.dropped else (found.content, found.imshop_uuid, found.shop_id)
    return shown == (seen.content, seen.imshop_uuid, seen.shop_id)
