"""Orders that are named: by a person, by a cancellation, or by a full compare that missed them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

from syncd.errors import SourceError
from syncd.model import Page
from syncd.sources.api.deduplicate import newest_of_each
from syncd.sources.api.page_fetcher import PageFetcher
from syncd.sources.api.records import Record, Records, id_of
from syncd.templates import Template as UrlTemplate

ONE_BY_ONE_AT_MOST = 20


class ApiOrderLookup:
    """Finds orders by their numbers or by the shop's own keys.

    `ways`: the URLs that lead to one order, the better one first: by SYNCD_SOURCE__FIND_PATH, which may need the shop's
    own key, and by …FIND_NUMBER_PATH. `items`: as SYNCD_SOURCE__FIND_ITEMS.
    """

    def __init__(self, fetcher: PageFetcher, ways: Sequence[UrlTemplate], items: str | None) -> None:
        self._fetcher = fetcher
        self._layout = fetcher.extractor.layout
        self._ways = ways
        self._items = items

    def find(self, order_ids: Sequence[str], shop_ids: Mapping[str, str]) -> Page:
        """The orders with these numbers, or with the shop's own keys that are known of some of them; what is not there
        is left out. A request for each order, where there is a way to each and they are 20 at most: **else the whole
        API is read**."""
        ways = {order_id: self._way_to(order_id, shop_ids) for order_id in order_ids}
        if len(order_ids) <= ONE_BY_ONE_AT_MOST and all(ways.values()):
            alone = [self._ask(way, order_id, shop_ids.get(order_id, "")) for order_id, way in ways.items() if way]
            return self._layout.page([*chain.from_iterable(alone)])
        found = dict(chain.from_iterable(self._among_all(order_ids, {*shop_ids.values()})))
        return self._layout.page([*found.values()])

    def still_shown(self, order_ids: Collection[str]) -> Iterator[Page]:
        """Those of these orders that the API shows, though a scan did not: it may miss some where pages shift. **The
        whole API is read again.** SourceError also where the end that the scan came to may not be the end."""
        if self._fetcher.doubtful_end:
            raise SourceError(self._fetcher.doubtful_end)
        for found in self._among_all(order_ids, ()) if self._fetcher.may_shift else ():
            yield self._layout.page([record for _, record in found])

    def _way_to(self, order_id: str, shop_ids: Mapping[str, str]) -> UrlTemplate | None:
        return next((way for way in self._ways if "shop_id" not in way.placeholders or order_id in shop_ids), None)

    def _ask(self, way: UrlTemplate, order_id: str, shop_id: str) -> Records:
        """The records of one order."""
        self._fetcher.status_names.refresh()
        try:
            url = way.filled({"order_id": order_id, "shop_id": shop_id})
        except ValueError as error:
            raise SourceError(f"order {order_id} cannot be asked for: {error}") from None
        response = self._fetcher.client.get(url)
        extractor = self._fetcher.extractor
        items = [] if response.status == 404 else extractor.items_of_one(self._items, response.content())
        records = [extractor.record(item) for item in items]
        return [
            record
            for record in records
            if self._layout.is_order(record) and self._is_wanted(record, {order_id}, {shop_id})
        ]

    def _among_all(self, order_ids: Collection[str], shop_ids: Collection[str]) -> Iterator[list[tuple[str, Record]]]:
        """The ids and records of these orders, block by block; the API is read to its end, for the last record of each
        order counts."""
        wanted, keys = frozenset(order_ids), frozenset(shop_ids)
        for block in newest_of_each(self._fetcher.all_orders(), self._layout):
            named = [(id_of(record), record) for record in block]
            yield [(name, record) for name, record in named if name and self._is_wanted(record, wanted, keys)]

    def _is_wanted(self, record: Record, order_ids: Collection[str], shop_ids: Collection[str]) -> bool:
        return id_of(record) in order_ids or self._layout.shop_id(record) in shop_ids
