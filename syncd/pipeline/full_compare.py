"""A full compare: everything the shop shows against everything that was seen, in flat memory.

    source.scan ──► segments ──► digest as last time? ──► yes: nothing more to do
     compared columns                └► no: put aside ──► row by row ──► differs ──► source.look_up ──► staging.py

Digests only save work. A change is found by comparing rows with what was seen, so a lost digest costs time and hides
nothing: whatever writes what was seen of an order drops the digest of its segment.

A database is read to its last row before anything is written to the state: as long as its statement is open, it may
keep others from writing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from syncd.errors import SourceError, StateError
from syncd.model import FormedSegment, Identified, Page, Recorded, Seen, Skipped
from syncd.pipeline.diff import as_shown
from syncd.pipeline.segments import Row, Segment, segments
from syncd.pipeline.staging import Staged, Stager, StagingState
from syncd.spool import Spool

CONFIRMED_AT_ONCE = 4000
"""Segments, of about 61 orders each, that are confirmed in one transaction."""
ROWS_AT_ONCE = 4096
"""Rows of changed segments that are compared, and staged, together."""
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

        If the scan is not whole, the caller handles each block at once, since the shop's statement is open. A block may
        be empty: it shows that reading goes on."""

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

    def recorded(self, order_ids: Iterable[str]) -> Mapping[str, Recorded]:
        """What is recorded of those of the orders that are tracked."""

    def seen_in(self, order_ids: Iterable[str], compare: int) -> Collection[str]:
        """Those of the orders that this compare has recorded."""

    def start_compare(self) -> int:
        """A number for this compare, higher than those of all earlier ones."""

    def digests(self, keys: Sequence[int] | None = None) -> Mapping[int, tuple[bytes, int]]:
        """The valid digests of these segments (None: of all), and how many tracked orders each covers."""

    def confirm_segments(self, keys: Sequence[int], compare: int) -> None:
        """These segments are unchanged, so this compare has seen all their orders."""

    def replace_segments(self, formed: Sequence[FormedSegment], compare: int, since: datetime) -> None:
        """This compare has seen the orders of these segments, which are tracked. The digests of the segments that they
        were in before are dropped. A segment keeps no digest if a buyer cancelled one of its orders since this compare
        began (`since`)."""

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
        # A baseline that begins knows that no order is tracked. One that goes on after an interruption does not.
        self._adopts_all = whole and stager.policy.adopt_all and not (source.scans_whole or state.tracked())
        self._present = 0  # tracked orders that were seen; some that return or get another number are not counted
        self._same: list[int] = []
        self._differing: list[Any] = []
        self._looked_up = 0

    def run(self) -> bool:
        """Compare all orders. False: too many differ to look each of them up, and all must be read again, whole."""
        changed = self._changed_while_reading() if self._source.scans_whole else self._changed_after_reading()
        for group in self._grouped(changed):
            self._progress(self._stager.result.rows)
            self._examine(group)
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
        """The segments of a database that changed, once all rows are read. Of every 61 orders a key and a digest are
        in memory; the rows themselves are in a spool, where the source has not put them already."""
        known = self._state.digests()
        if self._whole:
            yield from (
                segment for segment in segments(self._blocks(), self._scan.width) if not self._is_same(segment, known)
            )
            return
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

    def _grouped(self, changed: Iterator[Segment]) -> Iterator[list[_ReadSegment]]:
        """The segments, read, in groups in which no order and no key occurs in two of them. An API's segments come one
        at a time, before the next one is asked for: staging one may drop the digest of the next."""
        group: list[_ReadSegment] = []
        ids: set[str] = set()
        rows = 0
        for segment in changed:
            read = _read(segment, self._scan)
            if self._source.scans_whole:
                yield [read]
                continue
            occurs = any(segment.key == other.key for other in group) or not ids.isdisjoint(read.ids)
            if group and (occurs or rows + len(segment.rows) > ROWS_AT_ONCE):
                yield group
                group, ids, rows = [], set(), 0
            group.append(read)
            ids.update(read.ids)
            rows += len(segment.rows)
        if group:
            yield group

    def _examine(self, group: Sequence[_ReadSegment]) -> None:
        """Compare segments row by row, and stage what differs if the scan is whole."""
        self._adopts_all = self._adopts_all and self._adopt(group)
        if self._adopts_all:
            return
        ids = [order_id for segment in group for order_id in segment.ids]
        seen = self._state.load(ids) if self._whole else {}
        recorded = seen if self._whole else self._state.recorded(ids)
        self._present += sum(not one.missing for one in recorded.values())
        for segment in group:
            segment.compare(recorded)
            self._stager.result.note_skipped(segment.skipped)
            self._stager.result.note_dropped(segment.found[order_id].dropped for order_id in segment.same)
        if self._whole:
            self._replace(group, recorded, self._stage_differing(group, seen))
        else:
            self._differing += [segment.rows[order_id][0] for segment in group for order_id in segment.differing]
            self._replace(group, recorded, Staged())

    def _adopt(self, group: Sequence[_ReadSegment]) -> bool:
        """Record the orders of a baseline, of which none should be tracked yet, without looking for them. False: one of
        them is, so nothing was recorded; or that failed otherwise, and will fail again."""
        for segment in group:
            segment.compare({})
        segment_of = {order_id: segment.key for segment in group for order_id in segment.found}
        try:
            adopted = self._stager.adopt([one for segment in group for one in segment.found.values()], segment_of)
        except StateError:
            return False
        self._present += len(adopted)
        for segment in group:
            self._stager.result.note_skipped(segment.skipped)
        self._replace(group, {}, Staged(adopted))
        return True

    def _stage_differing(self, group: Sequence[_ReadSegment], seen: Mapping[str, Seen]) -> Staged:
        """Stage the orders that differ. One that the baseline sees for the first time is told to nobody, so only what
        is compared of it is read; an API's scan tells more of it: whether it was read before. Of a database's rows that
        is known by what the compare has recorded."""
        adopts = self._stager.policy.adopt_all and not self._source.scans_whole
        first, rows = [], []
        segment_of: dict[str, int] = {}
        for segment in group:
            segment_of.update(dict.fromkeys(segment.differing, segment.key))
            for order_id in segment.differing:
                if adopts and order_id not in seen:
                    first.append(segment.found[order_id])
                else:
                    rows.append(segment.rows[order_id])
        adopted = self._stager.adopt(first, segment_of) if first else set()
        self._present += len(adopted)
        if not rows:
            return Staged(adopted)
        orders = self._scan.read(rows).orders
        if adopts:
            again = self._state.seen_in((order.order_id for order in orders), self._compare)
            orders = [order._replace(repeats=order.order_id in again) for order in orders]
        staged = self._stage(Page(orders), seen, segment_of)
        return Staged(adopted | staged.first_seen, staged.renumbered)

    def _replace(self, group: Sequence[_ReadSegment], known: Container[str], staged: Staged) -> None:
        formed = [self._formed(segment, known, staged) for segment in group]
        self._state.replace_segments(formed, self._compare, self._stager.now)

    def _formed(self, segment: _ReadSegment, known: Container[str], staged: Staged) -> FormedSegment:
        """The digest is kept only if each row is a tracked order that is recorded as the shop shows it; and if no field
        was dropped, since dropped fields are counted in each compare."""
        first_seen = [order_id for order_id in segment.differing if order_id in staged.first_seen]
        tracked = [order_id for order_id in segment.ids if order_id in known or order_id in staged.renumbered]
        others = [order_id for order_id in tracked if order_id not in staged.first_seen]
        is_recorded = (
            segment.is_readable
            and (self._whole or not segment.differing)
            and segment.found.keys().isdisjoint(self._stager.put_off | self._stager.not_as_shown)
            and not any(found.dropped for found in segment.found.values())
        )
        return FormedSegment(segment.key, others, segment.digest if is_recorded else None, first_seen)

    def _look_up(self) -> None:
        for start in range(0, len(self._differing), LOOKED_UP_AT_ONCE):
            if self._looked_up > LOOKED_UP_AT_MOST:
                break
            some = self._differing[start : start + LOOKED_UP_AT_ONCE]
            self._stage(self._source.look_up(some))
            self._looked_up += len(some)
            self._progress(self._stager.result.rows)
        self._differing.clear()

    def _stage(
        self, page: Page, known: Mapping[str, Seen] | None = None, segments: Mapping[str, int] | None = None
    ) -> Staged:
        """Never as the last page: more may come, and the guard counts all of it."""
        self._stager.result.note_dropped(order.dropped for order in page.orders)
        staged = self._stager.stage(replace(page, last=False), "full", known, segments)
        self._present += len(staged.first_seen)
        return staged

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
        if not unseen or len(unseen) > RECHECKED_AT_MOST:
            return
        found: set[str] = set()
        for page in self._source.still_shown(unseen):
            self._progress(self._stager.result.rows)
            self._stage(page)
            found |= {order.order_id for order in page.orders}
            found |= {row.order_id for row in page.skipped if row.order_id}
        if found:
            rechecked = FormedSegment(RECHECKED_KEY, [*found], None)
            self._state.replace_segments([rechecked], self._compare, self._stager.now)
            self._present += len(found)


@dataclass(slots=True)
class _ReadSegment:
    """A segment whose rows were read as orders: the last row of each, and what is compared of it. `repeated`: orders
    with several rows. `skipped`: rows that are no orders. `compare` fills in which orders are as they were seen."""

    key: int
    digest: bytes
    rows: dict[str, Row] = field(default_factory=dict)
    found: dict[str, Identified] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [*self.rows, *(row.order_id for row in self.skipped if row.order_id)]

    @property
    def is_readable(self) -> bool:
        """Whether each row is an order, and another one."""
        return not self.skipped and not self.repeated

    def compare(self, seen: Mapping[str, Seen | Recorded]) -> None:
        """A scan is not ordered by time: of several rows of one order only a look-up tells the last."""
        self.same, self.differing = [], []
        for order_id, found in self.found.items():
            is_same = order_id not in self.repeated and _same(found, seen.get(order_id))
            (self.same if is_same else self.differing).append(order_id)


def _read(segment: Segment, scan: Scan) -> _ReadSegment:
    read = _ReadSegment(segment.key, segment.digest)
    for row in segment.rows:
        found = scan.content(row)
        if isinstance(found, Skipped):
            read.skipped.append(found)
            continue
        if found.order_id in read.rows:
            read.repeated.add(found.order_id)
        read.rows[found.order_id], read.found[found.order_id] = row, found
    return read


def _same(found: Identified, seen: Seen | Recorded | None) -> bool:
    if seen is None or seen.missing:
        return False
    shown = as_shown(found, seen) if found.dropped else (found.content, found.imshop_uuid, found.shop_id)
    return shown == (seen.content, seen.imshop_uuid, seen.shop_id)
