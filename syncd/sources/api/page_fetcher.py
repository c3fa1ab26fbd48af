"""One pass over an API: what it is asked, page by page, and the rows it answers.

A page is put on disk while the next one is on its way: only so a poll takes no longer than its API.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

from syncd.deadline import ThreadError, start_thread
from syncd.errors import SourceError
from syncd.sources.api.client import Client, Template
from syncd.sources.api.records import Rows, Shape
from syncd.sources.api.responses import (
    NO_CONTENT,
    PAGE_SIZES,
    Answer,
    Signs,
    is_beyond,
    is_no_end,
    none_found,
    quoted,
    signs_of,
)

PAGES_AT_MOST = 100_000
_FIRST: Mapping[str, str | None] = {}
Oddity: TypeAlias = Literal["page_names_itself", "more_pages"]
Complain: TypeAlias = Callable[[Oddity, str], None]
"""Takes what is odd but stops nothing, and the words for a person."""


@dataclass(frozen=True, slots=True)
class Part:
    """One page. `keys` tell its rows from others: those that look the same are the same row if they have an id.
    `following` is what SYNCD_SOURCE__NEXT finds in the answer; for keyset, what it finds in each item. `refused`: there
    is no such page, by an answer that may mean something else."""

    url: str
    rows: Rows
    keys: Sequence[Hashable]
    following: Any
    link: str | None
    refused: bool

    def beyond(self, known: Container[Hashable]) -> Rows:
        """Its rows that are not among those with these keys."""
        return [row for row, key in zip(self.rows, self.keys, strict=True) if key not in known]


@dataclass(kw_only=True, eq=False, repr=False)
class Asking:
    """One pass over an API: asks for its pages, no more than are allowed.

    `since` goes into `{since}`; `write_since` makes such a text of an order's raw `updated_at` or `sequence`. `limit`:
    rows a page. `keyset`: what follows is found in an item of a page, not in the answer. `settled`: orders were read
    from there before, so that one may take less for granted that the settings are wrong. `confirm`: whether orders are
    read from there now, if other ones are asked for; None: all are asked for as it is.
    """

    client: Client
    template: Template
    shape: Shape
    write_since: Callable[[Any], str]
    since: str
    limit: int
    first_page: int
    keyset: bool
    complain: Complain
    settled: bool
    confirm: Callable[[], bool] | None
    asked: int = field(default=0, init=False)
    shown: int = field(default=0, init=False)
    signs: Signs | None = field(default=None, init=False)
    first_part: Part | None = field(default=None, init=False)
    first_items: Sequence[Any] = field(default=(), init=False)
    early_end: str | None = field(default=None, init=False)
    """Why the end that was found may be none, if so."""
    _refusal: Answer | None = field(default=None, init=False)
    _sizes: tuple[int, ...] = field(default=(), init=False)
    """Of the last page and of the fullest one before it."""

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
        items = self._items(answer, first=first, may_be_missing=may_be_missing)
        if first:
            self.first_items = items[:1]
            self.signs = signs_of(answer, self.shape.place_of_items(answer.body))
        rows = [self.shape.row(item) for item in items]
        following = [*map(self.shape.following, items)] if self.keyset else self.shape.following(answer.body)
        keys = [row if row[0] is not None else repr(item) for row, item in zip(rows, items, strict=True)]
        part = Part(answer.url, rows, keys, following, answer.link, answer.refusal is not None)
        if rows:
            self._refusal, self._sizes = None, (len(rows), *([max(self._sizes)] if self._sizes else []))
        self.first_part = self.first_part or part
        return part

    def more(self) -> str | None:
        """What the first answer says of more orders than have been shown, if it does. Where all were asked for, a
        number that many an API has as the size of its pages says so too."""
        if self.signs is None or not self.shown:
            return None
        if self.confirm is None and self.asked == 1 and self.shown in PAGE_SIZES:
            round_number = f"it shows just {self.shown} orders, as if that were a page of them"
        else:
            round_number = None
        return self.signs.more_than(self.shown) or round_number

    def _items(self, answer: Answer, *, first: bool, may_be_missing: bool) -> Sequence[Any]:
        if answer.status in NO_CONTENT:
            return []
        if answer.refusal is None:
            return self.shape.items(answer.body, first=first, settled=self.settled)
        if may_be_missing and not is_no_end(answer.said):
            self._refusal = self._refusal or answer
            return []
        if first and self._says_none(answer):
            return []
        raise answer.refusal

    def _says_none(self, answer: Answer) -> bool:
        """Whether a 404 means that nothing changed, and not that the address is wrong: by its own words, else because
        orders are read from there if all are asked for."""
        if answer.status != 404 or self.confirm is None:
            return False
        return none_found(answer.said) or self.confirm()

    def note_the_end(self) -> None:
        """Behind the last page: tell where it may be none."""
        whole = self.confirm is None
        counted = self.signs.counted_above(self.shown) if self.signs and whole else None
        refusal = self._refusal if self._refusal and self._refusal.status != 404 else None
        if refusal and (why := counted or self._full_page_before(refusal)):
            said = quoted(refusal.said, self.client.redact)
            self.early_end = (
                f"the API refuses a page (HTTP {refusal.status}{said}). That is taken for the end, after "
                f"{self.shown} orders, but {why}"
            )
        elif self.signs and whole and self.signs.counted_above(self.shown * 10 // 9):  # a few may be gone meanwhile
            self.early_end = f"the API's pages end after {self.shown} orders, but {counted}"
        if self.early_end:
            advice = "check SYNCD_SOURCE__PAGING, SYNCD_SOURCE__NEXT and SYNCD_SOURCE__QUERY_PARAMS"
            self.complain("more_pages", f"{self.early_end}: {advice}")

    def _full_page_before(self, refusal: Answer) -> str | None:
        if is_beyond(refusal.said) or not self._sizes:
            return None
        last, *before = self._sizes
        usual = last >= self.limit if self.template.has("limit") else last in PAGE_SIZES
        return "the page before it was full" if usual or (before and last >= before[0]) else None


T = TypeVar("T")


def ahead(pages: Iterator[T]) -> Iterator[tuple[T, bool]]:
    """Each page, and whether it is the last. Three are held at most, and one asked for at a time. An error is raised
    behind the pages before it. Who stops early leaves a thread behind that ends with its request."""
    page = _coming(pages).result()
    coming = _coming(pages)
    while page is not None:
        try:
            following = coming.result()
        except SourceError:
            yield page, False
            raise
        if following is not None:
            coming = _coming(pages)
        yield page, following is None
        page = following


def _coming(pages: Iterator[T]) -> Future[T | None]:
    """The next page; None: there is none. SourceError: nobody can be sent for it."""
    coming: Future[T | None] = Future()

    def fetch() -> None:
        try:
            coming.set_result(next(pages, None))
        except BaseException as error:  # noqa: BLE001 - raised again where the page is waited for
            coming.set_exception(error)

    try:
        start_thread(fetch, "source-ahead")
    except ThreadError as error:
        raise SourceError(str(error)) from None
    return coming
