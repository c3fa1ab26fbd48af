"""How far an API was read, as the state keeps it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import NamedTuple


class Span(NamedTuple):
    """The cursor of an API: `since` is where the next poll starts, `reached` how far the last one came."""

    since: str
    reached: str

    @classmethod
    def of(cls, cursor: str) -> Span:
        with suppress(ValueError, TypeError):
            kind, since, reached = json.loads(cursor)
            if kind == "again":
                return cls(str(since), str(reached))
        return cls(cursor, cursor)

    def __str__(self) -> str:
        return self.reached if self.since == self.reached else json.dumps(["again", *self], ensure_ascii=False)
