"""How the pages of an API are gone through: SYNCD_SOURCE__PAGING.

Pages by position: `page` and `offset`.

Both go on until two pages in a row bring nothing new, so that an empty one in the middle ends nothing. Where an order
that was read moves away between two pages, the one behind it slips through. By offset the end of the page before is
read once more, and where it is gone one goes back. Page numbers cannot overlap: for these see source.py, reconcile.py.

Always the first page, from the last row on: its `updated_at` or `sequence`, as it came, and its id. Nothing can
shift.

Pages that name the one that follows: by a `cursor` in the answer, or by a `link` in its headers.

An empty page that names another ends nothing. One that names itself is the end, as some shops write their last one, and
is told of where it is full. It is a fault where it is full and the way to it led nowhere new, or where all its orders
changed at one time, from which the shop does not get away: orders behind it would be lost. So is a way that goes round
in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from syncd.errors import SourceError
from syncd.sources.api.page_fetcher import Asking, Part
from syncd.sources.api.records import Row, Rows
from syncd.sources.cursors import number
from syncd.sources.timestamps import moment

EMPTY_AT_MOST = 2
RESTARTS_AT_MOST = 3


def by_page(asking: Asking) -> Iterator[Rows]:
    before: Rows = []
    empty, number = 0, asking.first_page
    while empty < EMPTY_AT_MOST:
        part = asking.part({"page": str(number)}, may_be_missing=number > asking.first_page)
        number += 1
        if part.rows and part.rows != before:  # some show the last page again, however far one asks
            empty, before = 0, part.rows
            yield part.rows
        else:
            empty += 1
        if asking.shape.has_next and not part.following:
            return


class _Offsets:
    """Goes by offset, one row of the page before at the head of each, to see that nothing moved away."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._behind = 0  # where the next page starts, by the shop's count
        self._overlap = 1
        self._known: Sequence[Hashable] = ()
        self._shown: Sequence[Hashable] = ()  # by the last page that brought anything: some show it again, for ever
        self._size = 0
        self._restarts = 0

    def rows(self) -> Iterator[Rows]:
        empty = 0
        while empty < EMPTY_AT_MOST:
            start = max(0, self._behind - self._overlap) if self._known else self._behind
            part = self._ask(start)
            if part.refused and start < self._behind and not (aligned := self._ask(self._behind)).refused:
                self._overlap, start, part = 0, self._behind, aligned  # this shop takes offsets of whole pages alone
            moved = bool(self._known and self._overlap) and not self._meets(part)
            if moved:
                start, part = self._back(start)
            fresh = self._fresh(part)
            if fresh:
                empty, self._known, self._behind = 0, part.keys, start + len(part.rows)
                self._shown = part.keys
                yield fresh
            elif self._overlap and part.rows and len(part.rows) >= self._size and not moved:
                self._overlap = 0  # this shop rounds an offset down to whole pages
            else:
                empty += 1
                self._behind += self._size or self._asking.limit
                self._known = ()
            if self._asking.shape.has_next and not part.following:
                return

    def _ask(self, start: int) -> Part:
        part = self._asking.part({"offset": str(start)}, may_be_missing=start > 0)
        self._size = max(self._size, len(part.rows))
        return part

    def _fresh(self, part: Part) -> Rows:
        """What was not on the page before. If nothing moved only its last row was, and others may look the same."""
        meets = self._overlap and self._known and [*part.keys[:1]] == [*self._known[-1:]]
        if meets and [*part.keys] != [*self._known]:
            return part.rows[1:]
        return part.beyond({*(self._known or self._shown)})

    def _meets(self, part: Part) -> bool:
        return not {_id_of(key) for key in self._known}.isdisjoint(map(_id_of, part.keys))

    def _back(self, start: int) -> tuple[int, Part]:
        """A page back, else from the first one on: what was read has moved away, and other orders into its place."""
        start = max(0, start - self._size)
        part = self._ask(start)
        if self._meets(part):
            return start, part
        self._restarts += 1
        if self._restarts > RESTARTS_AT_MOST:
            raise SourceError("the shop's orders change places faster than the API's pages can be read")
        self._known = ()
        return 0, self._ask(0)


def by_offset(asking: Asking) -> Iterator[Rows]:
    return _Offsets(asking).rows()


def _id_of(key: Hashable) -> Hashable:
    """An order that changed where it stands is still the same one."""
    return key[0] if isinstance(key, tuple) else key


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


class _Turns:
    """Sees, in little memory, that a way along names goes round in a circle: by comparing with one name that it passed,
    which it takes anew at each power of two."""

    def __init__(self, start: str) -> None:
        self._passed, self._steps, self._power = start, 0, 1

    def comes_back(self, name: str) -> bool:
        if name == self._passed:
            return True
        self._steps += 1
        if self._steps == self._power:
            self._passed, self._steps, self._power = name, 0, self._power * 2
        return False


def _by_next(asking: Asking, name_of: Callable[[Part], str | None]) -> Iterator[Rows]:
    """`name_of` a page: the token or URL of the one that follows, None where it is the last."""
    part = asking.part()
    name, fullest = part.url, 0
    turns = _Turns(name)
    while True:
        yield part.rows
        following = name_of(part)
        if following is None:
            return
        if following == name:
            if asking.is_full(part, fullest):
                if not fullest or _at_one_time(asking, part):
                    raise _leads_back("a full page names itself as the next one")
                asking.complain(
                    "page_names_itself",
                    "a full page of the API names itself as the next one. It is taken for the last: if the shop has "
                    "orders that syncd does not know, check SYNCD_SOURCE__PAGING and SYNCD_SOURCE__NEXT",
                )
            return
        if turns.comes_back(following):
            raise _leads_back("its pages lead round in a circle")
        following_part = _at(asking, following)
        if following_part.rows != part.rows:
            fullest = max(fullest, len(part.rows))
        part, name = following_part, following


def _at_one_time(asking: Asking, part: Part) -> bool:
    times = {str(asking.shape.layout.value(row, "updated_at")) for row in part.rows}
    return len(part.rows) > 1 and len(times) == 1 and "updated_at" in asking.shape.fields


def _at(asking: Asking, following: str) -> Part:
    return asking.part({"cursor": following}) if asking.template.has("cursor") else asking.follow(following)


def by_cursor(asking: Asking) -> Iterator[Rows]:
    def name_of(part: Part) -> str | None:
        found = part.following
        if found is None or found is False or found == "":
            return None
        if isinstance(found, dict | list):
            raise SourceError("SYNCD_SOURCE__NEXT finds no text or number. Let it lead to the cursor of the next page")
        return str(found) if asking.template.has("cursor") else asking.client.joined(part.url, str(found))

    return _by_next(asking, name_of)


def by_link(asking: Asking) -> Iterator[Rows]:
    return _by_next(asking, lambda part: part.link and asking.client.joined(part.url, part.link))


def _leads_back(how: str) -> SourceError:
    return SourceError(
        f"the API does not come to an end: {how}, so orders behind it cannot be read. "
        "Check SYNCD_SOURCE__PAGING and SYNCD_SOURCE__NEXT"
    )


Paging: TypeAlias = Literal["none", "page", "offset", "cursor", "link", "keyset"]

MAY_SHIFT: frozenset[Paging] = frozenset({"page", "offset", "cursor", "link"})
"""Those whose pages may be cut by position, whatever names them: an order can slip through between two of them."""


def rows(asking: Asking, paging: Paging) -> Iterator[Rows]:
    """The rows, page by page, none of them empty. May raise SourceError, also between pages."""
    for part in _PAGINGS[paging](asking):
        if part:
            asking.shown += len(part)
            yield part
    if paging not in ("none", "keyset"):
        asking.note_the_end()


def _none(asking: Asking) -> Iterator[Rows]:
    yield asking.part().rows
    if why := asking.more():
        asking.complain(
            "more_pages",
            f"there seem to be more orders than the API's one answer shows: {why}. Those are never seen. Set "
            "SYNCD_SOURCE__PAGING, or have the API give all orders at once",
        )


_PAGINGS: Mapping[Paging, Callable[[Asking], Iterator[Rows]]] = {
    "none": _none,
    "page": by_page,
    "offset": by_offset,
    "cursor": by_cursor,
    "link": by_link,
    "keyset": by_keyset,
}
