"""What an answer says besides its orders: that there are none, or more than it shows, or that something went wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from syncd.errors import SourceError
from syncd.http.answers import plain_name, words_in
from syncd.sources.api.answers import Answer, quoted

_THING = (
    r"(orders?|results?|records?|data|items?|entr(y|ies)|documents?|deals?|rows?|changes?|sales?|"
    r"заказ\w*|запис\w*|данны\w*|документ\w*|сдел\w*|результат\w*|изменени\w*)"
)
_NONE_FOUND = re.compile(
    rf"\bno\b.{{0,30}}\b{_THING}\b|\b{_THING}\b.{{0,30}}(\bnot|n't)\b.{{0,10}}\b(found|exist|available)|"
    rf"\b{_THING}\b.{{0,30}}(не найден|не обнаружен|нет|отсутству)|"
    rf"(не найден|не обнаружен|\bнет|отсутству)\w*.{{0,30}}\b{_THING}|"
    r"nothing.{0,20}(found|new|changed)|\bempty (list|result)|ничего не"
)
_BEYOND = re.compile(r"\bpage|\boffset|out of range|no more|страниц|смещени")
_ADDRESS = re.compile(
    r"route|endpoint|\bur[li]\b|\bpath\b|method|resource|handler|controller|entity|cannot get|/\w|"
    r"маршрут|адрес|метод|ресурс|сущност|точк"
)
_NESTED = 3

TOTALS = frozenset(
    (
        "total", "totalcount", "totalitems", "totalresults", "totalrecords", "totalorders", "totalrows", "count",
        "totalelements", "itemscount", "orderscount", "recordstotal", "recordsfiltered", "odatacount", "numfound",
        "xwptotal", "xtotalcount", "xtotal", "xpaginationtotalcount",
    )
)  # fmt: skip
PAGES = frozenset(
    (
        "totalpages", "totalpagecount", "pagecount", "pagescount", "pages", "lastpage", "numpages", "xwptotalpages",
        "xtotalpages", "xpaginationpagecount",
    )
)  # fmt: skip
NEXT = frozenset(
    (
        "next", "nextpage", "nextpageurl", "nextlink", "nexthref", "nextcursor", "nextpagetoken", "nexttoken",
        "nextoffset", "odatanextlink", "hasmore", "hasnext", "hasnextpage", "more", "moreavailable", "morerecords",
    )
)  # fmt: skip
PAGE_SIZES = frozenset((10, 20, 25, 30, 40, 50, 60, 100, 128, 150, 200, 250, 256, 300, 400, 500, 512, 1000, 1024, 2000))
"""Such as APIs have where nobody asks for another."""


def none_found(words: str) -> bool:
    """Whether these words say that there are no orders; not that there is no such address."""
    parted = _parted(words)
    return bool(_NONE_FOUND.search(parted)) and not _ADDRESS.search(parted)


def is_beyond(words: str) -> bool:
    """Whether these words, said of a page behind the first, say that it lies behind the last."""
    return none_found(words) or bool(_BEYOND.search(_parted(words)))


def went_wrong(body: Any, redact: Callable[[str], str] = str) -> SourceError:
    """For an answer whose `says_wrong` is true."""
    said = quoted(words_in(body), redact)
    return SourceError(
        f"the API answers under HTTP 200 that something went wrong{said}. The next poll tries again; if that stays, "
        "check SYNCD_SOURCE__AUTH, SYNCD_SOURCE__QUERY_PARAMS and SYNCD_SOURCE__HEADERS"
    )


def totals(body: Any, orders: Any) -> list[int]:
    """The numbers in an answer that may count all orders; none from `orders` themselves."""
    return [count for name, value in _members(body, orders) if name in TOTALS and (count := _count(value)) is not None]


def says_more(answer: Answer, orders: Any, shown: int) -> str | None:
    """What in an answer says that there are more orders than it has shown, if anything does. `orders`: where in the
    answer they stand."""
    if answer.link:
        return "its header Link names a next page"
    for name, value, where in _told(answer, orders):
        if name in PAGES and (_count(value) or 0) > 1:
            return f"{where} says {value}"
        if name in NEXT and _leads_on(value):
            return f"{where} names a next page"
    return counts_more(answer, orders, shown)


def counts_more(answer: Answer, orders: Any, shown: int) -> str | None:
    """What in an answer counts more orders than were shown, if anything does."""
    found = (
        f"{where} says {value}"
        for name, value, where in _told(answer, orders)
        if name in TOTALS and (_count(value) or 0) > shown
    )
    return next(found, None)


def _told(answer: Answer, orders: Any) -> Iterator[tuple[str, Any, str]]:
    """Names and values in an answer's headers and body, and where they stand."""
    yield from ((plain_name(name), value, f"its header {name}") for name, value in answer.headers.items())
    yield from ((name, value, f"its {name}") for name, value in _members(answer.body, orders))


def _members(content: Any, orders: Any, depth: int = _NESTED) -> Iterator[tuple[str, Any]]:
    """Names and values in an object, and in those within it."""
    if not isinstance(content, dict) or not depth or content is orders:
        return
    for name, value in content.items():
        yield plain_name(name), value
        yield from _members(value, orders, depth - 1)


def _count(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _leads_on(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "false", "null", "none", "no")
    if isinstance(value, dict):
        return any(map(_leads_on, value.values()))
    return bool(value) and not isinstance(value, list)


def _parted(words: str) -> str:
    """`ORDER_NOT_FOUND` and `orderNotFound` are words too."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]+", " ", words).lower()
