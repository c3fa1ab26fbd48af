"""What an API answered, and what it means where it is no JSON.

What an answer says besides its orders: that there are none, or more than it shows, or that something went wrong.
"""

from __future__ import annotations

import json
import re
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from syncd.errors import SourceError
from syncd.http.bodies import codings, is_html, is_packed, json_of, plain_name, words_in, words_of
from syncd.http.connections import root_cause

BODY_LIMIT = 32 * 1024 * 1024
NO_CONTENT = (204, 205)
BEHIND_THE_LAST = frozenset({400, 404, 416, 422})
"""What APIs answer where a page is asked for that there is not: WordPress 400, Laravel 422."""
_QUOTED = 200
_PARAM = r';\s*([\w!#$&+.^`|~-]+\*?)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*)?'
_COUNTED = re.compile(r"\s*([0-9]{1,9})\s*")
_LINK_PARAM = re.compile(_PARAM)
_LINK = re.compile(rf"<(?P<target>[^>]*)>\s*(?P<params>(?:{_PARAM})*)")


@dataclass(frozen=True, slots=True)
class RawResponse:
    """`url` is where it came from in the end; `headers` know no case."""

    url: str
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def is_page(self) -> bool:
        """Whether it is meant for a browser, or XML: nothing of it is quoted."""
        return is_html(self.text, self.headers)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """JSON; None where there is no content. `refusal`: it is none, but one of the refusals of which the caller may know
    better what they mean; `said` are their words, empty where they are a page of HTML."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: Any = None
    refusal: SourceError | None = None
    said: str = ""

    @property
    def link(self) -> str | None:
        """The target of the header `Link` whose `rel` is next (RFC 8288, section 3): a quoted text may hold commas and
        angle brackets."""
        for link in _LINK.finditer(letters(self.headers.get("Link", ""))):
            params = {name.lower(): quoted or bare for name, quoted, bare in _LINK_PARAM.findall(link["params"])}
            if "next" in params.get("rel", "").lower().split():
                return link["target"].strip()
        return None

    @property
    def total(self) -> int | None:
        """How many orders there are on all pages, where a header says so."""
        said = self.headers.get("X-WP-Total") or self.headers.get("X-Total-Count") or ""
        return int(found[1]) if (found := _COUNTED.fullmatch(said)) else None

    def content(self) -> Any:
        """SourceError: it is a refusal."""
        if self.refusal is not None:
            raise self.refusal
        return self.body


def answer_of(reply: RawResponse, host: str, redact: Callable[[str], str]) -> ApiResponse:
    """SourceError says why there is no answer, and what to do."""
    if not 200 <= reply.status < 300:
        refusal = _refusal(reply, host, redact)
        if reply.status not in BEHIND_THE_LAST:
            raise refusal
        said = "" if reply.is_page else words_of(reply.text)
        return ApiResponse(reply.url, reply.status, reply.headers, refusal=refusal, said=said)
    if reply.status in NO_CONTENT:
        return ApiResponse(reply.url, reply.status, reply.headers)
    try:
        body = json_of(reply.text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{host} {_not_json(reply, error)}") from None
    return ApiResponse(reply.url, reply.status, reply.headers, body)


def letters(header: str) -> str:
    """A header as text: http.client takes its bytes for ISO-8859-1, and most that hold others than ASCII are UTF-8."""
    try:
        return header.encode("iso-8859-1").decode("utf-8")
    except UnicodeError:
        return header


def quoted(words: str, redact: Callable[[str], str]) -> str:
    """Somebody's words, in one line and not too many."""
    text = " ".join("".join(char if char.isprintable() else " " for char in words).split())
    return f": {redact(text)[:_QUOTED].rstrip('.')}" if text else ""


def why_not(error: Exception) -> tuple[str, bool]:
    """Why there is no reply, for a person; and whether it may well be over at the next try. The texts of urllib3 and
    requests quote the URL, so only that of the error which lies under theirs is told."""
    cause, text = root_cause(error)
    text = " ".join(text.split())[:_QUOTED]
    if isinstance(error, requests.exceptions.SSLError) or isinstance(cause, ssl.SSLError):
        return f"cannot be trusted: {text}. Check its certificate, this machine's clock and REQUESTS_CA_BUNDLE", False
    if isinstance(error, requests.exceptions.Timeout) or isinstance(cause, TimeoutError):
        return "did not answer within SYNCD_SOURCE__TIMEOUT. The next poll tries again", False
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidHeader):
        return "cannot be asked: check SYNCD_SOURCE__URL and SYNCD_SOURCE__HEADERS", False
    if isinstance(error, zlib.error):
        return f"compresses its answers in a way that cannot be undone. {_PACKED}", False
    return f"cannot be read: {text}. Check SYNCD_SOURCE__URL, the network and the proxy", True


_PACKED = "See that no proxy on the way does so, and that SYNCD_SOURCE__HEADERS sets no Accept-Encoding"


def _refusal(reply: RawResponse, host: str, redact: Callable[[str], str]) -> SourceError:
    what, advice = _refused(reply.status)
    return SourceError(f"{host} {what} (HTTP {reply.status}){quoted_of(reply, redact)}. {advice}")


def quoted_of(reply: RawResponse, redact: Callable[[str], str]) -> str:
    """What it says, unless it is a page for a browser."""
    return "" if reply.is_page else quoted(words_of(reply.text), redact)


def _refused(status: int) -> tuple[str, str]:
    """What the API does, and what to do about it."""
    if status == 404:
        return "knows no such page", (
            "Check SYNCD_SOURCE__URL, and SYNCD_SOURCE__PATH or a preset's SYNCD_SOURCE__PARAMS__…"
        )
    if status in (401, 403, 407):
        return (
            "does not accept the login",
            "Check SYNCD_SOURCE__AUTH and SYNCD_SOURCE__HEADERS, or the key in SYNCD_SOURCE__URL",
        )
    if status >= 500:
        return "failed", "The next poll tries again"
    what = "redirects to nowhere" if 300 <= status < 400 else "refuses the request"
    return what, "Check SYNCD_SOURCE__URL, SYNCD_SOURCE__QUERY_PARAMS and SYNCD_SOURCE__HEADERS"


def _not_json(reply: RawResponse, error: Exception) -> str:
    if is_packed(reply.headers):
        coding = ", ".join(sorted(codings(reply.headers)))
        return f"compresses its answers in a way that was not asked for ({coding}). {_PACKED}"
    if reply.text.startswith("<?xml"):
        return (
            "answers in XML instead of JSON. Ask for JSON: by a parameter in SYNCD_SOURCE__QUERY_PARAMS, or by Accept "
            "in SYNCD_SOURCE__HEADERS, as the API has it"
        )
    if reply.is_page:
        return (
            "answers with a page of HTML instead of JSON, perhaps a login form. "
            "Check SYNCD_SOURCE__URL and SYNCD_SOURCE__AUTH"
        )
    if not reply.text.strip():
        return f"answers with nothing (HTTP {reply.status}). Check SYNCD_SOURCE__URL"
    where = f" ({error.msg} at character {error.pos:,})" if isinstance(error, json.JSONDecodeError) else ""
    return f"answers with {len(reply.text):,} characters that are no whole JSON{where}. Check SYNCD_SOURCE__URL"


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
"""Of logins, limits and failures: what is said of orders along with them says why they are not shown."""
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
    """Whether these words say that there are no orders; not that there is no such address, or no right to see them."""
    parted = _parted(words)
    return bool(_NONE_FOUND.search(parted)) and not _ADDRESS.search(parted) and not _ELSE.search(parted)


def is_beyond(words: str) -> bool:
    """Whether these words, said of a page behind the first, say that it lies behind the last."""
    return none_found(words) or (bool(_BEYOND.search(_parted(words))) and not is_something_else(words))


def is_something_else(words: str) -> bool:
    """Whether these words tell of a login, a limit or a failure."""
    return bool(_ELSE.search(_parted(words)))


def is_no_end(words: str) -> bool:
    """Whether these words, of a refused page behind the first, say nothing of pages but why it is refused."""
    return is_something_else(words) and not _BEYOND.search(_parted(words))


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


@dataclass(frozen=True, slots=True)
class Signs:
    """What in an answer says that there are more orders than it shows: `next_page` that there is a further page,
    `counts` how many orders there are, each with the words for it."""

    next_page: str | None
    counts: Sequence[tuple[int, str]]

    def more_than(self, shown: int) -> str | None:
        """Why there seem to be more orders than were shown."""
        return self.next_page or self.counted_above(shown)

    def counted_above(self, shown: int) -> str | None:
        return next((f"{where} says {count}" for count, where in self.counts if count > shown), None)


def signs_of(answer: ApiResponse, orders: Any) -> Signs:
    """`orders`: what stands in the answer where they do; what is in them counts nothing."""
    told = [*_told(answer, orders)]
    pages = (f"{where} says {value}" for name, value, where in told if name in PAGES and (_count(value) or 0) > 1)
    following = (f"{where} names a next page" for name, value, where in told if name in NEXT and _leads_on(value))
    by_link = "its header Link names a next page" if answer.link else None
    counts = [(count, where) for name, value, where in told if name in TOTALS and (count := _count(value)) is not None]
    return Signs(by_link or next(pages, None) or next(following, None), counts)


def _told(answer: ApiResponse, orders: Any) -> Iterator[tuple[str, Any, str]]:
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
