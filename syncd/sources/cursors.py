"""How far a source was read: a cursor of time, or of numbers. Pure.

TimeCursor belongs to a source that says when its orders changed: it is the shop's own raw timestamp. It comes from rows
that were read, and never passes the source's present, since whatever changes after that would lie behind it.

SequenceCursor belongs to a source that numbers its changes: a history table, a feed of events. It moves when all rows
were read. A number has no present to be compared with. What lies behind it is read again as far as the lookback
reaches, for numbers are given out before their transactions commit, and these commit in any order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import pairwise
from math import isfinite
from typing import Any

from syncd.sources.timestamps import EPOCH, Raw, instant, is_after, lookback_start, moment, wall_clock, written_like

_LOADERS: dict[str, Callable[[str], Raw]] = {
    "str": str,
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
}


def dump_time(raw: Raw) -> str:
    """The opaque text that stands for a raw timestamp in the state."""
    value = raw if isinstance(raw, str | int | float) else str(raw)
    return json.dumps([type(raw).__name__, value], ensure_ascii=False)


def load_time(text: str) -> Raw | None:
    """The raw timestamp that `dump_time` wrote. None: the text is something else, such as another source's cursor."""
    with suppress(ValueError, TypeError, ArithmeticError):
        kind, value = json.loads(text)
        raw = _LOADERS[kind](value) if kind in _LOADERS else None
        if raw is not None:
            moment(raw)
        return raw
    return None


class TimeCursor:
    """How far one poll has read by time.

    `cursor` is what the state holds; one that cannot be read counts as none: the poll starts from the first order.
    `present` is the source's own clock (UTC) before the first row is read; `zone` that of timestamps without an offset.
    `sample` is a raw timestamp as the source writes them now, if it has any: the column's type may have changed since
    the cursor was stored.
    """

    def __init__(self, cursor: str | None, present: datetime, zone: tzinfo, sample: Raw | None = None) -> None:
        self._present = present
        self._present_by_wall_clock = wall_clock(present, zone)
        self._zone = zone
        self._start = load_time(cursor) if cursor else None
        self._starts_at = None if self._start is None else moment(self._start)
        self._sample = self._start if sample is None else sample
        is_future = self._starts_at is not None and self.is_future(self._starts_at)
        self._reached, self._reached_at = (None, None) if is_future else (self._start, self._starts_at)

    def since(self, lookback: timedelta) -> Raw | None:
        """The raw timestamp to read from, inclusive. None: read everything, for there is nothing to compare with."""
        if self._start is None or self._sample is None:
            return None
        return lookback_start(self._start, lookback, self._present, self._zone, self._sample)

    def is_beyond(self, when: datetime) -> bool:
        """Whether a row lies beyond the cursor that the poll began with."""
        return self._starts_at is None or is_after(when, self._starts_at, self._zone)

    def is_future(self, when: datetime) -> bool:
        return when > (self._present if when.tzinfo else self._present_by_wall_clock)

    def note(self, raw: Raw, when: datetime) -> None:
        """A row with this raw timestamp was read; `when` is its moment."""
        if is_after(when, self._reached_at or EPOCH, self._zone) and not self.is_future(when):
            self._reached, self._reached_at = raw, when

    def note_all(self, raws: Iterable[Any]) -> None:
        """Rows with these were read. NULL and what cannot be read as a time are ignored.

        Raw timestamps of one form sort as their moments do, so mostly only the last of them is looked at: to parse
        each takes ten times as long as to read its row.
        """
        given = [raw for raw in raws if raw is not None]
        newest = _newest(given)
        with suppress(ValueError):
            if newest is not None and not self.is_future(when := moment(newest)):
                self.note(newest, when)
                return
        for raw in given:
            with suppress(ValueError):
                self.note(raw, moment(raw))

    def cursor(self, *, last: bool) -> str | None:
        """Where the next poll may start after the rows noted so far. `last`: there are no more.

        A cursor beyond the present steps back to it: else changes in the hour that local time repeats would be missed.
        """
        if self._reached is not None:
            return dump_time(self._reached)
        return (
            dump_time(written_like(self._sample, self._present, self._zone))
            if last and self._sample is not None
            else None
        )

    def newest(self) -> tuple[str, datetime] | None:
        """The cursor and its instant, if any row was noted that does not lie in the future."""
        if self._reached is None:
            return None
        return dump_time(self._reached), instant(moment(self._reached), self._zone)


def _newest(raws: Sequence[Any]) -> Any:
    """The last of these raw timestamps, if they sort as their moments do. None: they may not, or there are none."""
    if len({*map(type, raws)}) != 1 or (isinstance(raws[0], str) and len({*map(len, raws)}) != 1):
        return None
    with suppress(TypeError, ArithmeticError):  # only some datetimes have an offset; a Decimal is NaN
        return max(raws)
    return None


FIRST = 0
"""Numbers start here or at 1."""
BEFORE_ALL = -1
"""Lower than any number. It is used only where no change in particular is wanted, so that a query may then look up the
last numbers alone."""
_BITS = 63


def parse_sequence(raw: object) -> int:
    """A sequence as drivers and JSON give it. ValueError: it is no whole number, or one that no database holds."""
    match raw:
        case int() if not isinstance(raw, bool):
            found = raw
        case float() | Decimal() if isfinite(raw) and raw == int(raw):
            found = int(raw)
        case str() if raw.strip().isdecimal():
            found = int(raw)
        case _:
            raise ValueError(f"{str(raw)[:40]!r} is not a whole number")
    if found.bit_length() > _BITS:
        raise ValueError(f"{str(raw)[:40]!r} is too large a number")
    return found


def dump_sequence(reached: int) -> str:
    """The opaque text that stands for the number in the state."""
    return json.dumps(["sequence", reached])


def load_sequence(text: str) -> int | None:
    """The number that `dump_sequence` wrote. None: the text is something else, such as an earlier cursor of time."""
    with suppress(ValueError, TypeError):
        kind, reached = json.loads(text)
        return parse_sequence(reached) if kind == "sequence" else None
    return None


class SequenceCursor:
    """How far one poll has read by number. `cursor` is what the state holds; one that cannot be read counts as none:
    the poll starts from the first number."""

    def __init__(self, cursor: str | None) -> None:
        self._start = load_sequence(cursor) if cursor else None
        self._reached: int | None = None
        self._met: set[Any] = set()

    @property
    def has_read(self) -> bool:
        """Whether any number was noted."""
        return self._reached is not None

    def since(self, lookback: int) -> int | None:
        """The number to read from, inclusive. None: read everything."""
        return None if self._start is None else max(BEFORE_ALL, self._start - lookback)

    def is_beyond(self, count: int) -> bool:
        """Whether a row lies beyond the cursor that the poll began with."""
        return self._start is None or count > self._start

    def is_last(self, raw_id: Any) -> bool:
        """Whether this row is the last of its order: the first one met, where rows come from the highest number down.
        Only the ids of the orders that changed are in memory."""
        if raw_id in self._met:
            return False
        self._met.add(raw_id)
        return True

    def note(self, count: int) -> None:
        """A row with this number was read."""
        self._reached = count if self._reached is None else max(count, self._reached)

    def note_all(self, raws: Iterable[Any]) -> None:
        """Rows with these were read. NULL and what is no number are ignored."""
        for raw in raws:
            with suppress(ValueError):
                self.note(parse_sequence(raw))

    def cursor(self) -> str | None:
        """Where the next poll may start, once everything was read. None: no number was."""
        return None if self._reached is None else dump_sequence(self._reached)

    def newest(self, dated: tuple[str, datetime] | None) -> tuple[str, datetime | None] | None:
        """The cursor, and the newest time of the rows, if they have one: that of `dated`, which is what
        TimeCursor.newest returned. None: no row has a number."""
        cursor = self.cursor()
        return (cursor, dated and dated[1]) if cursor else None


def last_of_each(blocks: Iterable[Sequence[tuple[Any, ...]]]) -> Iterable[Sequence[tuple[Any, ...]]]:
    """The last row of each id, of rows that are sorted by id (their first value) and then by number."""
    waiting: list[tuple[Any, ...]] = []
    for block in blocks:
        rows = [*waiting, *block]
        yield [row for row, after in pairwise(rows) if row[0] != after[0]]
        waiting = rows[-1:]
    yield waiting


def with_last_flag(blocks: Iterator[Sequence[Any]]) -> Iterator[tuple[Sequence[Any], bool]]:
    """Each block, and whether it is the last; one block at least. An empty block says that the reading goes on: it is
    given at once."""
    waiting: Sequence[Any] = ()
    for block in blocks:
        if not block:
            yield block, False
            continue
        if waiting:
            yield waiting, False
        waiting = block
    yield waiting, True
