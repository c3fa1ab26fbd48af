"""What an API answered: read within bounds, and what it means where it is no JSON."""

from __future__ import annotations

import json
import re
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from syncd.errors import SourceError
from syncd.http import is_html, root_cause, text_of

BODY_LIMIT = 32 * 1024 * 1024
LONGEST_ASKED_WAIT = 24 * 3600.0
_QUOTED = 200
_LONGEST_NUMBER = 300
_PORTS = {"http": 80, "https": 443}
_PARAM = r';\s*([\w!#$&+.^`|~-]+\*?)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*)?'
_COUNTED = re.compile(r"\s*([0-9]{1,9})\s*")
_LINK_PARAM = re.compile(_PARAM)
_LINK = re.compile(rf"<(?P<target>[^>]*)>\s*(?P<params>(?:{_PARAM})*)")


@dataclass(frozen=True, slots=True)
class Reply:
    """`url` is where it came from in the end; `headers` know no case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def seconds_to_wait(self, milliseconds_header: str | None, now: datetime) -> float | None:
        """How long it asks to wait: milliseconds in a header of the platform's own, else `Retry-After` as seconds or
        a date; a day at most. None: it does not say, or not a time to come. `now` by its own clock."""
        own = self.headers.get(milliseconds_header or "", "").strip()
        asked = self.headers.get("Retry-After", "").strip()
        if own.isascii() and own.isdigit():
            seconds = float(own) / 1000
        elif asked.isascii() and asked.isdigit():
            seconds = float(asked)
        elif when := moment_of(asked):
            seconds = (when - now).total_seconds()
        else:
            return None
        return min(seconds, LONGEST_ASKED_WAIT) if seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Answer:
    """JSON, or None where there is no such page, of which the API says what is `missing`. `link`: the URL that `Link`
    names as the next; `total`: how many there are on all pages, where a header says so."""

    url: str
    body: Any
    link: str | None = None
    missing: str | None = None
    total: int | None = None


def answer_of(reply: Reply, host: str, redact: Callable[[str], str]) -> Answer:
    """SourceError says why there is no answer, and what to do."""
    if reply.status == 404:
        return Answer(reply.url, None, missing=quote(reply, redact))
    if not 200 <= reply.status < 300:
        raise SourceError(f"{host} {_refusal(reply.status)}{quote(reply, redact)}. {_advice(reply.status)}")
    try:
        body = _json(_text(reply))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{host} {_not_json(reply, error)}") from None
    return Answer(reply.url, body, _next_link(reply), total=_total(reply))


def no_such_page(host: str, said: str) -> SourceError:
    advice = "Check SYNCD_SOURCE__URL, and SYNCD_SOURCE__PATH or a preset's SYNCD_SOURCE__PARAMS__…"
    return SourceError(f"{host} knows no such page (HTTP 404){said}. {advice}")


def moment_of(date: str) -> datetime | None:
    """What a header such as `Date` says; None: nothing that can be read."""
    try:
        when = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def why_not(error: Exception) -> tuple[str, bool]:
    """Why there is no reply, for a person; and whether it may well be over at the next try. The texts of urllib3 and
    requests quote the URL, so only that of the error which lies under theirs is told."""
    cause = root_cause(error)
    text = str(getattr(cause, "strerror", None) or cause) or type(cause).__name__
    text = " ".join(text.split())[:_QUOTED]
    if isinstance(error, requests.exceptions.SSLError) or isinstance(cause, ssl.SSLError):
        return f"cannot be trusted: {text}. Check its certificate, this machine's clock and REQUESTS_CA_BUNDLE", False
    if isinstance(error, requests.exceptions.Timeout) or isinstance(cause, TimeoutError):
        return "did not answer within SYNCD_SOURCE__TIMEOUT. The next poll tries again", False
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidHeader):
        return "cannot be asked: check SYNCD_SOURCE__URL and SYNCD_SOURCE__HEADERS", False
    if isinstance(error, zlib.error):
        return "compresses its answers in a way that was not asked for. Check SYNCD_SOURCE__HEADERS", False
    return f"cannot be read: {text}. Check SYNCD_SOURCE__URL, the network and the proxy", True


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, parts.hostname or "", parts.port or _PORTS.get(scheme, 0)


def _refusal(status: int) -> str:
    if status in (401, 403, 407):
        return f"does not accept the login (HTTP {status})"
    if 300 <= status < 400:
        return f"redirects to nowhere (HTTP {status})"
    return f"refuses the request (HTTP {status})" if status < 500 else f"failed (HTTP {status})"


def _advice(status: int) -> str:
    if status in (401, 403, 407):
        return "Check SYNCD_SOURCE__AUTH and SYNCD_SOURCE__HEADERS, or the key in SYNCD_SOURCE__URL"
    if status >= 500:
        return "The next poll tries again"
    return "Check SYNCD_SOURCE__URL, SYNCD_SOURCE__QUERY_PARAMS and SYNCD_SOURCE__HEADERS"


def quote(reply: Reply, redact: Callable[[str], str]) -> str:
    """What the answer says, unless it is a page for a browser."""
    text = " ".join("".join(char if char.isprintable() else " " for char in _text(reply)).split())
    return f": {redact(text)[:_QUOTED]}" if text and not _is_html(reply) else ""


def _not_json(reply: Reply, error: Exception) -> str:
    if _is_html(reply):
        return (
            "answers with a page of HTML instead of JSON, perhaps a login form. "
            "Check SYNCD_SOURCE__URL and SYNCD_SOURCE__AUTH"
        )
    if not reply.body.strip():
        return f"answers with nothing (HTTP {reply.status}). Check SYNCD_SOURCE__URL"
    where = f" ({error.msg} at character {error.pos:,})" if isinstance(error, json.JSONDecodeError) else ""
    return f"answers with {len(reply.body):,} bytes that are no whole JSON{where}. Check SYNCD_SOURCE__URL"


def _is_html(reply: Reply) -> bool:
    return is_html(reply.body, reply.headers)


def _text(reply: Reply) -> str:
    return text_of(reply.body, reply.headers)


def _next_link(reply: Reply) -> str | None:
    """The target whose `rel` is next (RFC 8288, section 3): a quoted text may hold commas and angle brackets."""
    for link in _LINK.finditer(reply.headers.get("Link", "")):
        params = {name.lower(): quoted or bare for name, quoted, bare in _LINK_PARAM.findall(link["params"])}
        if "next" in params.get("rel", "").lower().split():
            return link["target"].strip()
    return None


def _total(reply: Reply) -> int | None:
    said = reply.headers.get("X-WP-Total") or reply.headers.get("X-Total-Count") or ""
    return int(found[1]) if (found := _COUNTED.fullmatch(said)) else None


def _json(text: str) -> Any:
    """What the text says. NaN and Infinity, which are no JSON, and a number that nobody can hold are numbers that are
    not finite: they cost the order that they stand in. ValueError, RecursionError: it is no JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a whole number of more digits than Python reads
        return json.loads(text, parse_int=_whole)


def _whole(text: str) -> float:
    return int(text) if len(text) <= _LONGEST_NUMBER else float(text)
