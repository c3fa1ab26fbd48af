"""Pages that name the one that follows: by a `cursor` in the answer, or by a `link` in its headers.

An empty page that names another ends nothing. One that names itself is the end, as some shops write their last one, and
is told of where it is full. It is a fault where it is full and the way to it led nowhere new, or where all its orders
changed at one time, from which the shop does not get away: orders behind it would be lost. So is a way that goes round
in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from syncd.errors import SourceError
from syncd.sources.api.asking import Asking, Part
from syncd.sources.api.shape import Rows


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
