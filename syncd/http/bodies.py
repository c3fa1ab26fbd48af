"""The body of an HTTP answer: read within a limit, decompressed, decoded to text, parsed as JSON.

Headers are no reliable guide to the bytes. A charset stands in Content-Encoding, a default one in Content-Type; a proxy
unpacks a body and leaves the header, or packs it twice. So the bytes themselves are looked at first.

urllib3 could decompress, but it takes Content-Encoding at its word, decodes a cut gzip stream without an error, and
bounds what one call decompresses only in its newest versions.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from email.message import Message
from functools import partial
from itertools import chain
from typing import Any

from urllib3 import BaseHTTPResponse

from syncd.http.headers import content_encodings

_CHUNK = 64 * 1024
_COMPRESSIONS_AT_MOST = 2
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
_GZIP = b"\x1f\x8b"
_RUSSIAN = "cp1251"
_RUSSIAN_WORD = re.compile(rb"[\xa8\xb8\xc0-\xff]{2}")
"""Two Russian letters in windows-1251. In the languages of ISO-8859-1 such bytes stand alone among ASCII letters."""
_WESTERN = frozenset({"iso-8859-1", "latin-1", "latin1", "windows-1252", "cp1252", "us-ascii", "ascii"})
"""Charsets that many servers state whatever they send."""
_JSON_START = re.compile(r'\s*(?:\{\s*["}]|\[\s*["\[{\]])')
_LONGEST_INTEGER = 300


class BodyTooLongError(Exception):
    """A body is longer than its limit."""


# --- Bytes: within a limit, decompressed ---


def read_body(response: BaseHTTPResponse, limit: int) -> bytes:
    """The whole body, decompressed. BodyTooLongError: it is longer than `limit` bytes, as it came or decompressed.
    zlib.error: the compressed data is broken; ConnectionError: it is cut short."""
    return b"".join(iter_body(response, limit))


def iter_body(response: BaseHTTPResponse, limit: int) -> Iterator[bytes]:
    """The same in parts, so that the caller has those before the error."""
    parts: Iterator[bytes] = iter(partial(response.read1, _CHUNK, decode_content=False), b"")
    for _ in range(_COMPRESSIONS_AT_MOST):  # two servers on the way may each have compressed it
        parts = _limited(limit, _decompressed(parts, content_encodings(response.headers), limit + 1))
    return parts


def _limited(limit: int, parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        limit -= len(part)
        if limit < 0:
            raise BodyTooLongError
        yield part


def _decompressed(chunks: Iterator[bytes], stated: Collection[str], limit: int) -> Iterator[bytes]:
    """The content of gzip, or of deflate where that is stated, at most `limit` bytes at a time; else the bytes as they
    are."""
    start = b""
    while len(start) < len(_GZIP) and (chunk := next(chunks, b"")):
        start += chunk
    chunks = chain([start] if start else [], chunks)
    if start.startswith(_GZIP):
        return _gunzipped(chunks, limit)
    if "deflate" in stated and start and not start[:1].isspace() and start[:1] not in b"{[":
        # With zlib's header, as the standard has it, or without, as old servers send it (RFC 9110, section 8.4.1.2).
        has_header = start[0] & 0x0F == zlib.DEFLATED and int.from_bytes(start[:2], "big") % 31 == 0
        return _inflated(chunks, zlib.decompressobj(_GZIP_OR_ZLIB if has_header else _RAW_DEFLATE), limit)
    return chunks


def _gunzipped(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Several gzip members may follow each other. What comes after the last one is padding, as for gzip itself."""
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    left = b""
    for chunk in chunks:
        left += chunk
        while left:
            if decoder.eof:
                if len(left) < len(_GZIP) and _GZIP.startswith(left):
                    break  # the next chunk shows whether this begins a member
                if not left.startswith(_GZIP):
                    return
                decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
            yield decoder.decompress(left, limit)
            left = decoder.unconsumed_tail or decoder.unused_data.lstrip(b"\0")
    if not decoder.eof:
        raise _cut_short()


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


# --- Text: which charset it is in ---


def decode_text(body: bytes, headers: Mapping[str, str]) -> str:
    """A body as text, without byte order marks and blanks at its start. Bytes that are UTF-8 are taken for it, whatever
    is stated: text in another charset is hardly ever UTF-8 by chance. Else what Content-Type states, else
    windows-1251."""
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
    except (LookupError, UnicodeError, ValueError):  # no charset, or a codec of Python's that decodes no text
        return body.decode(_RUSSIAN, "replace")


def _stated_charset(headers: Mapping[str, str]) -> str | None:
    """None: there is none, or it is a form of UTF, which is detected and not stated."""
    message = Message()
    message["Content-Type"] = headers.get("Content-Type", "")
    stated = message.get_content_charset()
    return None if stated is None or stated.startswith("utf") else stated


# --- Content: JSON, or a page for a browser ---


def is_html(text: str, headers: Mapping[str, str]) -> bool:
    """Whether it is HTML or XML. Many PHP programs send JSON with the Content-Type of HTML."""
    return text.startswith("<") or ("html" in headers.get("Content-Type", "").lower() and not _JSON_START.match(text))


def parse_json(text: str) -> Any:
    """What the text holds. NaN, Infinity and integers of more than 300 digits become floats that are not finite: then
    only the order that holds one is skipped, not the whole page. ValueError, RecursionError: it is no JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of more digits than Python parses
        return json.loads(text, parse_int=lambda digits: (int if len(digits) <= _LONGEST_INTEGER else float)(digits))
