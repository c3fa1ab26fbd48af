"""Every status that a shop has, with its name there: in its dictionary, or on its orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from syncd.errors import SourceError
from syncd.sources.columns import text_of
from syncd.sources.connection import Database
from syncd.sources.counting import last_of_each
from syncd.sources.learning import Learnt
from syncd.sources.query import OrdersQuery

_BLOCK = 2000


@dataclass(frozen=True, slots=True)
class StatusCount:
    """A status code, its name in the shop, and how many orders are there now. `in_dictionary`: the shop lists it."""

    code: str
    name: str | None
    orders: int
    in_dictionary: bool = False


def statuses(database: Database, learnt: Learnt, dictionary: str | None) -> list[StatusCount]:
    """Those of the `dictionary`, a SELECT of `status` and `message`, in its order of codes; then those that only orders
    have. A name is what a buyer would read now. SourceError."""
    listed = dict(_listed(database, dictionary)) if dictionary else {}
    counts, names = _counted(database, learnt)
    codes = [*listed, *sorted(counts.keys() - listed.keys())]
    return [StatusCount(code, names.get(code) or listed.get(code), counts[code], code in listed) for code in codes]


def _listed(database: Database, dictionary: str) -> Iterator[tuple[str, str | None]]:
    spelling = {name.lower(): name for name, _ in database.describe(OrdersQuery(dictionary).no_rows())}
    if missing := [name for name in ("status", "message") if name not in spelling]:
        raise SourceError(
            f"SYNCD_SOURCE__STATUSES_QUERY gives no column named {' and none named '.join(missing)}. "
            "Name its columns status and message, with AS"
        )
    query = OrdersQuery(dictionary, {name: spelling[name] for name in ("status", "message")})
    for code, name in database.rows(query.everything(("status", "message"), ("status",), None)):
        if text := text_of(code):
            yield text, text_of(name)


def _counted(database: Database, learnt: Learnt) -> tuple[Counter[str], dict[str, str | None]]:
    """How many orders are in each status, and the name that the last of them gives it."""
    counts: Counter[str] = Counter()
    names: dict[str, str | None] = {}
    for block in last_of_each(database.blocks(learnt.statuses(), _BLOCK)):
        for _, raw, *message in block:
            if code := text_of(raw):
                counts[code] += 1
                names[code] = (text_of(message[0]) if message else None) or names.get(code)
    return counts, names
