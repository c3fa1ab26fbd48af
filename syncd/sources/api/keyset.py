"""Always the first page, from the last row on: its `updated_at` or `sequence`, as it came, and its id. Nothing can
shift."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from syncd.errors import SourceError
from syncd.sources.api.asking import Asking, Part
from syncd.sources.api.shape import Row, Rows
from syncd.sources.counting import number
from syncd.sources.timestamps import moment

_HOUR = timedelta(hours=1)


def by_keyset(asking: Asking) -> Iterator[Rows]:
    position: dict[str, str | None] = {}
    known: frozenset[Hashable] = frozenset()
    fullest, reached = 0, None
    while True:
        part = asking.part(position)
        fresh = part.beyond(known)
        if not fresh:
            if part.rows and asking.is_full(part, fullest):
                raise _stuck("the page behind its last row is the same page again")
            return
        yield fresh
        fullest, known = max(fullest, len(known)), frozenset(part.keys)
        behind = _behind(asking, part, reached)
        if behind is None:
            if asking.is_full(part, fullest):
                raise _stuck(f"no {asking.shape.layout.cursor} in a full page can be read")
            return
        position, reached = behind


def _behind(asking: Asking, part: Part, reached: Any) -> tuple[dict[str, str | None], Any] | None:
    """What to ask for behind a page, and the place of its last row that has one. None: none has. `reached`: that of the
    page before, if any."""
    layout = asking.shape.layout
    placed = [(place, at) for at, row in enumerate(part.rows) if (place := _place(row, asking)) is not None]
    if not placed:
        return None
    here, at = placed[-1]
    if any(_is_before(here, place) for place in (placed[0][0], reached) if place is not None):
        raise _stuck(f"the orders are not sorted by {layout.cursor}, oldest first")
    found = part.rows[at][0] if part.following[at] is None else part.following[at]
    raw = layout.value(part.rows[at], layout.cursor or "")
    return {"since": asking.write_since(raw), "last_id": None if found is None else str(found)}, here


def _place(row: Row, asking: Asking) -> int | datetime | None:
    """Where a row is by what the rows are sorted by; None: it does not say, or one cannot ask from there on."""
    layout = asking.shape.layout
    raw = layout.value(row, layout.cursor or "")
    with suppress(ValueError):
        asking.write_since(raw)
        return number(raw) if layout.counts else moment(raw)
    return None


def _is_before(one: Any, other: Any) -> bool:
    """Two numbers or two times; a wall clock may have run back an hour."""
    if isinstance(one, int):
        return bool(one < other)
    return one.tzinfo == other.tzinfo and bool(other - one > (timedelta() if one.tzinfo else _HOUR))


def _stuck(why: str) -> SourceError:
    return SourceError(
        f"the API cannot be read by SYNCD_SOURCE__PAGING=keyset: {why}. See that it sorts by updated_at and then by "
        "id, or by sequence, and that SYNCD_SOURCE__QUERY_PARAMS use {since} and {last_id}"
    )
