"""Pages by position: `page` and `offset`.

Both go on until two pages in a row bring nothing new, so that an empty one in the middle ends nothing. Where an order
that was read moves away between two pages, the one behind it slips through. By offset the end of the page before is
read once more, and where it is gone one goes back. Page numbers cannot overlap: for these see source.py, reconcile.py.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from syncd.errors import SourceError
from syncd.sources.api.asking import Asking, Part
from syncd.sources.api.shape import Rows

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
