"""What all groups of settings share: texts read as values, and the base class and marks of their fields.

A reader turns the text that was written into a value, or raises ValueError that says what to write instead. None of
them is for secrets, because these messages repeat what was written. `sql_file` and `readable_file` read files, the
others are pure.

A field's description states unit and bounds; `config.example.env` repeats it, which a test checks. A field validator
sees only the fields above its own, so a field stands below those that it depends on. Unlike a model validator, it runs
even if another field of the group is at fault, so that all faults are reported at once.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator

if TYPE_CHECKING:
    from syncd.sql import Grammar

T = TypeVar("T", timedelta, int, float)

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


class Address(NamedTuple):
    """Where the HTTP server listens. Port 0: any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class SqlFile(NamedTuple):
    """The file of a query, and its text when the settings were loaded."""

    path: Path
    sql: str


def quoted(text: object) -> str:
    """The text as messages repeat it: in quotes, on one line, shortened."""
    written = str(text)
    return repr(written if len(written) <= 60 else written[:57] + "...")


def within(parse: Callable[[str], T], low: str, high: str) -> PlainValidator:
    """A reader that accepts values from `low` to `high`, which are written as the setting is."""
    lowest, highest = parse(low), parse(high)

    def bounded(text: str) -> T:
        value = parse(text)
        if not lowest <= value <= highest:
            raise ValueError(f"{quoted(text)} is out of bounds; write {low} to {high}")
        return value

    return PlainValidator(bounded)


def duration(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h|d)", text)
    if match is None:
        raise ValueError(f"{quoted(text)} is not a duration; write e.g. 500ms, 30s, 10m, 24h, 90d")
    return int(match[1]) * _UNITS[match[2]]


def duration_text(value: timedelta) -> str:
    """The shortest text that `duration` reads as `value`; one day is 24h."""
    fitting = (unit for unit, length in _UNITS.items() if not value % length and (unit != "d" or value > length))
    unit = next(fitting) if value else "s"
    return f"{value // _UNITS[unit]}{unit}"


def whole_number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"{quoted(text)} is not a whole number; write e.g. 10")
    return int(text)


def number(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        raise ValueError(f"{quoted(text)} is not a number; write e.g. 10 or 0.5")
    return float(text)


def time_zone(text: str) -> tzinfo:
    """An IANA name, or a fixed offset from -23:59 to +23:59."""
    offset = re.fullmatch(r"([+-])([01][0-9]|2[0-3]):([0-5][0-9])", text)
    if offset:
        east = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(east if offset[1] == "+" else -east)
    try:
        return UTC if text == "UTC" else ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of the zone database, such as "America"
        meant = "write an IANA name such as Europe/Moscow, or an offset such as +03:00"
        raise ValueError(f"{quoted(text)} is not a time zone; {meant}") from None


def address(text: str) -> Address | None:
    """`host:port`, `[::1]:9469`, or `:9469` for all of the machine's IPv4 addresses; empty: None."""
    if not text:
        return None
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.%a-z]+)\]|([^\s:/\[\]]*)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"{quoted(text)} is not host:port; write e.g. 127.0.0.1:9469, or nothing for no HTTP")
    everywhere = "0.0.0.0"  # noqa: S104 - what ":9469" asks for
    return Address(match[1] or match[2] or everywhere, int(match[3]))


def tracking_template(text: str) -> str:
    """An http(s) URL for `str.format`, with `{tracking_number}` as its only field."""
    try:
        fields = [field[1:] for field in string.Formatter().parse(text) if field[1] is not None]
    except ValueError as error:
        raise ValueError(f"{quoted(text)} has unbalanced braces ({error})") from None
    if {*fields} != {("tracking_number", "", None)}:
        raise ValueError(f"{quoted(text)} must hold {{tracking_number}}, and nothing else in braces")
    if not re.match(r"https?://[^\s/{]", text):
        raise ValueError(f"{quoted(text)} is not a URL; it starts with https:// and a host")
    return text


def select(text: str, grammar: Grammar) -> str:
    """One SELECT (or WITH … SELECT), without the semicolon at its end. A query that writes is refused."""
    if grammar.first_word(text) not in ("SELECT", "WITH"):
        raise ValueError(f"{quoted(grammar.from_first_word(text))} is not a SELECT; write a query that only reads")
    if not grammar.is_single(text):
        raise ValueError("is more than one statement: a ; stands within it; write one SELECT")
    return grammar.stripped(text).strip()


def sql_file(text: str, grammar: Grammar) -> SqlFile:
    return SqlFile(Path(text), select(readable(Path(text)), grammar))


def readable_file(text: str) -> Path:
    readable(Path(text))
    return Path(text)


def readable(path: Path) -> str:
    """What the file holds, as UTF-8 with or without a byte order mark. ValueError says why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8; save it as UTF-8") from None


class Group(BaseModel):
    """Settings under one prefix. Immutable; a name that is no field is refused."""

    # defer_build: groups are validated as parts of Settings, and each validator of its own would take 1 to 3 ms
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


@dataclass(frozen=True, slots=True)
class Masked:
    """Marks a secret of which a part may be shown: `mask` gives that."""

    mask: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Members:
    """Marks an open group: one whose names are the user's own.

    named   the name that a variable stands for; in JSON the name itself is written
    mask    name, text -> the text as it may be shown
    """

    named: Callable[[str], str]
    mask: Callable[[str, str], str]


class EmptyMeansOff:
    """Marks a setting that an empty value turns off. All others ignore an empty value."""


Lower = BeforeValidator(str.lower)
