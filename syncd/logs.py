"""Logs: one event a line with a stable name, JSON under a service manager, readable on a terminal, never a secret.

Every room logs through the standard library: `log.info("pushed", extra=fields(order_id=…))`. Whatever a line holds, a
traceback or a driver's message with a URL in it, is masked as a whole, last of all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

EVENTS_A_MINUTE = 20
LONGEST_VALUE = 2000  # characters
_CHATTY = ("apscheduler", "alembic", "waitress", "urllib3", "werkzeug")


def fields(**values: object) -> dict[str, object]:
    """What an event is about, for the `extra` of a logging call. None values are left out of the line."""
    return {"fields": {name: value for name, value in values.items() if value is not None}}


class RateLimit(logging.Filter):
    """Lets each event through so many times a minute, and then says how many it kept back.

    What stays broken would otherwise fill the disk, and the daemon's own state is on it.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._minutes: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        event, now = (record.name, str(record.msg)), self._monotonic()
        started, count = self._minutes.get(event, (now, 0))
        if now - started >= 60:
            if count > EVENTS_A_MINUTE:
                record.__dict__["fields"] = {**_fields(record), "kept_back": count - EVENTS_A_MINUTE}
            started, count = now, 0
        self._minutes[event] = started, count + 1
        return count < EVENTS_A_MINUTE


class Lines(logging.Formatter):
    """One event a line, as `form` writes it; a traceback may follow it. `redact` sees all of it."""

    def __init__(self, form: Literal["console", "json"], redact: Callable[[str], str]) -> None:
        super().__init__()
        self._write = _json if form == "json" else _console
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        traceback = self.formatException(record.exc_info) if record.exc_info else None
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
    return json.dumps(event, ensure_ascii=False, default=str)


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
    """Send all logs to `stream`. `form` None: for people on a terminal, JSON elsewhere."""
    form = form or ("console" if stream.isatty() else "json")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines(form, redact))
    handler.addFilter(RateLimit(monotonic))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    values: Mapping[str, Any] = record.__dict__.get("fields", {})
    return {name: value[:LONGEST_VALUE] if isinstance(value, str) else value for name, value in values.items()}


def _shown(value: object) -> str:
    text = str(value).replace("\n", " ")
    return repr(text) if " " in text or not text else text
