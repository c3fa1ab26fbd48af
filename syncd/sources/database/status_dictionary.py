"""Every status that a shop has, with its name there: in its dictionary, or on its orders."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from syncd.errors import SourceError
from syncd.sources.columns import ColumnOptions, text_or_none
from syncd.sources.cursors import last_of_each
from syncd.sources.database.connection import Database
from syncd.sources.database.query import OrdersQuery
from syncd.sources.database.query_schema import QuerySchema

_BLOCK = 2000


@dataclass(frozen=True, slots=True)
class StatusCount:
    """A status code, its name in the shop, and how many orders are there now. `in_dictionary`: the shop lists it."""

    code: str
    name: str | None
    orders: int
    in_dictionary: bool = False


class Tally:
    """How many orders are in each status, and what most of them call it: some may be in another language."""

    def __init__(self) -> None:
        self._orders: Counter[str] = Counter()
        self._names: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def note(self, code: str, name: str | None) -> None:
        """An order."""
        self._orders[code] += 1
        if name:
            self._names[code][name] += 1

    def beside(self, listed: Mapping[str, str | None]) -> list[StatusCount]:
        """The shop's own list, in its order, then the statuses that only orders have. A name is what buyers read."""
        return [
            StatusCount(code, self._name(code) or listed.get(code), self._orders[code], code in listed)
            for code in [*listed, *sorted(self._orders.keys() - listed.keys())]
        ]

    def _name(self, code: str) -> str | None:
        return max(names, key=lambda name: names[name]) if (names := self._names[code]) else None


def listed(
    read: Callable[[], Mapping[str, str | None]], list_failed: Callable[[str], None] | None
) -> Mapping[str, str | None]:
    """The shop's own list. Where it cannot be read, `list_failed` is told why, and it is empty. SourceError: there is
    nobody to be told."""
    try:
        return read()
    except SourceError as error:
        if list_failed is None:
            raise
        list_failed(str(error))
        return {}


def statuses(
    database: Database, schema: QuerySchema, dictionary: str | None, list_failed: Callable[[str], None] | None
) -> list[StatusCount]:
    """Those of the `dictionary`, a SELECT of `status` and `message`, in its order of codes; then those that only orders
    have. `list_failed`: see `listed`. SourceError."""
    known = (
        listed(lambda: dict(_listed(database, dictionary, schema.layout.options)), list_failed) if dictionary else {}
    )
    return _counted(database, schema).beside(known)


def _listed(database: Database, dictionary: str, options: ColumnOptions) -> Iterator[tuple[str, str | None]]:
    described = database.describe(OrdersQuery(dictionary, database.grammar).no_rows())
    spelling = {name.lower(): name for name, _ in described}
    if missing := [name for name in ("status", "message") if name not in spelling]:
        raise SourceError(
            f"SYNCD_SOURCE__STATUSES_QUERY gives no column named {' and none named '.join(missing)}. "
            "Name its columns status and message, with AS"
        )
    query = OrdersQuery(dictionary, database.grammar, {name: spelling[name] for name in ("status", "message")})
    for code, name in database.rows(query.everything(("status", "message"), ("status",), None)):
        if text := text_or_none(code):
            yield text, options.message(name)


def _counted(database: Database, schema: QuerySchema) -> Tally:
    tally = Tally()
    for block in last_of_each(database.blocks(schema.statuses(), _BLOCK)):
        for _, raw, *message in block:
            if code := text_or_none(raw):
                tally.note(code, schema.layout.options.message(message[0]) if message else None)
    return tally
