"""A pass over all orders of a database, for a full compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from syncd.model import Content, Page, Skipped
from syncd.sources.columns import Layout
from syncd.sources.dialects import Rows
from syncd.sources.following import Following


class DatabaseScan:
    """Satisfies `syncd.reconcile.Scan`. `follow`: notes how far the orders reach; None: the scan is not whole, or the
    orders have no timestamp."""

    def __init__(self, blocks: Iterator[Rows], layout: Layout, follow: Following | None) -> None:
        self._blocks = blocks
        self._layout = layout
        self._follow = follow

    @property
    def width(self) -> int:
        return self._layout.width

    def blocks(self) -> Iterator[Rows]:
        if self._follow is None:
            yield from self._blocks
            return
        for block in self._blocks:
            self._follow.note_all(self._layout.value(row, "updated_at") for row in block)
            yield block

    def content(self, row: Sequence[Any]) -> tuple[str, Content, str | None] | Skipped:
        return self._layout.content(row)

    def read(self, rows: Sequence[Sequence[Any]]) -> Page:
        return self._layout.page(rows)

    def newest(self) -> tuple[str, datetime] | None:
        return self._follow.newest() if self._follow else None
