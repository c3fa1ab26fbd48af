"""An API's responses: JSON, or the reason why it is none, with what to do about it."""

from __future__ import annotations

import json
import re
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from syncd.errors import SourceError
from syncd.http.bodies import is_html, parse_json
from syncd.http.connections import root_cause
from syncd.http.error_messages import message_in_text
from syncd.http.headers import content_encodings, has_other_compression

BODY_LIMIT = 32 * 1024 * 1024
NO_CONTENT = (204, 205)
REFUSED_PAGE = frozenset({400, 404, 416, 422})
"""The statuses with which APIs refuse a page that does not exist: WordPress 400, Laravel 422."""
_QUOTED = 200
_PARAM = r';\s*([\w!#$&+.^`|~-]+\*?)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*)?'
_COUNTED = re.compile(r"\s*([0-9]{1,9})\s*")
_LINK_PARAM = re.compile(_PARAM)
_LINK = re.compile(rf"<(?P<target>[^>]*)>\s*(?P<params>(?:{_PARAM})*)")


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response as text. `url` is where the last redirect led; the names of `headers` are case-insensitive."""

    url: str
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def is_html_page(self) -> bool:
        """Whether it is meant for a browser, or is XML: nothing of it is quoted."""
        return is_html(self.text, self.headers)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """`body`: the JSON; None where there is no content. `refusal`: the error for a status of REFUSED_PAGE, which the
    caller may know to mean something else; `said` are its words, empty where it is a page of HTML."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: Any = None
    refusal: SourceError | None = None
    said: str = ""

    @property
    def link(self) -> str | None:
        """The target of the header `Link` whose `rel` is next (RFC 8288, section 3). Quoted text in it may hold commas
        and angle brackets."""
        for link in _LINK.finditer(header_text(self.headers.get("Link", ""))):
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


def parse_response(raw: RawResponse, host: str, redact: Callable[[str], str]) -> ApiResponse:
    """SourceError says why there is no such response, and what to do."""
    if not 200 <= raw.status < 300:
        what, advice = _why_refused(raw.status)
        refusal = SourceError(f"{host} {what} (HTTP {raw.status}){quoted_of(raw, redact)}. {advice}")
        if raw.status not in REFUSED_PAGE:
            raise refusal
        said = "" if raw.is_html_page else message_in_text(raw.text)
        return ApiResponse(raw.url, raw.status, raw.headers, refusal=refusal, said=said)
    if raw.status in NO_CONTENT:
        return ApiResponse(raw.url, raw.status, raw.headers)
    try:
        body = parse_json(raw.text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{host} {_not_json(raw, error)}") from None
    return ApiResponse(raw.url, raw.status, raw.headers, body)


def header_text(header: str) -> str:
    """A header as text: http.client decodes its bytes as ISO-8859-1, but those that are not ASCII are mostly UTF-8."""
    try:
        return header.encode("iso-8859-1").decode("utf-8")
    except UnicodeError:
        return header


def quoted(words: str, redact: Callable[[str], str]) -> str:
    """What an API says, for a message: on one line, cut, without secrets; empty if it says nothing."""
    text = " ".join("".join(char if char.isprintable() else " " for char in words).split())
    return f": {redact(text)[:_QUOTED].rstrip('.')}" if text else ""


def why_failed(error: Exception) -> tuple[str, bool]:
    """Why there is no response, for a person, and whether the next try may succeed. The texts of urllib3 and requests
    quote the URL, so only the text of the error beneath theirs is used."""
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


def quoted_of(raw: RawResponse, redact: Callable[[str], str]) -> str:
    """What a response says, unless it is a page for a browser."""
    return "" if raw.is_html_page else quoted(message_in_text(raw.text), redact)


def _why_refused(status: int) -> tuple[str, str]:
    """What the API does by this status, and what to do about it."""
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


def _not_json(raw: RawResponse, error: Exception) -> str:
    if has_other_compression(raw.headers):
        coding = ", ".join(sorted(content_encodings(raw.headers)))
        return f"compresses its answers in a way that was not asked for ({coding}). {_PACKED}"
    if raw.text.startswith("<?xml"):
        return (
            "answers in XML instead of JSON. Ask for JSON: by a parameter in SYNCD_SOURCE__QUERY_PARAMS, or by Accept "
            "in SYNCD_SOURCE__HEADERS, as the API has it"
        )
    if raw.is_html_page:
        return (
            "answers with a page of HTML instead of JSON, perhaps a login form. "
            "Check SYNCD_SOURCE__URL and SYNCD_SOURCE__AUTH"
        )
    if not raw.text.strip():
        return f"answers with nothing (HTTP {raw.status}). Check SYNCD_SOURCE__URL"
    where = f" ({error.msg} at character {error.pos:,})" if isinstance(error, json.JSONDecodeError) else ""
    return f"answers with {len(raw.text):,} characters that are no whole JSON{where}. Check SYNCD_SOURCE__URL"
