"""What the headers of an HTTP answer say: its time, how long to wait, how the body is compressed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 24 * 3600.0
"""Seconds. An answer that asks for more is obeyed only so long."""


def parse_http_date(date: str | None) -> datetime | None:
    """The time in a header such as `Date`, aware; None: it is missing or cannot be read."""
    try:
        when = parsedate_to_datetime(date or "")
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def retry_after_seconds(headers: Mapping[str, str], now: datetime, milliseconds: str | None = None) -> float | None:
    """How long an answer asks to wait, LONGEST_WAIT at most: by the platform's own header, whose name `milliseconds`
    is, else by `Retry-After` (RFC 9110, section 10.2.3: seconds or a date). None: it does not say, or nothing that can
    be read, or a time that has passed. `now`: by the server's clock, if that is known."""
    own = _number(headers.get(milliseconds or "", ""))
    if own is not None:
        return min(own / 1000, LONGEST_WAIT)
    asked = headers.get("Retry-After", "")
    seconds = _number(asked)
    if seconds is None and (when := parse_http_date(asked)):
        seconds = (when - now).total_seconds()
    return min(seconds, LONGEST_WAIT) if seconds is not None and seconds >= 0 else None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", text) else None


def content_encodings(headers: Mapping[str, str]) -> set[str]:
    """What `Content-Encoding` names, in lower case. Often that is no compression at all."""
    return {coding.strip() for coding in headers.get("Content-Encoding", "").lower().split(",")}


def has_other_compression(headers: Mapping[str, str]) -> bool:
    """Whether `Content-Encoding` names a compression that no client here asks for, and that is not undone here."""
    return bool(content_encodings(headers) & {"br", "zstd", "compress", "x-compress", "dcb", "dcz"})
