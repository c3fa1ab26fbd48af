"""The cursor of a source that numbers its changes: a history table, a feed of events. The sibling of `following`.

Pure. The cursor moves when all rows were read. Those of a database come from the highest number down: the first row met
of an order is its last, which counts, and only the ids of the orders that changed are kept in mind.

A number has no present to be compared with. What lies behind the cursor is read again as far as the lookback reaches,
for numbers are given out before their transactions commit, and these commit in any order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from math import isfinite
from typing import Any

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


def dump(reached: int) -> str:
    """The opaque text that stands for the number in the state."""
    return json.dumps(["sequence", reached])


def load(text: str) -> int | None:
    """The number that `dump` wrote. None: something else wrote the text, an `updated_at` that was the cursor, say."""
    with suppress(ValueError, TypeError):
        kind, reached = json.loads(text)
        return number(reached) if kind == "sequence" else None
    return None


class Counting:
    """One poll's way along the sequence. `cursor` is what the state holds; one that cannot be read starts from the
    first number."""

    def __init__(self, cursor: str | None) -> None:
        self._start = load(cursor) if cursor else None
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
        return None if self._reached is None else dump(self._reached)

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
