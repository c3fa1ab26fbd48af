"""Every status that a shop has, with its name: from the shop's list, SYNCD_SOURCE__STATUSES_QUERY, and its orders."""

from __future__ import annotations

from collections.abc import Callable

from syncd.errors import SourceError
from syncd.sources.columns import ColumnOptions, text_or_none
from syncd.sources.cursors import last_of_each
from syncd.sources.database.connection import Database
from syncd.sources.database.query import OrdersQuery
from syncd.sources.database.query_schema import QuerySchema
from syncd.sources.status_counts import StatusCount, StatusTally, list_or_empty

_BLOCK = 2000


def count_statuses(
    database: Database, schema: QuerySchema, dictionary: str | None, list_failed: Callable[[str], None] | None
) -> list[StatusCount]:
    """The statuses of the `dictionary`, a SELECT of `status` and `message`, by code; then those that only orders have.
    `list_failed`: see `list_or_empty`. SourceError."""
    options = schema.layout.options
    in_list = list_or_empty(lambda: _read_list(database, dictionary, options), list_failed) if dictionary else {}
    tally = StatusTally()
    for block in last_of_each(database.blocks(schema.statuses(), _BLOCK)):
        for _, raw, *message in block:
            if code := text_or_none(raw):
                tally.add(code, options.message(message[0]) if message else None)
    return tally.counts(in_list)


def _read_list(database: Database, dictionary: str, options: ColumnOptions) -> dict[str, str | None]:
    described = database.describe(OrdersQuery(dictionary, database.grammar).no_rows())
    spelling = {name.lower(): name for name, _ in described}
    if missing := [name for name in ("status", "message") if name not in spelling]:
        raise SourceError(
            f"SYNCD_SOURCE__STATUSES_QUERY gives no column named {' and none named '.join(missing)}. "
            "Name its columns status and message, with AS"
        )
    query = OrdersQuery(dictionary, database.grammar, {name: spelling[name] for name in ("status", "message")})
    rows = database.rows(query.all_orders(("status", "message"), ("status",), None))
    return {text: options.message(name) for code, name in rows if (text := text_or_none(code))}
