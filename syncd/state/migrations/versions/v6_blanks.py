"""What was stored before blanks were no part of a value, without them: so that an upgrade tells nobody anything.

An order that was tracked under two numbers which differ in blanks alone is one order, as it was seen last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from alembic import op

from syncd.text import BLANKS, without_blanks

revision = "blanks"
down_revision = "leases"
branch_labels = None
depends_on = None

_AT_ONCE = 1000
_UNKNOWN = "null"
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

_seen = sa.table(
    "seen",
    *map(
        sa.column,
        ("order_id", "content", "told", "imshop_uuid", "shop_id", "acknowledged_status", "acknowledged_uuid"),
    ),
    *map(sa.column, ("changed_at", "missing_since", "segment")),
)
_changes = sa.table(
    "changes",
    *map(sa.column, ("id", "order_id", "status", "previous_status", "content", "message", "tracking_url", "user_id")),
    *map(sa.column, ("imshop_uuid", "answered_uuid", "state", "hold", "claimed_at", "ended_at")),
)
_cancellations = sa.table(
    "cancellations",
    *map(sa.column, ("id", "order_id", "imshop_uuid", "shop_id", "status", "order_status")),
)
_former = sa.table("former_numbers", sa.column("former"), sa.column("order_id"))
_segments = sa.table("segments", sa.column("segment"), sa.column("digest"))
_facts = sa.table("facts", sa.column("name"), sa.column("value"))

_STATUSES = frozenset({"status", "previous_status", "acknowledged_status", "order_status"})
_NEVER_NONE = frozenset({"order_id", "former", "status"})


def upgrade() -> None:
    connection = op.get_bind()
    for row in _padded(connection, _seen, "order_id", ("content", "told"), keyed_by_value=True):
        _mend_seen(connection, row)
    for table in (_changes, _cancellations):
        for row in _padded(connection, table, "id", ("content",) if table is _changes else ()):
            _update(connection, table, "id", row, _mended(row))
    for row in _padded(connection, _former, "former", (), keyed_by_value=True):
        values = _mended(row)
        if values.get("former") and _there(connection, _former, "former", values["former"]):
            connection.execute(sa.delete(_former).where(_former.c.former == row["former"]))
        else:
            _update(connection, _former, "former", row, values)


def _padded(
    connection: sa.Connection,
    table: sa.TableClause,
    key: str,
    documents: Sequence[str],
    *,
    keyed_by_value: bool = False,
) -> Iterator[dict[str, Any]]:
    """The rows that may hold a text with blanks at its ends, a few at a time: memory stays flat."""
    skipped = {key, *documents, "changed_at", "missing_since", "segment", "state", "hold", "claimed_at", "ended_at"}
    texts = [column for column in table.c if column.name not in skipped or (keyed_by_value and column.name == key)]
    signs = [sa.func.trim(column, BLANKS) != column for column in texts]
    signs += [
        table.c[name].contains(sign, autoescape=True) for name in documents for sign in ('" ', ' "', "\\", "\x7f")
    ]
    reached: Any = None
    while True:
        ahead = [] if reached is None else [table.c[key] > reached]
        query = sa.select(table).where(sa.or_(*signs), *ahead).order_by(table.c[key]).limit(_AT_ONCE)
        rows = connection.execute(query).mappings().all()
        if not rows:
            return
        yield from map(dict, rows)
        reached = rows[-1][key]


def _mend_seen(connection: sa.Connection, row: Mapping[str, Any]) -> None:
    values = _mended(row)
    if values.get("told", row["told"]) == values.get("content", row["content"]):
        values["told"] = None
    number = values.get("order_id")
    other = (
        connection.execute(sa.select(_seen).where(_seen.c.order_id == number)).mappings().first() if number else None
    )
    if other is not None and not _merged(connection, row, dict(other)):
        return
    _update(connection, _seen, "order_id", row, values)


def _merged(connection: sa.Connection, row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Forget one of two rows of the same order: whichever is missing, or was changed earlier. Returns whether `row`
    stays. Of the changes that wait only the newest goes on."""
    stays = (row["missing_since"] is None, row["changed_at"]) > (other["missing_since"] is None, other["changed_at"])
    gone = other if stays else row
    connection.execute(sa.delete(_seen).where(_seen.c.order_id == gone["order_id"]))
    for segment in {row["segment"], other["segment"]} - {None}:
        connection.execute(sa.update(_segments).where(_segments.c.segment == segment).values(digest=None))
    if gone["missing_since"] is None:
        tracked = connection.execute(sa.select(_facts.c.value).where(_facts.c.name == "tracked")).scalar()
        less = str(max(0, int(tracked or 0) - 1))
        connection.execute(sa.update(_facts).where(_facts.c.name == "tracked").values(value=less))
    numbers = (row["order_id"], other["order_id"])
    waiting = (_changes.c.order_id.in_(numbers), _changes.c.ended_at.is_(None))
    newest = connection.execute(sa.select(sa.func.max(_changes.c.id)).where(*waiting)).scalar()
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    ended = {"state": "superseded", "ended_at": now, "claimed_at": None}
    connection.execute(sa.update(_changes).where(*waiting, _changes.c.id != newest).values(ended))
    return stays


def _mended(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be written otherwise."""
    values: dict[str, Any] = {name: _bare(name, value) for name, value in row.items() if isinstance(value, str)}
    url, tracking = row.get("tracking_url"), json.loads(row.get("content", "{}")).get("tracking")
    if url and tracking and tracking != without_blanks(tracking):  # made of the number, which its pattern quotes
        bare = url.replace(quote(tracking, safe=""), quote(without_blanks(tracking), safe=""))
        values["tracking_url"] = without_blanks(bare)
    return {name: value for name, value in values.items() if value != row[name]}


def _bare(name: str, text: str) -> Any:
    if name in {"content", "told"}:
        if text == _UNKNOWN:
            return text
        return _encode({key: _field(key, one) for key, one in json.loads(text).items()})
    if name in {"state", "hold"}:
        return text
    return _field(name, text)


def _field(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name in _STATUSES and value and max(value) < "\x20":  # a column of the type BIT, which is a number now
        return str(int.from_bytes(value.encode("latin-1")))
    return without_blanks(value) or (value if name in _NEVER_NONE else None)


def _update(
    connection: sa.Connection, table: sa.TableClause, key: str, row: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    if values:
        connection.execute(sa.update(table).where(table.c[key] == row[key]).values(values))


def _there(connection: sa.Connection, table: sa.TableClause, key: str, value: str) -> bool:
    return connection.execute(sa.select(table.c[key]).where(table.c[key] == value)).first() is not None
