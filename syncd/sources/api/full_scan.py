"""One pass over all orders of an API, for a full compare."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice

from syncd.model import Identified, Page, Skipped
from syncd.sources.api.deduplicate import Deduplicator, Repeats, newest_of_each
from syncd.sources.api.incremental import Incremental
from syncd.sources.api.page_fetcher import PageFetcher
from syncd.sources.api.prefetch import prefetch
from syncd.sources.api.records import Record, Records
from syncd.sources.cursors import SequenceCursor, TimeCursor
from syncd.sources.timestamps import moment

REREAD_AT_MOST = 1
"""Pages. What changed in a shop's last minutes fits one; where `{since}` is ignored, more would be a second scan."""


class ApiScan:
    """Satisfies `pipeline.full_compare.Scan`.

    Records with an `updated_at` go on in the API's order: where that is not the same each time, more orders are
    compared one by one, and nothing else is needed, for every record is whole. Where orders are shown more than once,
    as in a feed, the newest record of each is given, by id, when all have come.

    `incremental`: how polls go on from where the scan came to; None: they cannot, and `newest` is None.
    """

    def __init__(self, fetcher: PageFetcher, incremental: Incremental | None, repeats: Repeats) -> None:
        self._fetcher = fetcher
        self._incremental = incremental
        self._repeats = repeats
        self._layout = fetcher.extractor.layout
        self._times: TimeCursor | None = None
        self._numbers = SequenceCursor(None) if incremental and self._layout.by_sequence else None
        self._read = 0  # pages

    @property
    def width(self) -> int:
        return self._layout.width

    def blocks(self) -> Iterator[Records]:
        if self._repeats.known or self._layout.cursor != "updated_at":
            yield from newest_of_each(self._pages(), self._layout)
            return
        with Deduplicator(self._layout, self._repeats) as met:
            for records in self._pages():
                yield met.not_older(records)

    def content(self, row: Record) -> Identified | Skipped:
        return self._layout.content(row)

    def read(self, rows: Records) -> Page:
        return self._layout.page(rows)

    def newest(self) -> tuple[str, datetime | None] | None:
        newest = self._times.newest() if self._times else None
        return self._numbers.newest(newest) if self._numbers else newest

    def _pages(self) -> Iterator[Records]:
        yield from self._noted(self._fetcher.all_orders())
        newest = self._times.newest() if self._times else None
        if self._incremental and newest and self._read > 1:
            # What changed during the scan may have moved another order past the page that was read next.
            yield from self._noted(islice(self._incremental.reread(newest[0]), REREAD_AT_MOST))

    def _noted(self, pages: Iterator[Records]) -> Iterator[Records]:
        for records, _ in prefetch(pages):
            if not self._read:
                self._fetcher.extractor.require_fields(records)
                if self._incremental:  # only now the API's clock is known
                    self._times = TimeCursor(None, self._fetcher.now(), self._layout.options.zone)
            self._read += 1
            for record in records:
                self._note(record)
            yield records

    def _note(self, record: Record) -> None:
        if self._times:
            raw = self._layout.value(record, "updated_at")
            with suppress(ValueError):
                self._times.note(raw, moment(raw))
        if self._numbers:
            self._numbers.note_all([self._layout.value(record, "sequence")])
