"""What `status`, `changes` and `explain` print for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncd.cli.output import counted
from syncd.cli.tables import console, print_pairs, print_table
from syncd.model import CHANGE_STATES
from syncd.state import ChangeView, Summary

CHANGE_COLUMNS = {
    "id": "id",
    "order": "order_id",
    "status": "status",
    "was": "previous_status",
    "state": "state",
    "detected": "detected_at",
    "tries": "attempts",
    "next try": "next_attempt_at",
    "delivered": "delivered_at",
    "IMSHOP": "imshop_status",
    "last error": "last_error",
}
"""Each heading, and the field that stands under it."""


def print_status(document: Mapping[str, Any], summary: Summary, *, daemon_runs: bool) -> None:
    delivery, source = document["delivery"], document["source"]
    failures, missing = counted(source["consecutive_failures"], "poll"), counted(summary.missing_refused, "order")
    pairs: list[tuple[str, object]] = [
        ("delivery", delivery["state"]),
        ("reason", delivery["reason"] and f"{delivery['reason']}: {delivery['detail']}"),
        ("paused since", summary.pause and summary.pause.since),
        ("daemon", "running" if daemon_runs else "not running"),
        ("source", source["kind"]),
        ("last poll", summary.source.last_poll_at),
        ("last good poll", summary.source.last_success_at),
        ("failing", source["last_error"] and f"{failures}: {source['last_error']}"),
        ("orders tracked", summary.tracked),
        ("orders missing", f"{missing}, none forgotten; if they are really gone, run: syncd release"),
        ("last delivered", summary.last_delivered_at),
        ("oldest waiting", summary.oldest_pending_at),
    ]
    if not summary.missing_refused:
        pairs = [pair for pair in pairs if pair[0] != "orders missing"]
    print_pairs([pair for pair in pairs if pair[1] is not None])
    console().print()
    print_table(["changes", ""], [(name, summary.changes[name]) for name in CHANGE_STATES])


def print_changes(changes: Sequence[ChangeView], columns: Mapping[str, str] = CHANGE_COLUMNS) -> None:
    print_table([*columns], [[getattr(change, field) for field in columns.values()] for change in changes])
