"""The newest record of each order. An API may show an order more than once: a feed once for each of its changes, a list
whose pages shift while they are read, or a list with a record for each parcel of an order.

What has to be remembered of each order is in a temporary file, which SQLite creates and deletes by itself: so memory
does not grow with the number of orders.
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
from syncd.sources.api.records import ApiLayout, Record, Records, id_of, repeated
from syncd.sources.columns import Fault
from syncd.sources.cursors import BEFORE_ALL, parse_sequence
from syncd.sources.timestamps import instant, moment

_BLOCK = 1000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_TABLE = "CREATE TABLE newest (order_id TEXT PRIMARY KEY, version INTEGER, record TEXT) WITHOUT ROWID"
_KEEP = """
INSERT INTO newest VALUES (?, ?, ?) ON CONFLICT (order_id)
DO UPDATE SET version = excluded.version, record = excluded.record WHERE excluded.version >= newest.version
"""
_ROWS = {
    "order_id": "SELECT record FROM newest ORDER BY order_id",
    "version": "SELECT record FROM newest ORDER BY version, order_id",
}
_MET = "SELECT order_id, version, record FROM newest WHERE order_id IN (SELECT value FROM json_each(?))"


class _TemporaryFile:
    """A record and its version for each order. SourceError: there is no room for it. Another thread than the one that
    opened it may close it."""

    def __init__(self, layout: ApiLayout) -> None:
        self._layout = layout
        self._file = sqlite3.connect("", check_same_thread=False)
        self._file.execute(_TABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _keep(self, versions: Iterable[tuple[str, int, str]]) -> None:
        with _room(), self._file:
            self._file.executemany(_KEEP, versions)


class NewestRecords(_TemporaryFile):
    """The record of each order with the highest number, or the latest time; of equal ones the one that came last. A
    record without either counts as older than those with one."""

    def keep(self, records: Records) -> Records:
        """Add these. Returns those that have no id: they belong to no order."""
        named = [(id_of(record), record) for record in records]
        self._keep((name, version_of(record, self._layout), _dump(record)) for name, record in named if name)
        return [record for name, record in named if name is None]

    def blocks(self, by: Literal["order_id", "version"]) -> Iterator[Records]:
        with _room(), closing(self._file.execute(_ROWS[by])) as found:
            while block := found.fetchmany(_BLOCK):
                yield [_load(text) for (text,) in block]


@dataclass(slots=True)
class Repeats:
    """Whether an API is known to show an order in different records. Then all of them are awaited before one is
    chosen."""

    known: bool = False


class Deduplicator(_TemporaryFile):
    """Remembers which orders were met and in which records, so that none has to wait for the last one: the same record
    again and an older one are left out; a newer one goes on, and corrects the one before it."""

    def __init__(self, layout: ApiLayout, repeats: Repeats) -> None:
        super().__init__(layout)
        self._repeats = repeats

    def not_older(self, records: Records) -> Records:
        """Those that are to go on."""
        named = [(id_of(record), record) for record in records]
        met = self._met([name for name, _ in named if name])
        passed = []
        for name, record in named:
            here = version_of(record, self._layout), str(hash(record))
            if name is None or name not in met:
                passed.append(record)
            elif here == met[name]:
                continue
            else:
                self._repeats.known = True
                if here[0] < met[name][0]:
                    continue
                passed.append(repeated(record))
            if name:
                met[name] = here
        self._keep((name, *here) for name, here in met.items())
        return passed

    def _met(self, order_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        with _room():
            found = self._file.execute(_MET, [json.dumps(order_ids)])
            return {order_id: (version, record) for order_id, version, record in found}


def newest_of_each(pages: Iterable[Records], layout: ApiLayout) -> Iterator[Records]:
    """The newest record of each order, by id. Before these comes a block for each page, of its records without an id:
    mostly empty, it tells that the reading goes on."""
    with NewestRecords(layout) as newest:
        for page in pages:
            yield newest.keep(page)
        yield from newest.blocks("order_id")


def version_of(record: Record, layout: ApiLayout) -> int:
    """Which of two records of an order is newer: its number, else its `updated_at` in microseconds since 1970. Lower
    than any for a record without either."""
    raw: Any = layout.value(record, layout.cursor or "")
    with suppress(ValueError):
        if layout.by_sequence:
            return parse_sequence(raw)
        return (instant(moment(raw), layout.options.zone) - _BEGINNING) // timedelta(microseconds=1)
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


def _dump(record: Record) -> str:
    return json.dumps(record, default=lambda fault: [str(fault)])


def _load(text: str) -> Record:
    """A value is never a list (see RecordExtractor), so a list stands for a Fault."""
    return tuple(Fault(value[0]) if isinstance(value, list) else value for value in json.loads(text))
