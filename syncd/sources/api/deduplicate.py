"""Of an order's many rows the last. An API may show an order more than once: a feed once for each of its changes, or a
list whose pages shift while they are read, or one that has a row for each of its parcels.

What is to be remembered of each order is in a temporary file that SQLite makes for itself and deletes, so memory stays
flat however many orders there are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from syncd.errors import SourceError
from syncd.sources.api.records import ApiLayout, Row, Rows, id_of, repeated
from syncd.sources.columns import Fault
from syncd.sources.cursors import BEFORE_ALL, number
from syncd.sources.timestamps import instant, moment

_BLOCK = 1000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_TABLE = "CREATE TABLE latest (order_id TEXT PRIMARY KEY, place INTEGER, row TEXT) WITHOUT ROWID"
_KEEP = """
INSERT INTO latest VALUES (?, ?, ?) ON CONFLICT (order_id)
DO UPDATE SET place = excluded.place, row = excluded.row WHERE excluded.place >= latest.place
"""
_ROWS = {
    "order_id": "SELECT row FROM latest ORDER BY order_id",
    "place": "SELECT row FROM latest ORDER BY place, order_id",
}
_MET = "SELECT order_id, place, row FROM latest WHERE order_id IN (SELECT value FROM json_each(?))"


class _File:
    """SourceError: there is no room for it. Another thread than the one that opened it may close it."""

    def __init__(self, layout: ApiLayout) -> None:
        self._layout = layout
        self._file = sqlite3.connect("", check_same_thread=False)
        self._file.execute(_TABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _keep(self, rows: Iterable[tuple[str, int, str]]) -> None:
        with _room(), self._file:
            self._file.executemany(_KEEP, rows)


class Latest(_File):
    """The row of each order that has the highest number, or changed last; of equal ones the one that came last. A row
    that does not say comes before those that do."""

    def keep(self, rows: Rows) -> Rows:
        """Take these in. Returns those that have no id: they are rows of no order."""
        named = [(id_of(row), row) for row in rows]
        self._keep((name, place_of(row, self._layout), _dump(row)) for name, row in named if name)
        return [row for name, row in named if name is None]

    def blocks(self, by: Literal["order_id", "place"]) -> Iterator[Rows]:
        with _room(), closing(self._file.execute(_ROWS[by])) as found:
            while block := found.fetchmany(_BLOCK):
                yield [_load(text) for (text,) in block]


@dataclass(slots=True)
class Repeats:
    """Whether an API is known to show an order in different rows. Then they are awaited before one is chosen."""

    known: bool = False


class Met(_File):
    """Which orders were met, and in which rows, so that rows need not wait for the last one: the same row again and an
    older one are left out; a newer one goes on, and puts right what went before it."""

    def __init__(self, layout: ApiLayout, repeats: Repeats) -> None:
        super().__init__(layout)
        self._repeats = repeats

    def not_older(self, rows: Rows) -> Rows:
        named = [(id_of(row), row) for row in rows]
        met = self._met([name for name, _ in named if name])
        passed = []
        for name, row in named:
            here = place_of(row, self._layout), str(hash(row))
            if name is None or name not in met:
                passed.append(row)
            elif here == met[name]:
                continue
            else:
                self._repeats.known = True
                if here[0] < met[name][0]:
                    continue
                passed.append(repeated(row))
            if name:
                met[name] = here
        self._keep((name, *here) for name, here in met.items())
        return passed

    def _met(self, order_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        with _room():
            found = self._file.execute(_MET, [json.dumps(order_ids)])
            return {order_id: (place, row) for order_id, place, row in found}


def last_of_each(parts: Iterable[Rows], layout: ApiLayout) -> Iterator[Rows]:
    """The last row of each order, by id. First comes a block for each part, of its rows without an id, mostly empty: it
    tells that the reading goes on."""
    with Latest(layout) as latest:
        for part in parts:
            yield latest.keep(part)
        yield from latest.blocks("order_id")


def place_of(row: Row, layout: ApiLayout) -> int:
    """Where it is among the rows of its order: its number, else the microsecond in which it changed, counted from 1970.
    One that does not say comes before."""
    raw: Any = layout.value(row, layout.cursor or "")
    with suppress(ValueError):
        if layout.counts:
            return number(raw)
        return (instant(moment(raw), layout.meaning.zone) - _BEGINNING) // timedelta(microseconds=1)
    return BEFORE_ALL


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise SourceError(
            f"what an API shows cannot be kept in a temporary file: {error}. See that there is room for such files "
            "(TMPDIR, else /var/tmp or /tmp)"
        ) from None


def _dump(row: Row) -> str:
    return json.dumps(row, default=lambda fault: [str(fault)])


def _load(text: str) -> Row:
    """A value is never a list (see shape.py), so that one stands for a Fault."""
    return tuple(Fault(value[0]) if isinstance(value, list) else value for value in json.loads(text))
