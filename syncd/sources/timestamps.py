"""Timestamps as shops keep them: read, and written back in the shop's own representation. Pure.

A raw timestamp is a driver's datetime or date, ISO text, or unix time as a number or digits, in seconds, milliseconds,
microseconds or nanoseconds.
What it says is a moment: an aware datetime in UTC where the raw value names an instant, else a naive one, the wall
clock of the shop. The two are kept apart, for a wall clock runs back an hour each autumn.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TypeAlias

from syncd.text import without_blanks

Raw: TypeAlias = str | int | float | Decimal | datetime | date

_FROM_1980, _FROM_2000, _TO_2200 = 315_532_800, 946_684_800, 7_258_118_400
_UNITS = {1: _FROM_1980, 1000: _FROM_1980, 1_000_000: _FROM_2000, 1_000_000_000: _FROM_2000}
"""Units of unix time a second, and the first second that is read in this unit. With these limits, no number is a time
in two units; and none that counts days or .NET's ticks, or is written yyyymmdd, yyyymmddhhmm or yyyymmddhhmmss, is one
in any: it would lie in 1970 or in the far future."""
_CALENDAR = {8: ("yyyymmdd", "%Y%m%d"), 12: ("yyyymmddhhmm", "%Y%m%d%H%M"), 14: ("yyyymmddhhmmss", "%Y%m%d%H%M%S")}
_DAYS = range(20_000, 80_000)
"""1954 to 2119 as Excel and Delphi count days, from 1899-12-30."""
_JULIAN_DAYS = range(2_440_000, 2_530_000)
_ZERO_DATE = re.compile(r"0000-00-00")
_HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 2, tzinfo=UTC)
"""Earlier than any change of any order: some shops write an earlier time where there was no change."""
_DIGITS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_ISO = re.compile(
    r"(?P<wall>\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?)(?P<fraction>[.,]\d+)?"
    r"\s*(?P<offset>Z|UTC|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)


def moment(raw: object) -> datetime:
    """The moment of a raw timestamp: aware and in UTC, or naive. ValueError: it cannot be read."""
    match raw:
        case str():
            return _moment_of_text(raw)
        case datetime():
            return raw if raw.tzinfo is None else _in_utc(raw)
        case bool():
            raise _unreadable(raw)
        case int() | float() | Decimal():
            return _unix(raw)
        case date():
            return datetime.combine(raw, time())
    raise _unreadable(raw)


@lru_cache(maxsize=256)  # a poll asks for the moment of one row, and of its cursor, several times
def _moment_of_text(raw: str) -> datetime:
    text = without_blanks(raw)
    found = _ISO.fullmatch(text)
    if found is None:
        if _DIGITS.fullmatch(text):
            return _unix(Decimal(text))
        raise _unreadable(raw)
    try:
        wall = datetime.fromisoformat(found["wall"] + (found["fraction"] or "").replace(",", "."))
        offset = _offset(found)
    except ValueError as error:
        raise _unreadable(raw) from error
    return wall if offset is None else _in_utc(wall.replace(tzinfo=offset))


def instant(when: datetime, zone: tzinfo) -> datetime:
    """The instant of a moment, in UTC; a wall clock is that of `zone`. ValueError: it is beyond the calendar."""
    return _in_utc(when if when.tzinfo else when.replace(tzinfo=zone))


def is_after(one: datetime, other: datetime, zone: tzinfo) -> bool:
    """Whether moment `one` is later. If either is a wall clock's, both are compared by the wall clock of `zone`."""
    if (one.tzinfo is None) == (other.tzinfo is None):
        return one > other
    return wall_clock(one, zone) > wall_clock(other, zone)


def written_like(sample: Raw, when: datetime, zone: tzinfo) -> Raw:
    """A moment, rounded down to the second, in the representation of `sample`, a raw timestamp of the shop."""
    second = when.replace(microsecond=0)
    match sample:
        case datetime():
            return wall_clock(second, zone) if sample.tzinfo is None else instant(second, zone)
        case date():
            return wall_clock(second, zone).date()
        case str() if not _DIGITS.fullmatch(without_blanks(sample)):
            return _iso_like(sample, second, zone)
    seconds = int(instant(second, zone).timestamp())
    return type(sample)(seconds * (_unit(Decimal(sample)) or 1))


def lookback_start(raw: Raw, back: timedelta, present: datetime, zone: tzinfo, sample: Raw) -> Raw:
    """The raw timestamp to read from so that nothing is missed that lies up to `back` behind `raw`, or behind the
    present if that is earlier: local time that runs back an hour leaves `raw` in the future.

    The result is in the representation of `sample` and never earlier than 1970. Text has neither a fraction nor an
    offset, so that it sorts before all text of the same second. ValueError: `raw` or `sample` cannot be read.
    """
    reached = moment(raw)
    start = present if is_after(reached, present, zone) else reached
    if moment(sample).tzinfo is None:
        start = wall_clock(start, zone)
    if is_after(start, EPOCH + back + _HOUR, zone):
        start -= back + _margin(sample, start - back, zone)
    else:
        start = EPOCH
    least = written_like(sample, start, zone)
    found = _ISO.fullmatch(least) if isinstance(least, str) else None
    return found["wall"] if found else least


def _margin(sample: Raw, start: datetime, zone: tzinfo) -> timedelta:
    """An hour where raw values may sort differently from their moments: text with an offset sorts by a wall clock,
    which may run back, and a database that keeps instants may take an hour that occurs twice for the later one."""
    found = _ISO.fullmatch(without_blanks(sample)) if isinstance(sample, str) else None
    if found is not None and (offset := _offset(found)) is not None:
        return _HOUR if offset.utcoffset(None) else timedelta()
    if start.tzinfo is None:
        first, second = (start.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
        return timedelta() if first == second else _HOUR
    return timedelta()


def looks_like(raw: object) -> str | None:
    """The form of time that an unreadable value seems to have, so that a person can have it written as a time."""
    text = without_blanks(raw) if isinstance(raw, str) else str(raw)
    if is_zero_date(text):
        return "zero date"
    if not _DIGITS.fullmatch(text):
        return None
    whole, _, rest = text.partition(".")
    form, pattern = _CALENDAR.get(len(whole), ("", ""))
    if form and not rest.strip("0"):
        with suppress(ValueError):
            return form if EPOCH.year <= datetime.strptime(whole, pattern).year < 2200 else None  # noqa: DTZ007
    days = int(whole[:20])
    return "day count" if days in _DAYS else "Julian day" if days in _JULIAN_DAYS else None


def written_in_two_ways(raws: Iterable[object]) -> tuple[Raw, Raw] | None:
    """Two of these raw timestamps that are written so differently that a database does not sort them as their moments:
    as text and as a number, with T and with a blank, in seconds and in milliseconds, with offsets over an hour apart.
    What cannot be read as a time does not count. None: all are written alike."""
    ways: dict[Hashable, Raw] = {}
    offsets: dict[timedelta, Raw] = {}
    for raw in raws:
        with suppress(ValueError):
            if not isinstance(raw, Raw) or not is_after(moment(raw), EPOCH, UTC):
                continue
            way, offset = _way_of_writing(raw)
            ways.setdefault(way, raw)
            if offset is not None:
                offsets.setdefault(offset, raw)
    if len(ways) > 1:
        one, another, *_ = ways.values()
        return one, another
    if offsets and max(offsets) - min(offsets) > _HOUR:  # those of summer and winter are an hour apart
        return offsets[min(offsets)], offsets[max(offsets)]
    return None


def _way_of_writing(raw: Raw) -> tuple[Hashable, timedelta | None]:
    """How a readable raw timestamp is written, and the offset in a text."""
    if isinstance(raw, date):
        return "date", None
    found = _ISO.fullmatch(without_blanks(raw)) if isinstance(raw, str) else None
    if found is None:
        return ("number", isinstance(raw, str), _unit(Decimal(raw))), None
    offset = _offset(found)
    return ("text", found["wall"][10:11], offset is None), None if offset is None else offset.utcoffset(None)


def is_zero_date(text: str) -> bool:
    """Whether it is 0000-00-00 of MariaDB and MySQL, which is neither NULL nor a date."""
    return _ZERO_DATE.match(text) is not None


def _unix(number: float | Decimal) -> datetime:
    """0 is the beginning of 1970; shops write it for "never"."""
    try:
        exact = Decimal(number)
        unit = _unit(exact) if exact else 1
        if unit is None:
            raise _unreadable(number)
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(exact / unit * 1_000_000))
    except InvalidOperation as error:
        raise _unreadable(number) from error


def _unit(number: Decimal) -> int | None:
    """The unit in which a number is a time, as units a second. None: it is a time in none."""
    return next((unit for unit, first in _UNITS.items() if first * unit <= number < _TO_2200 * unit), None)


def _offset(found: re.Match[str]) -> tzinfo | None:
    """The offset of a text that `_ISO` matched."""
    if not found["offset"]:
        return None
    if found["offset"].upper() in {"Z", "UTC"}:
        return UTC
    return datetime.fromisoformat("1970-01-01T00:00:00" + found["offset"]).tzinfo


def _iso_like(sample: str, second: datetime, zone: tzinfo) -> str:
    found = _ISO.fullmatch(without_blanks(sample))
    assert found is not None
    offset = _offset(found)
    wall = wall_clock(instant(second, zone), offset) if offset else wall_clock(second, zone)
    suffix = wall.replace(tzinfo=offset).isoformat()[len(wall.isoformat()) :]
    return wall.isoformat("T" if "T" in found["wall"] else " ")[: len(found["wall"])] + suffix


def wall_clock(when: datetime, zone: tzinfo) -> datetime:
    """What the wall clock of `zone` shows at a moment."""
    if when.tzinfo is None:
        return when
    try:
        return when.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:  # within a day of the calendar's end, where a zone makes no difference
        return when.replace(tzinfo=None)


def _in_utc(aware: datetime) -> datetime:
    try:
        return aware.astimezone(UTC)
    except OverflowError as error:
        raise _unreadable(aware) from error


def _unreadable(raw: object) -> ValueError:
    form = looks_like(raw)
    return ValueError(f"{str(raw)[:40]!r} cannot be read as a time" + (f": it looks like a {form}" if form else ""))
