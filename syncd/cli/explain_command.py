"""`syncd explain`: one order's story, from the shop and from the state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import click

from syncd.cli.cancellations_command import print_cancellations
from syncd.cli.context import opened_state, settings
from syncd.cli.output import json_option, plain, print_json
from syncd.cli.report_tables import print_changes
from syncd.cli.tables import console, print_pairs, print_table
from syncd.explain import NOT_SHOWN, Explanation, in_the_shop, in_words, order_facts, seen_facts
from syncd.runtime import composition


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
    print_changes(story.changes, columns) if story.changes else out.print("none")
    out.print("\n[bold]Attempts[/]")
    tries = [
        (attempt.change_id, attempt.started_at, attempt.result, attempt.http_status, attempt.detail)
        for attempt in story.attempts
    ]
    print_table(["change", "at", "result", "HTTP", "answer"], tries) if tries else out.print("none")
    if explanation.cancellations:
        out.print("\n[bold]Cancelled in the app[/]")
        print_cancellations(explanation.cancellations)


def _print_facts(facts: Mapping[str, object]) -> None:
    shown = {name: in_words(value) if isinstance(value, Mapping) else value for name, value in facts.items()}
    print_pairs([(name, value) for name, value in shown.items() if value is not None])
