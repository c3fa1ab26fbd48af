"""What `status` and `changes` print for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from syncd.cli.output import counted
from syncd.cli.tables import console, print_pairs, print_table
from syncd.model import CHANGE_STATES
from syncd.state import ChangeView
from syncd.text import printable
from syncd.verdict import Situation
from syncd.wording import in_steps

CHANGE_COLUMNS = {
    "id": "id",
    "order": "order_id",
    "change": "",
    "state": "state",
    "detected": "detected_at",
    "tries": "attempts",
    "next try": "next_attempt_at",
    "delivered": "delivered_at",
    "IMSHOP": "imshop_status",
    "last error": "last_error",
}
"""Each heading, and the field that stands under it; none: what the change tells."""
MARKS = {"bad": "✗", "warning": "!", "good": "·"}


def print_status(document: Mapping[str, Any], known: Situation) -> None:
    delivery, source, verdict, summary = document["delivery"], document["source"], document["verdict"], known.summary
    assert summary
    _print_verdict(verdict)
    failures = counted(source["consecutive_failures"], "poll")
    pairs: list[tuple[str, object]] = [
        ("delivery", "paused" if summary.pause else "not paused"),
        ("reason", delivery["reason"] and f"{delivery['reason']}: {delivery['detail']}"),
        ("paused since", summary.pause and summary.pause.since),
        ("daemon", "running" if known.is_run else "not running"),
        ("source", source["kind"]),
        ("last poll", summary.source.last_poll_at),
        ("last good poll", summary.source.last_success_at),
        ("failing", source["last_error"] and f"{failures}: {source['last_error']}"),
        ("orders tracked", summary.tracked),
        ("last delivered", summary.last_delivered_at),
        ("oldest waiting", summary.oldest_pending_at),
    ]
    print_pairs([pair for pair in pairs if pair[1] is not None])
    console().print()
    print_table(["changes", ""], [(name, summary.changes[name]) for name in CHANGE_STATES])


def print_changes(changes: Sequence[ChangeView]) -> None:
    def row(change: ChangeView) -> list[object]:
        return [getattr(change, field) if field else in_steps(change) for field in CHANGE_COLUMNS.values()]

    print_table([*CHANGE_COLUMNS], map(row, changes))


def _print_verdict(verdict: Mapping[str, Any]) -> None:
    lines = [verdict["headline"]]
    for reason in verdict["reasons"]:
        lines += [f"{MARKS[reason['severity']]} {reason['what']}"]
        lines += [f"  {text}" for text in (reason["detail"], reason["do"]) if text]
    for line in lines:
        console().print(Text(printable(line)))
    console().print()
