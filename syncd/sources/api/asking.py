"""One pass over an API: what it is asked, page by page, and the rows it answers."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncd.errors import SourceError
from syncd.sources.api.answers import no_such_page
from syncd.sources.api.client import Client
from syncd.sources.api.request import Template
from syncd.sources.api.shape import Rows, Shape

PAGES_AT_MOST = 100_000
_FIRST: Mapping[str, str | None] = {}


@dataclass(frozen=True, slots=True)
class Part:
    """One page. `keys` tell its rows from others: those that look the same are the same row if they have an id.
    `following` is what SYNCD_SOURCE__NEXT finds in the answer; for keyset, what it finds in each item."""

    url: str
    rows: Rows
    keys: Sequence[Hashable]
    following: Any
    link: str | None

    def beyond(self, known: Container[Hashable]) -> Rows:
        """Its rows that are not among those with these keys."""
        return [row for row, key in zip(self.rows, self.keys, strict=True) if key not in known]


@dataclass(kw_only=True, eq=False, repr=False)
class Asking:
    """One pass over an API: asks for its pages, no more than are allowed.

    `since` goes into `{since}`; `write_since` makes such a text of an order's raw `updated_at` or `sequence`. `limit`:
    rows a page. `keyset`: what follows is found in an item of a page, not in the answer. `complain` is told what
    is odd but stops nothing.
    """

    client: Client
    template: Template
    shape: Shape
    write_since: Callable[[Any], str]
    since: str
    limit: int
    first_page: int
    keyset: bool
    complain: Callable[[str], None]
    asked: int = field(default=0, init=False)
    first_items: list[Any] = field(default_factory=list, init=False)

    def is_full(self, part: Part, fullest: int) -> bool:
        """Whether there may be more than fits this page: it holds as many rows as were asked for, or as `fullest`."""
        asked_for = self.limit if self.template.has("limit") else len(part.rows) + 1
        return len(part.rows) >= asked_for or 0 < fullest <= len(part.rows)

    def part(self, position: Mapping[str, str | None] = _FIRST, *, may_be_missing: bool = False) -> Part:
        """The page there. `may_be_missing`: where there is no such page, it counts as an empty one."""
        filled = {"since": self.since, "limit": str(self.limit), **position}
        return self.follow(self.template.filled(filled), may_be_missing=may_be_missing)

    def follow(self, url: str, *, may_be_missing: bool = False) -> Part:
        first = not self.asked
        self.asked += 1
        if self.asked > PAGES_AT_MOST:
            raise SourceError(
                f"the API has shown {PAGES_AT_MOST:,} pages and no end. Check SYNCD_SOURCE__PAGING, and that "
                "SYNCD_SOURCE__QUERY_PARAMS ask for pages in the way it wants"
            )
        answer = self.client.get(url)
        if answer.missing is not None and not may_be_missing:
            raise no_such_page(self.client.host, answer.missing)
        items = [] if answer.missing is not None else self.shape.items(answer.body, first=first)
        rows = [self.shape.row(item) for item in items]
        if first:
            self.first_items = items[:1]
        following = [*map(self.shape.following, items)] if self.keyset else self.shape.following(answer.body)
        keys = [row if row[0] is not None else repr(item) for row, item in zip(rows, items, strict=True)]
        return Part(answer.url, rows, keys, following, answer.link)
