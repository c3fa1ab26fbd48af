"""A poll of an API by time.

    rows changed since the cursor less the lookback ──► gathering.py ──► Pages of Orders; the last moves the cursor

An API promises little: its pages shift while they are read, and it need not sort them. So the cursor moves when a poll
is over and not before. After a poll of several pages that may have shifted, the next one starts where that one had
started: an order that slipped through between two pages is there, at most one poll late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from syncd.model import Page
from syncd.sources.api.gathering import Gathering
from syncd.sources.api.latest import Repeats
from syncd.sources.api.shape import ApiLayout, Row, Rows
from syncd.sources.api.span import Span
from syncd.sources.following import Following, load
from syncd.sources.timestamps import EPOCH, Raw, bound, instant, moment

_A_LITTLE = timedelta(seconds=1)
"""Some APIs show what changed after `{since}`, others from then on; some know whole seconds alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dated:
    """An API polled by time. `pages`: the rows changed since then, orders or not; `is_full`: whether there may be more
    than fits such a page; `now`: the API's clock, as its last answer showed it; `may_shift`: whether an order may slip
    through between two pages."""

    pages: Callable[[datetime], Iterator[Rows]]
    is_full: Callable[[Rows], bool]
    now: Callable[[], datetime]
    layout: ApiLayout
    lookback: timedelta
    repeats: Repeats
    may_shift: bool

    def changed(self, cursor: str) -> Iterator[Page]:
        """Orders changed since `cursor` less the lookback: in the API's order, or where it repeats orders, once each
        and oldest first."""
        span = Span.of(cursor)
        since = self._since(span)
        asked = self.pages(since)
        first = next(asked, [])
        if (earlier := self._since(span)) < since:  # its clock, seen only now, is behind the cursor
            asked = self.pages(earlier)
            first = next(asked, [])
        follow = Following(span.reached, self.now(), self.layout.meaning.zone)
        pages = 0

        def counted() -> Iterator[Rows]:
            nonlocal pages
            for part in chain([first], asked):
                pages += 1
                yield part

        def note(row: Row) -> None:
            raw = self.layout.value(row, "updated_at")
            follow.note(raw, moment(raw))

        gathering = Gathering(
            layout=self.layout,
            note=note,
            is_news=lambda row: follow.is_news(moment(self.layout.value(row, "updated_at"))),
            # Behind a full page another was asked for, though there may have been none any more.
            cursor=lambda: self._cursor(span, follow, several=pages > 1 or self.is_full(first)),
            repeats=self.repeats,
        )
        yield from gathering.pages(counted())

    def again(self, cursor: str) -> Iterator[Rows]:
        """What a poll from there would read."""
        return self.pages(self.since(cursor))

    def since(self, cursor: str) -> datetime:
        """From when on a poll asks that has this cursor."""
        return self._since(Span.of(cursor))

    def _since(self, span: Span) -> datetime:
        raw: Raw | None = load(span.since)
        if raw is None:
            return EPOCH
        start, zone = moment(raw), self.layout.meaning.zone
        begin = bound(start, self.lookback, self.now(), zone, start)
        return max(instant(moment(begin), zone) - _A_LITTLE, EPOCH)

    def _cursor(self, span: Span, follow: Following, *, several: bool) -> str | None:
        reached = follow.cursor(last=True)
        again = several and self.may_shift and load(span.reached) is not None
        return str(Span(span.reached, reached)) if reached and again else reached
