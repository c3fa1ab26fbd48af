"""The commands that only look: `status`, `changes`, `explain`, `config`. They work while the daemon runs or is down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from syncd import compose
from syncd.cli.cancellations import print_cancellations
from syncd.cli.context import loaded, opened_state, settings
from syncd.cli.output import console, json_option, plain, print_json, print_pairs, print_table
from syncd.errors import SourceError
from syncd.model import CHANGE_STATES, ChangeState, Content, Order
from syncd.settings import Settings, masked
from syncd.state import SeenView, Story
from syncd.status import as_json

SHOWN_CHANGES = 100


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, *, json: bool) -> None:
    """Say how polling and delivery are doing, from the state, whether the daemon runs or is down."""
    chosen = settings(ctx, level="error")
    with opened_state(chosen) as state:
        summary, leader = state.summary(), state.lease().is_taken()
    kind = compose.source_kind(chosen)
    document = as_json(summary, source_kind=kind, leader=leader, now=compose.now())
    if json:
        print_json(document)
        return
    delivery, source = document["delivery"], document["source"]
    pairs: list[tuple[str, object]] = [
        ("delivery", delivery["state"]),
        ("reason", delivery["reason"] and f"{delivery['reason']}: {delivery['detail']}"),
        ("paused since", summary.pause and summary.pause.since),
        ("daemon", "running" if leader else "not running"),
        ("source", source["kind"]),
        ("last poll", summary.source.last_poll_at),
        ("last good poll", summary.source.last_success_at),
        ("failing", source["last_error"] and f"{source['consecutive_failures']} polls: {source['last_error']}"),
        ("orders tracked", summary.tracked),
        ("last delivered", summary.last_delivered_at),
        ("oldest waiting", summary.oldest_pending_at),
    ]
    print_pairs([pair for pair in pairs if pair[1] is not None])
    console().print()
    print_table(["changes", ""], [(name, summary.changes[name]) for name in CHANGE_STATES])


@click.command()
@click.option("--state", type=click.Choice(CHANGE_STATES), help="Only changes in this state.")
@click.option("--order", "order_id", metavar="ID", help="Only changes of this order.")
@click.option(
    "--limit", type=click.IntRange(1), help=f"So many at most, the newest. Default: {SHOWN_CHANGES}, all with --json."
)
@json_option
@click.pass_context
def changes(
    ctx: click.Context, state: ChangeState | None, order_id: str | None, limit: int | None, *, json: bool
) -> None:
    """List changes and what became of them, the newest first."""
    with opened_state(settings(ctx, level="error")) as memory:
        if limit is None and not json:
            limit = SHOWN_CHANGES
        found = list(memory.changes(state=state, order_id=order_id, limit=limit))
    if json:
        print_json([plain(asdict(change)) for change in found])
        return
    headings = [
        "id",
        "order",
        "status",
        "was",
        "state",
        "detected",
        "tries",
        "next try",
        "delivered",
        "IMSHOP",
        "last error",
    ]
    print_table(
        headings,
        [
            (
                change.id,
                change.order_id,
                change.status,
                change.previous_status,
                change.state,
                change.detected_at,
                change.attempts,
                change.next_attempt_at,
                change.delivered_at,
                change.imshop_status,
                change.last_error,
            )
            for change in found
        ],
    )
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
        story, cancelled = state.story(order_id), state.cancellations(order_id)
    now, fault = _in_the_shop(chosen, order_id)
    if json:
        asked = [plain(asdict(one)) for one in cancelled]
        of_source = {"source": now and plain(_order(now)), "source_error": fault}
        print_json({**of_source, **plain(asdict(story)), "cancellations": asked})
    else:
        _tell(story, now, fault)
        if cancelled:
            console().print("\n[bold]Cancelled in the app[/]")
            print_cancellations(cancelled)
    ctx.exit(0 if now or story.seen or story.changes or cancelled else 1)


@click.command()
@json_option
@click.pass_context
def config(ctx: click.Context, *, json: bool) -> None:
    """Show the settings in force and where each came from, secrets masked."""
    shown = masked(loaded(ctx))
    if json:
        print_json({setting.variable: {"value": setting.value, "from": setting.origin} for setting in shown})
    else:
        print_table(["setting", "value", "from"], shown)


def _in_the_shop(chosen: Settings, order_id: str) -> tuple[Order | None, str | None]:
    """The order as the shop shows it now, or why it cannot be told."""
    shop = compose.source(chosen)
    try:
        page = shop.find([order_id])
    except SourceError as error:
        return None, str(error)
    finally:
        shop.close()
    if page.orders:
        return page.orders[-1], None
    return None, "; ".join(f"{row.reason}: {row.detail}" for row in page.skipped) or None


def _order(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        **order.content,
        "updated_at": order.updated_at,
        "message": order.message,
        "tracking_url": order.tracking_url,
        "imshop_uuid": order.imshop_uuid,
    }


def _tell(story: Story, now: Order | None, fault: str | None) -> None:
    out = console()
    out.print("[bold]In the shop now[/]")
    _print_known(_order(now) if now else {"": fault or "the query shows no such order"})
    out.print("\n[bold]Seen[/]")
    _print_known(_seen(story.seen) if story.seen else {"": "never"})
    out.print("\n[bold]Changes[/]")
    headings = ["id", "detected", "was", "status", "state", "held by", "next try", "delivered", "IMSHOP"]
    rows: Sequence[Sequence[object]] = [
        (
            change.id,
            change.detected_at,
            change.previous_status,
            change.status,
            change.state,
            change.hold,
            change.next_attempt_at,
            change.delivered_at,
            change.imshop_status,
        )
        for change in story.changes
    ]
    print_table(headings, rows) if rows else out.print("none")
    out.print("\n[bold]Attempts[/]")
    tries = [
        (attempt.change_id, attempt.started_at, attempt.result, attempt.http_status, attempt.detail)
        for attempt in story.attempts
    ]
    print_table(["change", "at", "result", "HTTP", "answer"], tries) if tries else out.print("none")


def _seen(seen: SeenView) -> dict[str, object]:
    told = "not known: it was never told, or a push is in doubt" if seen.told is None else _in_words(seen.told)
    return {
        "last seen as": _in_words(seen.content),
        "IMSHOP knows": told,
        "acknowledged": seen.acknowledged_status,
        "acknowledged at": seen.acknowledged_at,
        "IMSHOP's UUID": seen.acknowledged_uuid or seen.imshop_uuid,
        "first seen": seen.first_seen_at,
        "last differed": seen.changed_at,
        "missing since": seen.missing_since,
    }


def _in_words(content: Content) -> str:
    return ", ".join(f"{column} {value}" for column, value in content.items() if value is not None)


def _print_known(pairs: Mapping[str, object]) -> None:
    print_pairs([(name, value) for name, value in pairs.items() if value is not None])
