"""The names of an API's statuses, from the platform's own list: fetched once a day, for the words that buyers read.

A list that cannot be read stops nothing: the last good one stays, and it is tried again later. Names from it are never
compared, so a renamed status notifies nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from syncd.errors import SourceError
from syncd.sources.api.client import ApiClient
from syncd.sources.api.records import status_pairs
from syncd.sources.columns import text_or_none

FRESH_FOR = 24 * 3600.0
TRIED_AGAIN_AFTER = 600.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class StatusList:
    """Where the list is and how it is read, as SYNCD_SOURCE__STATUSES_PATH, …ITEMS, …CODE, …NAME and …COUNT say.
    `warn` is called with the reason why it cannot be read, once for each fault: that stops nothing."""

    code: str
    name: str
    path: str = ""
    items: str | None = None
    count: str | None = None
    warn: Callable[[str], None] = lambda _why: None


class StatusNames:
    """Code -> name. `url` None: the platform has no such list. `as_shown` turns a name in the list into the one that
    buyers read. Not for several threads at once."""

    def __init__(
        self,
        client: ApiClient,
        url: str | None,
        status_list: StatusList,
        as_shown: Callable[[object], str | None] = text_or_none,
    ) -> None:
        self._client = client
        self._url = url
        self._list = status_list
        self._as_shown = as_shown
        self._names: Mapping[str, str | None] = {}
        self._due_at = 0.0
        self._fault: str | None = None

    @property
    def has_list(self) -> bool:
        return self._url is not None

    def of(self, code: str) -> str | None:
        """The name as it was last read; None: the list has no such code."""
        return self._names.get(code)

    def refresh(self) -> None:
        """Read the list if that is due. If it cannot be read, warn, and keep the names there are."""
        if self._url is None or self._now() < self._due_at:
            return
        try:
            self.read()
        except SourceError as error:
            self._due_at = self._now() + TRIED_AGAIN_AFTER
            if str(error) != self._fault:
                self._list.warn(str(error))
            self._fault = str(error)

    def read(self) -> Mapping[str, str | None]:
        """The list as it is now, in its own order; empty where there is none. SourceError."""
        if self._url is None:
            return {}
        try:
            self._names = dict(self._fetched(self._url))
        except SourceError as error:
            raise SourceError(f"the list of statuses (SYNCD_SOURCE__STATUSES_PATH): {error}") from None
        self._due_at, self._fault = self._now() + FRESH_FOR, None
        return self._names

    def counted(self) -> int | None:
        """How many orders all these statuses have, as the list says; None: it does not. SourceError."""
        if self._url is None or self._list.count is None:
            return None
        body = self._client.get(self._url).content()
        found = status_pairs(body, self._list.items, self._list.code, self._list.count, "COUNT")
        return sum(count for _code, count in found if isinstance(count, int))

    def _fetched(self, url: str) -> list[tuple[str, str | None]]:
        found = status_pairs(self._client.get(url).content(), self._list.items, self._list.code, self._list.name)
        return [(text, self._as_shown(name)) for code, name in found if (text := text_or_none(code)) is not None]

    def _now(self) -> float:
        return self._client.clocks.monotonic()
