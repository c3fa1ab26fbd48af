"""What a response says besides its orders: that there are none, that there are more, or that something went wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from syncd.errors import SourceError
from syncd.http.error_messages import message_in, normalized_name
from syncd.sources.api.responses import ApiResponse, quoted

_THING = (
    r"(orders?|results?|records?|data|items?|entr(y|ies)|documents?|deals?|rows?|changes?|sales?|"
    r"заказ\w*|запис\w*|данны\w*|документ\w*|сдел\w*|результат\w*|изменени\w*)"
)
_NONE_FOUND = re.compile(
    rf"\bno\b.{{0,30}}\b{_THING}\b|\b{_THING}\b.{{0,30}}(\bnot|n't)\b.{{0,10}}\b(found|exist)|"
    rf"\b{_THING}\b.{{0,30}}(не найден|не обнаружен|нет|отсутству)|"
    rf"(не найден|не обнаружен|\bнет|отсутству)\w*.{{0,30}}\b{_THING}|"
    r"nothing.{0,20}(found|new|changed)|\bempty (list|result)|ничего не (найд|нашл|обнаруж|измен)"
)
_BEYOND = re.compile(r"(?<!per )\bpage|\boffset|out of range|страниц|смещени")
_ADDRESS = re.compile(
    r"route|endpoint|\bur[li]\b|\bpath\b|method|resource|handler|controller|entity|cannot get|/\w|"
    r"маршрут|адрес|метод|ресурс|сущност|точк"
)
_ELSE = re.compile(
    r"permission|permit|privilege|\brights?\b|access|\bkeys?\b|token|credential|licen[cs]e|subscription|\bplan\b|"
    r"\ballow|auth|\blog(ged)? ?in\b|\bsigned? in\b|denied|forbidden|connect|sql|\btables?\b|server|service|upstream|"
    r"internal|time(d|s)? ?out|expired|csrf|(rate|request|query|daily|api) ?limit|limit.{0,10}(exceed|reach)|quota|"
    r"too many|no more (request|call)|throttl|unknown|unexpected|unsupported|failed to|failure|could not load|"
    r"доступ(а|у|ом|е|)\b|\bправ(а|о|)\b|ключ|токен|лиценз|тариф|подписк|авториз|запрещ|соединени|подключ|связи\b|сервер|"
    r"лимит|ист[её]к|слишком много|неизвестн|сбой|не удалось"
)
"""Words of logins, limits and failures: if they come with words of orders, they say why the orders are not shown."""
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
"""Default page sizes of APIs."""


def none_found(words: str) -> bool:
    """Whether these words say that there are no orders; not that there is no such address, or no right to see them."""
    parted = _parted(words)
    return bool(_NONE_FOUND.search(parted)) and not _ADDRESS.search(parted) and not _ELSE.search(parted)


def is_beyond(words: str) -> bool:
    """Whether these words, of a refused page behind the first, say that it lies behind the last."""
    return none_found(words) or (bool(_BEYOND.search(_parted(words))) and not is_something_else(words))


def is_something_else(words: str) -> bool:
    """Whether these words speak of a login, a limit or a failure."""
    return bool(_ELSE.search(_parted(words)))


def is_real_error(words: str) -> bool:
    """Whether these words, of a refused page behind the first, mean an error, and not the end of the pages."""
    return is_something_else(words) and not _BEYOND.search(_parted(words))


def went_wrong(body: Any, redact: Callable[[str], str] = str) -> SourceError:
    """The error for a response whose `reports_error` is true."""
    said = quoted(message_in(body), redact)
    return SourceError(
        f"the API answers under HTTP 200 that something went wrong{said}. The next poll tries again; if that stays, "
        "check SYNCD_SOURCE__AUTH, SYNCD_SOURCE__QUERY_PARAMS and SYNCD_SOURCE__HEADERS"
    )


def totals(body: Any, orders: Any) -> list[int]:
    """The numbers in a response that may count all orders; none from `orders` themselves."""
    return [count for name, value in _members(body, orders) if name in TOTALS and (count := _count(value)) is not None]


@dataclass(frozen=True, slots=True)
class Signs:
    """What in a response says that there are more orders than it shows. `next_page`: why there is a further page;
    `counts`: how many orders there are, each with where it stands."""

    next_page: str | None
    counts: Sequence[tuple[int, str]]

    def more_than(self, shown: int) -> str | None:
        """Why there seem to be more orders than were shown."""
        return self.next_page or self.counted_above(shown)

    def counted_above(self, shown: int) -> str | None:
        return next((f"{where} says {count}" for count, where in self.counts if count > shown), None)


def signs_of(response: ApiResponse, orders: Any) -> Signs:
    """`orders`: what SYNCD_SOURCE__ITEMS finds in the response; nothing in them is a sign."""
    told = [*_named_values(response, orders)]
    pages = (f"{where} says {value}" for name, value, where in told if name in PAGES and (_count(value) or 0) > 1)
    following = (f"{where} names a next page" for name, value, where in told if name in NEXT and _leads_on(value))
    by_link = "its header Link names a next page" if response.link else None
    counts = [(count, where) for name, value, where in told if name in TOTALS and (count := _count(value)) is not None]
    return Signs(by_link or next(pages, None) or next(following, None), counts)


def _named_values(response: ApiResponse, orders: Any) -> Iterator[tuple[str, Any, str]]:
    """Names and values in the headers and the body of a response, and where they stand."""
    yield from ((normalized_name(name), value, f"its header {name}") for name, value in response.headers.items())
    yield from ((name, value, f"its {name}") for name, value in _members(response.body, orders))


def _members(content: Any, orders: Any, depth: int = _NESTED) -> Iterator[tuple[str, Any]]:
    """Names and values in an object, and in those within it."""
    if not isinstance(content, dict) or not depth or content is orders:
        return
    for name, value in content.items():
        yield normalized_name(name), value
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
