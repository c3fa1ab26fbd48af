"""A pass over all orders of a database, for a full compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from syncd.model import Identified, Page, Skipped
from syncd.sources.columns import Layout
from syncd.sources.counting import Counting, last_of_each
from syncd.sources.dialects import Rows
from syncd.sources.following import Following


class DatabaseScan:
    """Satisfies `syncd.reconcile.Scan`. `follow` and `count` note how far the orders reach; None: the scan is not
    whole, or the orders have no timestamp or number. `repeats`: of an order's many rows only the last is given."""

    def __init__(
        self,
        blocks: Iterator[Rows],
        layout: Layout,
        follow: Following | None,
        count: Counting | None = None,
        *,
        repeats: bool = False,
    ) -> None:
        self._blocks = last_of_each(blocks) if repeats else blocks
        self._layout = layout
        self._follow = follow
        self._count = count

    @property
    def width(self) -> int:
        return self._layout.width

    def blocks(self) -> Iterator[Rows]:
        for block in self._blocks:
            if self._follow:
                self._follow.note_all(self._layout.value(row, "updated_at") for row in block)
            if self._count:
                self._count.note_all(self._layout.value(row, "sequence") for row in block)
            yield block

    def content(self, row: Sequence[Any]) -> Identified | Skipped:
        return self._layout.content(row)

    def read(self, rows: Sequence[Sequence[Any]]) -> Page:
        return self._layout.page(rows)

    def newest(self) -> tuple[str, datetime | None] | None:
        newest = self._follow.newest() if self._follow else None
        return self._count.newest(newest) if self._count else newest
