"""A pass over all orders of an API, for a full compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice

from syncd.model import Identified, Page, Skipped
from syncd.sources.api.deduplicate import Met, Repeats, last_of_each
from syncd.sources.api.page_fetcher import ahead
from syncd.sources.api.records import Row, Rows, Shape
from syncd.sources.cursors import NumberCursor, TimeCursor
from syncd.sources.timestamps import moment

AGAIN_AT_MOST = 1
"""Pages. What changed in a shop's last minutes fits one; where `{since}` is ignored, one is no second reading."""


class ApiScan:
    """Satisfies `pipeline.full_compare.Scan`. Rows that say when they changed go on in the API's order: where that is
    not the same each time, more of them are compared one by one, and no more is needed, for every row is whole. Where
    orders are shown more than once, as in a feed, the last row of each is given, by id, when all have come.

    `begin_following`, called when the first page has come, notes how far the orders reach in time; `count` does so by
    number. None: they do not say, or cannot be polled by it. `again`: what is to be read once more behind the last of
    several pages, from such a cursor on, for it may have slipped through between two.
    """

    def __init__(
        self,
        pages: Iterator[Rows],
        shape: Shape,
        begin_following: Callable[[], TimeCursor] | None,
        count: NumberCursor | None,
        again: Callable[[str], Iterator[Rows]],
        repeats: Repeats,
    ) -> None:
        self._pages = pages
        self._shape = shape
        self._layout = shape.layout
        self._begin_following = begin_following
        self._follow: TimeCursor | None = None
        self._count = count
        self._again = again
        self._repeats = repeats
        self._read = 0

    @property
    def width(self) -> int:
        return self._layout.width

    def blocks(self) -> Iterator[Rows]:
        awaited = self._repeats.known or self._layout.cursor != "updated_at"
        return last_of_each(self._parts(), self._layout) if awaited else self._as_they_come()

    def content(self, row: Row) -> Identified | Skipped:
        return self._layout.content(row)

    def read(self, rows: Rows) -> Page:
        return self._layout.page(rows)

    def newest(self) -> tuple[str, datetime | None] | None:
        newest = self._follow.newest() if self._follow else None
        return self._count.newest(newest) if self._count else newest

    def _as_they_come(self) -> Iterator[Rows]:
        with Met(self._layout, self._repeats) as met:
            for rows in self._parts():
                yield met.not_older(rows)

    def _parts(self) -> Iterator[Rows]:
        yield from self._noted(self._pages)
        newest = self._follow.newest() if self._follow and not self._count else None
        if newest and self._read > 1:
            yield from self._noted(islice(self._again(newest[0]), AGAIN_AT_MOST))

    def _noted(self, pages: Iterator[Rows]) -> Iterator[Rows]:
        for rows, _ in ahead(pages):
            if not self._read:
                self._shape.require(rows)
                self._follow = self._begin_following and self._begin_following()
            self._read += 1
            if self._follow:
                self._note_times(rows, self._follow)
            if self._count:
                self._count.note_all(self._layout.value(row, "sequence") for row in rows)
            yield rows

    def _note_times(self, rows: Rows, follow: TimeCursor) -> None:
        for row in rows:
            raw = self._layout.value(row, "updated_at")
            with suppress(ValueError):
                follow.note(raw, moment(raw))
