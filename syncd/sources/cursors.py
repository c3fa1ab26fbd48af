"""The cursor of a source that says when its orders changed: how far they were read, as the shop's own raw timestamp.

Pure. Two laws: the cursor comes from rows that were read, and it never passes the source's present, since whatever is
changed after that would lie behind it.

The cursor of a source that numbers its changes: a history table, a feed of events. The sibling of `following`.

Pure. The cursor moves when all rows were read. Those of a database come from the highest number down: the first row met
of an order is its last, which counts, and only the ids of the orders that changed are kept in mind.

A number has no present to be compared with. What lies behind the cursor is read again as far as the lookback reaches,
for numbers are given out before their transactions commit, and these commit in any order.

A stream of blocks, and where it ends.
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

from syncd.sources.timestamps import EPOCH, Raw, bound, instant, is_after, like, moment

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
    """The raw timestamp that `dump` wrote. None: something else wrote the text, another kind of source, say."""
    with suppress(ValueError, TypeError, ArithmeticError):
        kind, value = json.loads(text)
        raw = _LOADERS[kind](value) if kind in _LOADERS else None
        if raw is not None:
            moment(raw)
        return raw
    return None


class TimeCursor:
    """One poll's way along the cursor column.

    `cursor` is what the state holds, `present` the source's own clock (UTC) before the first row is read, `sample` a
    raw timestamp as the source writes them now, if it has any: the column's type may have changed since the cursor was
    stored. A cursor that cannot be read starts from the first order.
    """

    def __init__(self, cursor: str | None, present: datetime, zone: tzinfo, sample: Raw | None = None) -> None:
        self._present = present
        self._zone = zone
        self._start = load_time(cursor) if cursor else None
        self._sample = self._start if sample is None else sample
        self._reached = self._start
        if self._start is not None and self.is_future(moment(self._start)):
            self._reached = None

    def since(self, lookback: timedelta) -> Raw | None:
        """The raw timestamp to read from, inclusive. None: nothing is known to compare with; read everything."""
        if self._start is None or self._sample is None:
            return None
        return bound(self._start, lookback, self._present, self._zone, self._sample)

    def is_news(self, when: datetime) -> bool:
        """Whether a row lies beyond the cursor that the poll began with."""
        return self._start is None or is_after(when, moment(self._start), self._zone)

    def is_future(self, when: datetime) -> bool:
        return is_after(when, self._present, self._zone)

    def note(self, raw: Raw, when: datetime) -> None:
        """This row was read; `when` is its moment."""
        reached = EPOCH if self._reached is None else moment(self._reached)
        if is_after(when, reached, self._zone) and not self.is_future(when):
            self._reached = raw

    def note_all(self, raws: Iterable[Any]) -> None:
        """These were read; NULL and what cannot be read as a time are passed over.

        What sorts before the one reached is not looked at closer: a scan of many orders would take ten times as long.
        """
        for raw in raws:
            reached: Any = self._reached
            if raw is None or (type(raw) is type(reached) and raw <= reached):
                continue
            with suppress(ValueError):
                self.note(raw, moment(raw))

    def cursor(self, *, last: bool) -> str | None:
        """Where the next poll may start after the rows noted so far. `last`: there are no more.

        A cursor beyond the present steps back to it, else the hour that local time repeats would be passed over.
        """
        if self._reached is not None:
            return dump_time(self._reached)
        return dump_time(like(self._sample, self._present, self._zone)) if last and self._sample is not None else None

    def newest(self) -> tuple[str, datetime] | None:
        """The cursor and its instant, if any row was noted that does not lie in the future."""
        if self._reached is None:
            return None
        return dump_time(self._reached), instant(moment(self._reached), self._zone)


FIRST = 0
"""Numbers start here or at 1."""
BEFORE_ALL = -1
"""Lower than any number. Only who asks for no change in particular asks from here, so that a query may then look up the
last numbers alone."""
_BITS = 63


def number(raw: object) -> int:
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


def dump_number(reached: int) -> str:
    """The opaque text that stands for the number in the state."""
    return json.dumps(["sequence", reached])


def load_number(text: str) -> int | None:
    """The number that `dump` wrote. None: something else wrote the text, an `updated_at` that was the cursor, say."""
    with suppress(ValueError, TypeError):
        kind, reached = json.loads(text)
        return number(reached) if kind == "sequence" else None
    return None


class NumberCursor:
    """One poll's way along the sequence. `cursor` is what the state holds; one that cannot be read starts from the
    first number."""

    def __init__(self, cursor: str | None) -> None:
        self._start = load_number(cursor) if cursor else None
        self._reached: int | None = None
        self._met: set[Any] = set()

    @property
    def has_read(self) -> bool:
        """Whether any number was noted."""
        return self._reached is not None

    def since(self, lookback: int) -> int | None:
        """The number to read from, inclusive. None: read everything."""
        return None if self._start is None else max(BEFORE_ALL, self._start - lookback)

    def is_news(self, count: int) -> bool:
        """Whether a row lies beyond the cursor that the poll began with."""
        return self._start is None or count > self._start

    def is_last(self, raw_id: Any) -> bool:
        """Whether this row is the first that is met of its order, which is its last."""
        if raw_id in self._met:
            return False
        self._met.add(raw_id)
        return True

    def note(self, count: int) -> None:
        """This number was read."""
        self._reached = count if self._reached is None else max(count, self._reached)

    def note_all(self, raws: Iterable[Any]) -> None:
        """These were read; NULL and what is no number are passed over."""
        for raw in raws:
            with suppress(ValueError):
                self.note(number(raw))

    def cursor(self) -> str | None:
        """Where the next poll may start, once everything was read. None: nothing was."""
        return None if self._reached is None else dump_number(self._reached)

    def newest(self, dated: tuple[str, datetime] | None) -> tuple[str, datetime | None] | None:
        """The cursor, and the newest time of the rows, which `dated` tells if they have one. None: no row has a
        number."""
        cursor = self.cursor()
        return (cursor, dated and dated[1]) if cursor else None


def last_of_each(blocks: Iterable[Sequence[tuple[Any, ...]]]) -> Iterable[Sequence[tuple[Any, ...]]]:
    """Rows that come by id (their first value), and for one id by number: the last row of each id."""
    waiting: list[tuple[Any, ...]] = []
    for block in blocks:
        rows = [*waiting, *block]
        yield [row for row, after in pairwise(rows) if row[0] != after[0]]
        waiting = rows[-1:]
    yield waiting


def with_last_flag(blocks: Iterator[Sequence[Any]]) -> Iterator[tuple[Sequence[Any], bool]]:
    """One block at least. One that is empty tells that the rest is still on its way: it is given at once."""
    waiting: Sequence[Any] = ()
    for block in blocks:
        if not block:
            yield block, False
            continue
        if waiting:
            yield waiting, False
        waiting = block
    yield waiting, True
