"""How the pages of an API are gone through: SYNCD_SOURCE__PAGING."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeAlias

from syncd.sources.api.asking import Asking
from syncd.sources.api.keyset import by_keyset
from syncd.sources.api.names import by_cursor, by_link
from syncd.sources.api.positions import by_offset, by_page
from syncd.sources.api.shape import Rows

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
