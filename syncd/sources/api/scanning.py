"""A pass over all orders of an API, for a full compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

from syncd.model import Content, Page, Skipped
from syncd.sources.api.ahead import ahead
from syncd.sources.api.shape import Row, Rows, Shape
from syncd.sources.following import Following
from syncd.sources.timestamps import moment


class ApiScan:
    """Satisfies `syncd.reconcile.Scan`. The rows come in the API's order: where that is not the same each time, more of
    them are compared one by one, and no more is needed, for every row is whole.

    `begin_following`, called when the first page has come, notes how far the orders reach; None: they cannot be polled.
    """

    def __init__(self, pages: Iterator[Rows], shape: Shape, begin_following: Callable[[], Following] | None) -> None:
        self._pages = pages
        self._shape = shape
        self._begin_following = begin_following
        self._follow: Following | None = None

    @property
    def width(self) -> int:
        return self._shape.layout.width

    def blocks(self) -> Iterator[Rows]:
        for number, (rows, _) in enumerate(ahead(self._pages)):
            if not number:
                self._shape.require(rows)
                self._follow = self._begin_following and self._begin_following()
            self._note(rows)
            yield rows

    def content(self, row: Row) -> tuple[str, Content, str | None] | Skipped:
        return self._shape.layout.content(row)

    def read(self, rows: Rows) -> Page:
        return self._shape.layout.page(rows)

    def newest(self) -> tuple[str, datetime] | None:
        return self._follow.newest() if self._follow else None

    def _note(self, rows: Rows) -> None:
        if self._follow is None:
            return
        for row in rows:
            raw = self._shape.layout.value(row, "updated_at")
            with suppress(ValueError):
                self._follow.note(raw, moment(raw))
