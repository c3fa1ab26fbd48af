"""Of the many events of an order the last: a feed shows them in any order, so that it is known when all have come.

They wait in a temporary file that SQLite makes for itself and deletes, so memory stays flat however many orders there
are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from typing import Self

from syncd.sources.api.shape import ApiLayout, Fault, Row, Rows, id_of
from syncd.sources.counting import BEFORE_ALL, number

_BLOCK = 1000
_TABLE = "CREATE TABLE latest (order_id TEXT PRIMARY KEY, number INTEGER, row TEXT) WITHOUT ROWID"
_KEEP = """
INSERT INTO latest VALUES (?, ?, ?) ON CONFLICT (order_id)
DO UPDATE SET number = excluded.number, row = excluded.row WHERE excluded.number >= latest.number
"""


class Latest:
    """The row of each order that has the highest number, of equal ones the one that came last. A row without a number
    comes before those that have one. Each call may come from another thread, but no two at once."""

    def __init__(self, layout: ApiLayout) -> None:
        self._layout = layout
        self._file = sqlite3.connect("", check_same_thread=False)
        self._file.execute(_TABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keep(self, rows: Rows) -> Rows:
        """Take these in. Returns those that have no id: they are rows of no order."""
        named = [(id_of(row), row) for row in rows]
        with self._file:
            self._file.executemany(
                _KEEP, [(name, number_of(row, self._layout), _dump(row)) for name, row in named if name]
            )
        return [row for name, row in named if name is None]

    def blocks(self) -> Iterator[Rows]:
        """The rows by id, in one block at least."""
        with closing(self._file.execute("SELECT row FROM latest ORDER BY order_id")) as found:
            block = found.fetchmany(_BLOCK)
            while True:
                yield [_load(text) for (text,) in block]
                if not (block := found.fetchmany(_BLOCK)):
                    return


def last_of_each(parts: Iterable[Rows], layout: ApiLayout) -> Iterator[Rows]:
    """The last row of each order, by id. First comes a block for each part, of its rows without an id, mostly empty: it
    tells that the reading goes on."""
    with Latest(layout) as latest:
        for part in parts:
            yield latest.keep(part)
        yield from latest.blocks()


def number_of(row: Row, layout: ApiLayout) -> int:
    """Its sequence; one that cannot be read is lower than any."""
    with suppress(ValueError):
        return number(layout.value(row, "sequence"))
    return BEFORE_ALL


def _dump(row: Row) -> str:
    return json.dumps(row, default=lambda fault: [str(fault)])


def _load(text: str) -> Row:
    """A value is never a list (see shape.py), so that one stands for a Fault."""
    return tuple(Fault(value[0]) if isinstance(value, list) else value for value in json.loads(text))
