"""What people were told of troubles, so that a restart does not tell it again. What is in it is `syncd.notify`'s."""

from __future__ import annotations

from typing import Any

from syncd.state.store import Store, get_fact, put_fact


class StoredNotices:
    """One JSON object, or None as long as nobody was told anything."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> dict[str, Any] | None:
        with self._store.read() as connection:
            record: dict[str, Any] | None = get_fact(connection, "notices")
            return record

    def keep(self, record: dict[str, Any]) -> None:
        """LeaseLostError: another daemon leads, and does the telling."""
        with self._store.write() as connection:
            put_fact(connection, "notices", record)
