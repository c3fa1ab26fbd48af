"""Where polling stands: cursor, baseline, and how the last poll went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from syncd.model import Baseline
from syncd.state.facts import get_fact, instant, put_fact
from syncd.state.store import Store
from syncd.state.views import PollView

POLLS_KEPT = 10


class PollsPart(Store):
    """See `syncd.poll.PollState`."""

    def cursor(self) -> str | None:
        with self.read() as connection:
            cursor: str | None = get_fact(connection, "cursor")
            return cursor

    def set_cursor(self, cursor: str) -> None:
        with self.write() as connection:
            put_fact(connection, "cursor", cursor)

    def baseline(self) -> Baseline | None:
        with self.read() as connection:
            fact = get_fact(connection, "baseline")
        if fact is None:
            return None
        return Baseline(datetime.fromisoformat(fact["taken_at"]), instant(fact["newest"]))

    def take_baseline(self, baseline: Baseline) -> None:
        newest = baseline.newest and baseline.newest.isoformat()
        with self.write() as connection:
            put_fact(connection, "baseline", {"taken_at": baseline.taken_at.isoformat(), "newest": newest})

    def poll_ended(
        self,
        now: datetime,
        error: str | None,
        *,
        kind: str = "incremental",
        rows: int = 0,
        changes: int = 0,
        read: bool = False,
    ) -> None:
        """Note how the last poll went; `error` None: well. `rows` it read, and so many `changes` it found. `read`: what
        the shop shows was read to its end all the same."""
        with self.write() as connection:
            before = get_fact(connection, "source") or {}
            ended = {**before, "last_poll_at": now.isoformat(), "last_error": error}
            if error is None or read:
                ended["last_success_at"] = now.isoformat()
            ended["consecutive_failures"] = 0 if error is None else before.get("consecutive_failures", 0) + 1
            put_fact(connection, "source", ended)
            poll = {"at": now.isoformat(), "kind": kind, "rows": rows, "changes": changes, "error": error}
            put_fact(connection, "polls", [poll, *(get_fact(connection, "polls") or [])][:POLLS_KEPT])

    def last_polls(self) -> Sequence[PollView]:
        """The last few polls, newest first."""
        with self.read() as connection:
            polls = get_fact(connection, "polls") or []
        return [PollView(**{**poll, "at": datetime.fromisoformat(poll["at"])}) for poll in polls]
