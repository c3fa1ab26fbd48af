"""A poll of an API by number: a feed, which numbers its changes and shows an order once for each of them.

    events behind the cursor less the lookback ──► gathering.py ──► Pages of Orders; the last moves the cursor

What lies behind the cursor is read again, since numbers are given out before their transactions commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from syncd.model import Page
from syncd.sources.api.gathering import Gathering
from syncd.sources.api.latest import Repeats
from syncd.sources.api.shape import ApiLayout, Row, Rows
from syncd.sources.counting import Counting, number

ALL_EVENTS = 0
"""What is asked for where all are wanted. No feed is known whose first event has this number."""


@dataclass(frozen=True, slots=True)
class Feed:
    """`events`: those behind a number, or from it on, as the API has it; no page is empty. Among them are such as say
    nothing of an order: the cursor passes them too, else they would be read again for ever."""

    events: Callable[[int], Iterator[Rows]]
    layout: ApiLayout
    lookback_rows: int

    def changed(self, cursor: str) -> Iterator[Page]:
        """The orders with events since `cursor` less the lookback, once each, by the number of the last."""
        count = Counting(cursor)

        def place(row: Row) -> int:
            return number(self.layout.value(row, "sequence"))

        gathering = Gathering(
            layout=self.layout,
            note=lambda row: count.note(place(row)),
            is_news=lambda row: count.is_news(place(row)),
            cursor=count.cursor,
            repeats=Repeats(known=True),
        )
        return gathering.pages(self._from(self.behind(count)))

    def behind(self, count: Counting) -> int:
        """Behind which number a poll asks: of an API that gives those behind a number, one less is asked for."""
        since = count.since(self.lookback_rows)
        return ALL_EVENTS if since is None else max(since - 1, ALL_EVENTS)

    def _from(self, behind: int) -> Iterator[Rows]:
        """The events from there on. Where there are none, not even the one that is the cursor, the feed starts anew
        with lower numbers, or is empty."""
        found = self.events(behind)
        first = next(found, None)
        if first is None and behind > ALL_EVENTS:
            found = self.events(ALL_EVENTS)
        yield from chain([first] if first else [], found)
