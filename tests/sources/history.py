"""What a shop keeps of its orders as numbered events: in a table of a database, or in the feed of an API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from sqlalchemy import text

from syncd.pipeline.poll import Poller
from syncd.sources.api import ApiSource
from syncd.sources.api.paginators import Paging
from syncd.sources.database import DatabaseSource
from syncd.state import State
from tests.servers import engine_of
from tests.sources.api.server import NEXT, PLACE, STYLES, ApiShop

QUERY = "SELECT order_id, status, id AS sequence FROM history"
FIELDS = {"order_id": "order", "status": "status", "sequence": "number"}
Event = tuple[int | None, str | None, str | None]
"""Number, order, status."""


class History(Protocol):
    @property
    def state(self) -> State: ...

    def add(self, *events: Event) -> None: ...

    def mend(self, numbers: Sequence[int | None], status: str) -> None:
        """These events say another status now."""

    def clear(self) -> None: ...

    def poller(self, *, batch: int = 1000, lookback: int = 1000) -> Poller: ...


def waiting(state: State) -> list[tuple[str, str]]:
    """The changes that wait to be pushed, the oldest first."""
    changes = state.reports.changes(state="pending", order_id=None, limit=None)
    return [(change.order_id, change.status) for change in changes][::-1]


def changes_found(state: State) -> int:
    """How many changes were ever found, whatever became of them."""
    return len(list(state.reports.changes(state=None, order_id=None, limit=None)))


def polling(source: DatabaseSource | ApiSource, state: State) -> Poller:
    return Poller(source, state.polls, lambda _status: "push", 5000, timedelta(minutes=5))


@dataclass
class HistoryTable:
    url: str
    state: State
    sources: list[DatabaseSource] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = engine_of(self.url)
        self.execute("DROP TABLE IF EXISTS history")
        self.execute("CREATE TABLE history (id BIGINT, order_id VARCHAR(20), status VARCHAR(20))")
        self.execute("CREATE INDEX history_id ON history (id)")

    def execute(self, statement: str, *values: Mapping[str, Any]) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), list(values) or None)

    def add(self, *events: Event) -> None:
        self.execute(
            "INSERT INTO history VALUES (:id, :order_id, :status)",
            *({"id": number, "order_id": order_id, "status": status} for number, order_id, status in events),
        )

    def mend(self, numbers: Sequence[int | None], status: str) -> None:
        ids = [{"id": -1 if number is None else number, "status": status} for number in numbers]
        self.execute("UPDATE history SET status = :status WHERE COALESCE(id, -1) = :id", *ids)

    def clear(self) -> None:
        self.execute("DELETE FROM history")

    def poller(self, *, batch: int = 1000, lookback: int = 1000, query: str = QUERY) -> Poller:
        source = DatabaseSource(
            url=self.url, query=query, timezone=UTC, lookback=timedelta(), lookback_rows=lookback, batch=batch
        )
        self.sources.append(source)
        return polling(source, self.state)

    def close(self) -> None:
        for source in self.sources:
            source.close()


@dataclass(frozen=True)
class FeedStyle:
    """`inclusive`: it shows the event whose number is asked for; `newest_first`: it goes down from the last one."""

    paging: Paging
    inclusive: bool = False
    newest_first: bool = False

    def __str__(self) -> str:
        ways = [name for name in ("inclusive", "newest_first") if getattr(self, name)]
        return "-".join(["feed", self.paging, *ways])


FEEDS = [
    FeedStyle("none", inclusive=True),
    FeedStyle("page", newest_first=True),
    FeedStyle("offset"),
    FeedStyle("cursor", inclusive=True, newest_first=True),
    FeedStyle("link"),
    FeedStyle("keyset"),
    FeedStyle("keyset", inclusive=True),
]


class Feed(ApiShop):
    """`events` as they are shown: of any shape, their numbers in `number`."""

    def __init__(self, style: FeedStyle, state: State) -> None:
        self.style = style
        self.state = state
        self.events: list[dict[str, Any]] = []
        super().__init__(next(one for one in STYLES if one.paging == style.paging))

    def add(self, *events: Event) -> None:  # type: ignore[override] # an event has a number, and no time of its own
        self.show(*({"number": number, "order": order, "status": status} for number, order, status in events))

    def show(self, *events: dict[str, Any]) -> None:
        self.events += events

    def mend(self, numbers: Sequence[int | None], status: str) -> None:
        for event in self.events:
            if event["number"] in numbers:
                event["status"] = status

    def clear(self) -> None:
        self.events.clear()

    def poller(self, *, batch: int = 1000, lookback: int = 1000, **changes: Any) -> Poller:
        return polling(self.feed(batch=batch, lookback=lookback, **changes), self.state)

    def feed(self, *, batch: int = 1000, lookback: int = 1000, **changes: Any) -> ApiSource:
        paging = self.style.paging
        params = {"since": "{since}", **PLACE[paging]}
        params.pop("from_id", None)
        settings: dict[str, Any] = {"fields": FIELDS, "query_params": params, "next": NEXT.get(paging), **changes}
        settings["next"] = None if paging == "keyset" else settings["next"]
        source = ApiSource(
            api=self.api(**settings), timezone=UTC, lookback=timedelta(), lookback_rows=lookback, batch=batch
        )
        self.sources.append(source)
        return source

    def _page(self, target: str) -> dict[str, Any]:
        asked = dict(parse_qsl(urlsplit(target).query))
        since = int(asked.get("since", 0))
        shown = sorted(
            (event for event in self.events if _number(event) >= since + (not self.style.inclusive) or not since),
            key=_number,
            reverse=self.style.newest_first,
        )
        limit = int(asked.get("per_page") or asked.get("top") or len(shown) or 1)
        start = int(asked.get("skip") or asked.get("after") or (int(asked.get("page", 1)) - 1) * limit)
        body: dict[str, Any] = {"orders": shown[start : start + limit]}
        if start + limit >= len(shown):
            return {"body": body}
        if self.style.paging == "link":
            following = urlencode({**asked, "page": start // limit + 2})
            return {"body": body, "headers": {"Link": f'</orders?{following}>; rel="next"'}}
        return {"body": {**body, "next": start + limit}}


def _number(event: dict[str, Any]) -> int:
    """What it goes by. An event without a number comes before the others."""
    return int(re.sub(r"\D", "", str(event["number"])) or -1)
