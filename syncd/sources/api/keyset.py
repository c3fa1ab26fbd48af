"""Always the first page, from the last row on: its `updated_at`, as it came, and its id. Nothing can shift."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from datetime import datetime

from syncd.errors import SourceError
from syncd.sources.api.asking import Asking, Part
from syncd.sources.api.shape import Rows
from syncd.sources.timestamps import moment


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
        position, reached = _behind(asking, part, reached)


def _behind(asking: Asking, part: Part, reached: datetime | None) -> tuple[dict[str, str | None], datetime]:
    """What to ask for behind a page. `reached`: the time of the last row of the page before."""
    raw = asking.shape.layout.value(part.rows[-1], "updated_at")
    try:
        when = moment(raw)
    except ValueError as error:
        raise _stuck(f"updated_at of its last row is {error}") from None
    if reached and when.tzinfo == reached.tzinfo and when < reached:
        raise _stuck("the orders are not sorted by updated_at, oldest first")
    found = part.rows[-1][0] if part.following is None else part.following
    return {"since": asking.write_since(raw), "last_id": None if found is None else str(found)}, when


def _stuck(why: str) -> SourceError:
    return SourceError(
        f"the API cannot be read by SYNCD_SOURCE__PAGING=keyset: {why}. See that it sorts by updated_at and then by "
        "id, and that SYNCD_SOURCE__QUERY_PARAMS use {since} and {last_id}"
    )
