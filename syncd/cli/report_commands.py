"""The commands that read the state alone: `status`, `changes`. They work while the daemon runs or is down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from syncd.cli.context import opened_state, settings
from syncd.cli.output import counted, json_option, plain, print_json
from syncd.cli.tables import console, print_pairs, print_table
from syncd.model import CHANGE_STATES, ChangeState
from syncd.runtime import composition
from syncd.runtime.health import as_json
from syncd.state import ChangeView, Summary

SHOWN = 100


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, *, json: bool) -> None:
    """Say how polling and delivery are doing, from the state, whether the daemon runs or is down."""
    chosen = settings(ctx, level="error")
    with opened_state(chosen) as state:
        summary, leader = state.reports.summary(), state.lease().holder() is not None
    kind = composition.source_kind(chosen)
    document = as_json(summary, source_kind=kind, leader=leader, now=composition.now())
    if json:
        print_json(document)
    else:
        _print_status(document, summary, daemon_runs=leader)


def _print_status(document: Mapping[str, Any], summary: Summary, *, daemon_runs: bool) -> None:
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


@click.command()
@click.option("--state", type=click.Choice(CHANGE_STATES), help="Only changes in this state.")
@click.option("--order", "order_id", metavar="ID", help="Only changes of this order.")
@click.option("--limit", type=click.IntRange(1), help=f"List at most this many. Default: {SHOWN}; with --json, all.")
@json_option
@click.pass_context
def changes(
    ctx: click.Context, state: ChangeState | None, order_id: str | None, limit: int | None, *, json: bool
) -> None:
    """List changes and what became of them, the newest first."""
    if limit is None and not json:
        limit = SHOWN
    with opened_state(settings(ctx, level="error")) as opened:
        found = list(opened.reports.changes(state=state, order_id=order_id, limit=limit))
    if json:
        print_json([plain(asdict(change)) for change in found])
        return
    columns = {
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
    print_changes(columns, found)
    if len(found) == limit:
        console().print(f"the newest {limit}; more with --limit")


def print_changes(columns: Mapping[str, str], changes: Sequence[ChangeView]) -> None:
    """`columns`: each heading, and the field that stands under it."""
    print_table([*columns], [[getattr(change, field) for field in columns.values()] for change in changes])
