"""Logs: one event a line with a stable name; JSON, or readable text on a terminal; never a secret.

All modules log through the standard library: `log.info("pushed", extra=fields(order_id=…))`. Secrets are masked last,
in the whole line: a traceback or a driver's message may hold a URL.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from typing_extensions import override

from syncd.rate_limiter import RateLimiter
from syncd.redact import without_phones
from syncd.text import json_text, printable

AT_ONCE = 20
SECONDS_FOR_ANOTHER = 60.0
"""Of each event AT_ONCE lines are written at once, and then one a minute: the log stays under 1 MB a day whether the
shop is healthy or everything fails."""
USUAL_BYTES = 400
"""A line that is longer counts as several: a long traceback each minute would be 25 MB a day."""
LONGEST_VALUE = 2000  # characters
LONGEST_TRACEBACK = 8000
QUOTING = ("error", "detail")
"""Fields that may quote IMSHOP or the shop, and with them a buyer's phone number."""
_CHATTY = ("apscheduler", "alembic", "waitress", "urllib3", "werkzeug")


def fields(**values: object) -> dict[str, object]:
    """The fields of an event, for the `extra` of a logging call. None values are left out."""
    return {"fields": {name: value for name, value in values.items() if value is not None}}


@dataclass(slots=True)
class _EventLimit:
    limiter: RateLimiter
    kept_back: int = 0
    """How many lines of the event were left out since the last one that was written."""


class EventFilter(logging.Filter):
    """Lets some lines of each event through, and then says how many it kept back.

    An event that repeats for as long as a fault lasts would otherwise fill the disk that holds the daemon's own state.
    What became of each change is in the state anyway.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._events: dict[tuple[str, str, int], _EventLimit] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        event = _event(record)
        if (limit := self._events.get(event)) is None:
            limit = self._events[event] = _EventLimit(RateLimiter(1 / SECONDS_FOR_ANOTHER, capacity=AT_ONCE))
        if not limit.limiter.take(self._monotonic()):
            limit.kept_back += 1
            return False
        if limit.kept_back:
            record.__dict__["fields"] = {**_fields(record), "kept_back": limit.kept_back}
        limit.kept_back = 0
        return True

    def written(self, record: logging.LogRecord, line: str) -> None:
        """What went through was so long."""
        limit = self._events[_event(record)]
        for _ in range(len(line.encode("utf-8", "replace")) // USUAL_BYTES):
            limit.limiter.reserve(self._monotonic())


class LimitedHandler(logging.StreamHandler[TextIO]):
    """Writes what `limit` lets through."""

    def __init__(self, stream: TextIO, limit: EventFilter) -> None:
        super().__init__(stream)
        self.addFilter(limit)
        self._limit = limit

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        self._limit.written(record, line)
        return line


def _event(record: logging.LogRecord) -> tuple[str, str, int]:
    return record.name, str(record.msg), record.levelno


class Lines(logging.Formatter):
    """One event a line, as `form` writes it, and a traceback behind it. `redact` masks secrets in all of it."""

    def __init__(self, form: Literal["console", "json"], redact: Callable[[str], str]) -> None:
        super().__init__()
        self._write = _json if form == "json" else _console
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        traceback = _shortened(self.formatException(record.exc_info)) if record.exc_info else None
        return self._redact(self._write(record, datetime.fromtimestamp(record.created, UTC), traceback))


def _json(record: logging.LogRecord, at: datetime, traceback: str | None) -> str:
    event: dict[str, object] = {
        "time": at.isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "event": record.getMessage(),
        **_fields(record),
    }
    if traceback:
        event["traceback"] = traceback
    return json_text(event, default=str)


def _console(record: logging.LogRecord, at: datetime, traceback: str | None) -> str:
    about = "".join(f"  {name}={_shown(value)}" for name, value in _fields(record).items())
    line = f"{at.astimezone():%H:%M:%S}  {record.levelname.lower():<7}  {record.getMessage()}{about}"
    return f"{line}\n{traceback}" if traceback else line


def configure(
    form: Literal["console", "json"] | None,
    level: str,
    redact: Callable[[str], str],
    monotonic: Callable[[], float],
    stream: TextIO,
) -> None:
    """Send all logs to `stream`. `form` None: text on a terminal, else JSON."""
    form = form or ("console" if stream.isatty() else "json")
    handler = LimitedHandler(stream, EventFilter(monotonic))
    handler.setFormatter(Lines(form, redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    values: Mapping[str, Any] = record.__dict__.get("fields", {})
    return {name: _bounded(name, value) if isinstance(value, str) else value for name, value in values.items()}


def _bounded(name: str, value: str) -> str:
    return (without_phones(value) if name in QUOTING else value)[:LONGEST_VALUE]


def _shortened(traceback: str) -> str:
    """Its beginning and its end."""
    half = LONGEST_TRACEBACK // 2
    return traceback if len(traceback) <= 2 * half else f"{traceback[:half]}\n…\n{traceback[-half:]}"


def _shown(value: object) -> str:
    text = printable(str(value).replace("\n", " "))
    return repr(text) if " " in text or not text else text
