"""What a server answered: its body within bounds, decoded and as text, and what headers and words in it mean.

Servers say little that is true of how they encode: a charset stands in Content-Encoding, a default one in
Content-Type, a proxy unpacks a body and leaves the header. What the bytes are counts, then what is said of them.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import chain
from typing import Any

from urllib3 import BaseHTTPResponse

LONGEST_WAIT = 24 * 3600.0
_CHUNK = 64 * 1024
_CODINGS_AT_MOST = 2
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
_GZIP = b"\x1f\x8b"
_LONGEST_NUMBER = 300
_BEGINS_JSON = re.compile(r'\s*(?:\{\s*["}]|\[\s*["\[{\]])')
_RUSSIAN = "cp1251"
_RUSSIAN_WORD = re.compile(rb"[\xa8\xb8\xc0-\xff]{2}")
"""Two letters of it in windows-1251. In the languages of ISO-8859-1 such bytes stand alone among ASCII letters."""
_WESTERN = frozenset({"iso-8859-1", "latin-1", "latin1", "windows-1252", "cp1252", "us-ascii", "ascii"})
"""Stated by many a server for whatever it sends."""


class TooLongError(Exception):
    """A body is longer than it may be."""


def body_of(response: BaseHTTPResponse, limit: int) -> bytes:
    """The whole body, decoded. TooLongError: it is longer than `limit`, as it came or decoded. zlib.error: what is
    compressed in it is broken; ConnectionError: that is cut short."""
    return b"".join(parts_of(response, limit))


def parts_of(response: BaseHTTPResponse, limit: int) -> Iterator[bytes]:
    """The same in parts, so that one has those before the error."""
    parts: Iterator[bytes] = iter(partial(response.read1, _CHUNK, decode_content=False), b"")
    for _ in range(_CODINGS_AT_MOST):  # two servers on the way may each have compressed it
        parts = _within(limit, _decompressed(parts, codings(response.headers), limit + 1))
    return parts


def _within(limit: int, parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        limit -= len(part)
        if limit < 0:
            raise TooLongError
        yield part


def codings(headers: Mapping[str, str]) -> set[str]:
    """What `Content-Encoding` names, in small letters; much of what is written there is no compression."""
    return {coding.strip() for coding in headers.get("Content-Encoding", "").lower().split(",")}


def is_packed(headers: Mapping[str, str]) -> bool:
    """Whether it names a compression that was not asked for and is not undone here."""
    return bool(codings(headers) & {"br", "zstd", "compress", "x-compress", "dcb", "dcz"})


def _decompressed(chunks: Iterator[bytes], said: Collection[str], limit: int) -> Iterator[bytes]:
    """No more than `limit` at a time of what gzip, or what is said to be deflate, holds; else the bytes as they are."""
    start = b""
    while len(start) < len(_GZIP) and (chunk := next(chunks, b"")):
        start += chunk
    chunks = chain([start] if start else [], chunks)
    if start.startswith(_GZIP):
        return _ungzipped(chunks, limit)
    if "deflate" in said and start and not start[:1].isspace() and start[:1] not in b"{[":
        return _inflated(chunks, zlib.decompressobj(_deflate_form(start)), limit)
    return chunks


def _ungzipped(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """It may come in several members, one behind the other; what follows the last is padding, as gzip itself has it."""
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    left = b""
    for chunk in chunks:
        left += chunk
        while left:
            if decoder.eof:
                if len(left) < len(_GZIP) and _GZIP.startswith(left):
                    break  # what it is shows with the next chunk
                if not left.startswith(_GZIP):
                    return
                decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
            yield decoder.decompress(left, limit)
            left = decoder.unconsumed_tail or decoder.unused_data.lstrip(b"\0")
    if not decoder.eof:
        raise _cut_short()


def _deflate_form(start: bytes) -> int:
    """With zlib's header, as the standard has it, or without, as old servers send it (RFC 9110, section 8.4.1.2)."""
    has_header = start[0] & 0x0F == zlib.DEFLATED and int.from_bytes(start[:2], "big") % 31 == 0
    return _GZIP_OR_ZLIB if has_header else _RAW_DEFLATE


def _inflated(chunks: Iterable[bytes], decoder: zlib._Decompress, limit: int) -> Iterator[bytes]:
    for chunk in chunks:
        left = chunk
        while left and not decoder.eof:
            yield decoder.decompress(left, limit)
            left = decoder.unconsumed_tail
    if not decoder.eof:
        raise _cut_short()


def _cut_short() -> ConnectionError:
    return ConnectionError("the compressed answer is cut short")


def text_of(body: bytes, headers: Mapping[str, str]) -> str:
    """A body as text, without the byte order marks and blanks before it. UTF-8 where it is that, whatever was stated:
    hardly any text in another charset is UTF-8 by chance. Else what Content-Type states, else windows-1251."""
    return _decoded(body, headers).lstrip("\ufeff \t\r\n")


def _decoded(body: bytes, headers: Mapping[str, str]) -> str:
    detected = json.detect_encoding(body)  # by a byte order mark, or by where the zeros are
    if not detected.startswith("utf-8"):
        return body.decode(detected, "replace")
    text = body.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if not broken or broken < sum(map(str.isalpha, re.findall(r"[^\x00-\x7f]", text))):
        return text  # a database's column may have cut a letter in two
    stated = _stated_charset(headers)
    if stated is None or (stated in _WESTERN and _RUSSIAN_WORD.search(body)):
        stated = _RUSSIAN
    try:
        return body.decode(stated, "replace")
    except (LookupError, UnicodeError, ValueError):  # no charset, or a codec of Python's that is none
        return body.decode(_RUSSIAN, "replace")


def _stated_charset(headers: Mapping[str, str]) -> str | None:
    """None: none, or a form of UTF: these are seen, not stated."""
    message = Message()
    message["Content-Type"] = headers.get("Content-Type", "")
    stated = message.get_content_charset()
    return None if stated is None or stated.startswith("utf") else stated


def is_html(text: str, headers: Mapping[str, str]) -> bool:
    """Whether it is a page for a browser, or XML. Many a program of PHP sends JSON under the name of HTML."""
    return text.startswith("<") or ("html" in headers.get("Content-Type", "").lower() and not _BEGINS_JSON.match(text))


def json_of(text: str) -> Any:
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


def moment_of(date: str | None) -> datetime | None:
    """What a header such as `Date` says; None: nothing that can be read."""
    try:
        when = parsedate_to_datetime(date or "")
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def seconds_to_wait(headers: Mapping[str, str], now: datetime, milliseconds: str | None = None) -> float | None:
    """How long an answer asks to wait: by the header of the platform's own that `milliseconds` names, else by
    `Retry-After` (RFC 9110, section 10.2.3: seconds or a date); a day at most. None: it does not say, or says garbage
    or a time that is over. `now` by the server's own clock, if that is known."""
    own = _number(headers.get(milliseconds or "", ""))
    if own is not None:
        return min(own / 1000, LONGEST_WAIT)
    asked = headers.get("Retry-After", "")
    seconds = _number(asked)
    if seconds is None and (when := moment_of(asked)):
        seconds = (when - now).total_seconds()
    return min(seconds, LONGEST_WAIT) if seconds is not None and seconds >= 0 else None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", text) else None


def says_wrong(content: Any) -> bool:
    """Whether a JSON document says that what was asked for went wrong: servers do so under HTTP 200 too."""
    return isinstance(content, dict) and (
        any(_is_fault(plain_name(name), value) for name, value in content.items())
        or any(
            _is_fault(plain_name(name), value)
            for inner in content.values()
            if isinstance(inner, dict)
            for name, value in inner.items()
        )
    )


def words_of(text: str) -> str:
    """What an answer says, in its own words: those that its JSON has for what went wrong, else all of it, with letters
    in place of `\\u` escapes."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return words_in(content)


def words_in(content: Any) -> str:
    """The same of a JSON document."""
    if found := words_for_people(content):
        return found
    try:
        return json.dumps(content, ensure_ascii=False)
    except RecursionError:
        return "what is nested too deeply to be told"


def words_for_people(content: Any) -> str:
    """Those that stand under a name such as `message`; empty where there are none."""
    return "; ".join(dict.fromkeys(_words(content, _DEEPEST)))


_WORDS = re.compile(
    r"(odata)?(errors?|faults?|exceptions?|ошибк[аи])|"
    r"(error|err|fault)?(msg|messages?|text|description|details?|reason|string|value|title)|сообщение|описание"
)
_FAULTS = re.compile(r"(odata)?(errors?|faults?|exceptions?|ошибк[аи])|err(or)?(msg|message|text)|haserrors?|iserror")
_SUCCESSES = frozenset({"success", "succeeded", "successful", "issuccess", "ok"})
_OUTCOMES = frozenset({"status", "result", "state"})
_FAILURES = frozenset(
    {"error", "fail", "failed", "failure", "fault", "nok", "denied", "forbidden", "unauthorized", "unauthenticated"}
    | {"ошибка"}
)
_CODES = frozenset({"code", "status", "statuscode", "httpcode", "httpstatus", "responsecode", "errorcode", "errcode"})
_REFUSAL = re.compile(r"4(?!04)\d\d|5\d\d")
"""HTTP's, written into the answer. 404 is not one: where a list stands beside it, it says that this is empty."""
_NONE = frozenset(
    {"", "0", "-", "no", "none", "null", "false", "ok", "success", "successful", "no error", "no errors"}
    | {"нет", "нет ошибок", "ошибок нет", "без ошибок", "успешно"}
)
_NO = (False, 0, "0", "false", "no")
_DEEPEST = 4


def plain_name(name: object) -> str:
    """What a member of a JSON object is called, however it is written: `errorMsg`, `error_msg` and `Error-Msg` are
    one."""
    return re.sub(r"[\W_]", "", str(name)).lower()


def _is_fault(name: str, value: Any) -> bool:
    if name in _SUCCESSES:
        return (value.lower() if isinstance(value, str) else value) in _NO
    if name in _CODES and isinstance(value, int | str) and _REFUSAL.fullmatch(str(value)):
        return True
    if name in _OUTCOMES:
        return value is False or (isinstance(value, str) and value.lower() in _FAILURES)
    return bool(_FAULTS.fullmatch(name)) and _is_something(value, _DEEPEST)


def _is_something(value: Any, depth: int) -> bool:
    match value:
        case dict() if depth:
            return any(_is_something(one, depth - 1) for one in value.values())
        case list() if depth:
            return any(_is_something(one, depth - 1) for one in value)
        case str():
            return value.strip().lower() not in _NONE
    return bool(value)


def _words(content: Any, depth: int) -> Iterator[str]:
    match content:
        case str() if content.strip():
            yield content.strip()
        case list() if depth:
            for one in content:
                yield from _words(one, depth - 1)
        case dict() if depth:
            named = [value for name, value in content.items() if _WORDS.fullmatch(plain_name(name))]
            for value in named:
                yield from _words(value, depth - 1)
            if not named and depth < _DEEPEST:  # as forms are answered, by the names of their fields
                for name, value in content.items():
                    yield from (f"{name}: {text}" for text in _words(value, depth - 1))
