"""The cursor of a source that says when its orders changed: how far they were read, as the shop's own raw timestamp.

Pure. Two laws: the cursor comes from rows that were read, and it never passes the source's present, since whatever is
changed after that would lie behind it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
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


def dump(raw: Raw) -> str:
    """The opaque text that stands for a raw timestamp in the state."""
    value = raw if isinstance(raw, str | int | float) else str(raw)
    return json.dumps([type(raw).__name__, value], ensure_ascii=False)


def load(text: str) -> Raw | None:
    """The raw timestamp that `dump` wrote. None: something else wrote the text, another kind of source, say."""
    with suppress(ValueError, TypeError, ArithmeticError):
        kind, value = json.loads(text)
        raw = _LOADERS[kind](value) if kind in _LOADERS else None
        if raw is not None:
            moment(raw)
        return raw
    return None


class Following:
    """One poll's way along the cursor column.

    `cursor` is what the state holds, `present` the source's own clock (UTC) before the first row is read, `sample` a
    raw timestamp as the source writes them now, if it has any: the column's type may have changed since the cursor was
    stored. A cursor that cannot be read starts from the first order.
    """

    def __init__(self, cursor: str | None, present: datetime, zone: tzinfo, sample: Raw | None = None) -> None:
        self._present = present
        self._zone = zone
        self._start = load(cursor) if cursor else None
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
            return dump(self._reached)
        return dump(like(self._sample, self._present, self._zone)) if last and self._sample is not None else None

    def newest(self) -> tuple[str, datetime] | None:
        """The cursor and its instant, if any row was noted that does not lie in the future."""
        if self._reached is None:
            return None
        return dump(self._reached), instant(moment(self._reached), self._zone)
