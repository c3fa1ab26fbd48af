"""How many orders are in each status, and what the shop calls it: by its own list of statuses, and by its orders."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from syncd.errors import SourceError


@dataclass(frozen=True, slots=True)
class StatusCount:
    """A status code, its name in the shop, and how many orders have it now. `in_dictionary`: the shop's own list has
    it."""

    code: str
    name: str | None
    orders: int
    in_dictionary: bool = False


class StatusTally:
    """Counts orders by status, and the names they give it; of several, such as in two languages, the commonest wins."""

    def __init__(self) -> None:
        self._orders: Counter[str] = Counter()
        self._names: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, code: str, name: str | None) -> None:
        """Count an order."""
        self._orders[code] += 1
        if name:
            self._names[code][name] += 1

    def counts(self, in_list: Mapping[str, str | None]) -> list[StatusCount]:
        """The statuses of the shop's own list (code -> name), in its order, then those that only orders have. The name
        on orders comes before that in the list, since it is the one that buyers read."""
        codes = [*in_list, *sorted(self._orders.keys() - in_list.keys())]
        names = {code: max(names, key=names.__getitem__) for code, names in self._names.items()}
        return [
            StatusCount(code, names.get(code) or in_list.get(code), self._orders[code], code in in_list)
            for code in codes
        ]


def list_or_empty(
    read: Callable[[], Mapping[str, str | None]], list_failed: Callable[[str], None] | None
) -> Mapping[str, str | None]:
    """The shop's own list of statuses. If it cannot be read, `list_failed` is called with the reason, and the list is
    empty; None: that is a SourceError."""
    try:
        return read()
    except SourceError as error:
        if list_failed is None:
            raise
        list_failed(str(error))
        return {}
