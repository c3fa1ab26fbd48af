"""The promises, held against what the shop showed and what IMSHOP heard. Each returns the breaches, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from syncd.sandbox import Applied, PushReceived
from tests.crash.shop import Shown

WRITTEN_DOWN_WITHIN = timedelta(seconds=3)
"""An answered push is on disk by then: a crash later cannot repeat it."""


@dataclass(frozen=True)
class Story:
    """All that happened. `broke_at`: when the daemon was killed, or IMSHOP hung up on everybody."""

    shown: Mapping[str, Sequence[Shown]]
    applied: Sequence[Applied]
    heard: Sequence[tuple[PushReceived, bool]]
    broke_at: Sequence[datetime] = field(default_factory=list)

    def untold(self) -> list[str]:
        """Orders whose last status or tracking page is not what IMSHOP was told last."""
        told = _by_order(self.applied)
        return [
            f"order {order}: the shop says {shown[-1]}, IMSHOP knows {told[order][-1].body if order in told else None}"
            for order, shown in self.shown.items()
            if not _knows(told.get(order, []), shown)
        ]

    def out_of_order(self) -> list[str]:
        """Orders that were told a status after one that came later."""
        return [
            f"order {order}: told {codes}, shown {shown}"
            for order, applied in _by_order(self.applied).items()
            if not _is_subsequence(
                codes := _changes(one.code for one in applied),
                shown := _changes(one.status for one in self.shown[order]),
            )
        ]

    def repeated(self) -> list[str]:
        """Requests that repeat the last one of their order though nothing had put that one in doubt."""
        heard: dict[str, list[tuple[PushReceived, bool]]] = {}
        for request in self.heard:
            heard.setdefault(request[0].order_id, []).append(request)
        return [
            f"order {order}: {second.body} at {second.at}, and before at {first.at}"
            for order, requests in heard.items()
            for (first, was_taken), (second, _) in pairwise(requests)
            if first.body == second.body and was_taken and not self._may_come_again(order, first.at, second.at)
        ]

    def _may_come_again(self, order: str, first: datetime, second: datetime) -> bool:
        """Something broke before the first was written down, or the shop went away from that status and came back."""
        broke = any(abs(at - first) < WRITTEN_DOWN_WITHIN and at < second for at in self.broke_at)
        return broke or any(first < shown.at < second for shown in self.shown[order])


def _by_order(applied: Iterable[Applied]) -> dict[str, list[Applied]]:
    orders: dict[str, list[Applied]] = {}
    for one in applied:
        orders.setdefault(one.id, []).append(one)
    return orders


def _knows(applied: Sequence[Applied], shown: Sequence[Shown]) -> bool:
    """Whether IMSHOP knows what the shop shows; what it was not told it knows from the baseline. That a tracking page
    went away is what the protocol has no words for."""
    status = applied[-1].code if applied else shown[0].status
    tracks = [one.body["trackingUrl"] for one in applied if "trackingUrl" in one.body]
    return status == shown[-1].status and (shown[-1].track is None or shown[-1].track in tracks[-1:])


def _changes(statuses: Iterable[str]) -> list[str]:
    return [status for status, _ in groupby(statuses)]


def _is_subsequence(part: Sequence[str], whole: Sequence[str]) -> bool:
    rest: Iterator[str] = iter(whole)
    return all(one in rest for one in part)
