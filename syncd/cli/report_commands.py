"""The commands that read the state: `status`, `changes`, `explain`. They work while the daemon runs or is down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from syncd.cli.cancellations_command import print_cancellations
from syncd.cli.context import opened_state, settings
from syncd.cli.output import console, counted, json_option, plain, print_json, print_pairs, print_table
from syncd.explain import NOT_SHOWN, Explanation, in_the_shop, in_words, order_facts, seen_facts
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
    _print_changes(columns, found)
    if len(found) == limit:
        console().print(f"the newest {limit}; more with --limit")


@click.command()
@click.argument("order_id")
@json_option
@click.pass_context
def explain(ctx: click.Context, order_id: str, *, json: bool) -> None:
    """Tell one order's story: what the shop says now, what was seen when, each change, each attempt and its answer."""
    chosen = settings(ctx, level="error")
    with opened_state(chosen) as state:
        story = state.reports.story(order_id)
        cancelled = state.reports.cancellations(story.order_id)
    explanation = Explanation(story, in_the_shop(composition.source(chosen), story), cancelled)
    if json:
        order, fault = explanation.in_shop.order, explanation.in_shop.fault
        of_source = {"source": order and plain(order_facts(order)), "source_error": fault}
        of_app = [plain(asdict(one)) for one in cancelled]
        print_json({**of_source, **plain(asdict(story)), "cancellations": of_app})
    else:
        _print_story(explanation)
    ctx.exit(0 if explanation.is_known else 1)


def _print_story(explanation: Explanation) -> None:
    out, story, in_shop = console(), explanation.story, explanation.in_shop
    out.print("[bold]In the shop now[/]")
    _print_facts(order_facts(in_shop.order) if in_shop.order else {"": in_shop.fault or NOT_SHOWN})
    out.print("\n[bold]Seen by syncd[/]")
    _print_facts(seen_facts(story) or {"": "never"})
    out.print("\n[bold]Changes[/]")
    columns = {
        "id": "id",
        "detected": "detected_at",
        "was": "previous_status",
        "status": "status",
        "state": "state",
        "held by": "hold",
        "next try": "next_attempt_at",
        "delivered": "delivered_at",
        "IMSHOP": "imshop_status",
    }
    _print_changes(columns, story.changes) if story.changes else out.print("none")
    out.print("\n[bold]Attempts[/]")
    tries = [
        (attempt.change_id, attempt.started_at, attempt.result, attempt.http_status, attempt.detail)
        for attempt in story.attempts
    ]
    print_table(["change", "at", "result", "HTTP", "answer"], tries) if tries else out.print("none")
    if explanation.cancellations:
        out.print("\n[bold]Cancelled in the app[/]")
        print_cancellations(explanation.cancellations)


def _print_changes(columns: Mapping[str, str], changes: Sequence[ChangeView]) -> None:
    """`columns`: each heading, and the field that stands under it."""
    print_table([*columns], [[getattr(change, field) for field in columns.values()] for change in changes])


def _print_facts(facts: Mapping[str, object]) -> None:
    shown = {name: in_words(value) if isinstance(value, Mapping) else value for name, value in facts.items()}
    print_pairs([(name, value) for name, value in shown.items() if value is not None])
