"""The commands that only look: `status`, `changes`, `explain`, `config`. They work while the daemon runs or is down.

`syncd cancellations`: what buyers cancelled in the app, what became of it, and a failed one applied again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import click

from syncd.cli.context import loaded, opened_state, settings
from syncd.cli.output import console, json_option, plain, print_json, print_pairs, print_table
from syncd.errors import SettingsError
from syncd.explain import NOT_SHOWN, Explanation, in_the_shop, order_facts, seen_facts
from syncd.model import CHANGE_STATES, Cancellation, ChangeState
from syncd.pipeline.statuses_file import Statuses
from syncd.runtime import composition
from syncd.runtime.health import as_json
from syncd.runtime.observer import Observer
from syncd.settings import masked
from syncd.text import printable

SHOWN = 100
HEADINGS = ("id", "order", "state", "received", "asked", "tries", "decided", "answered", "reason", "error")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def cancellations(ctx: click.Context, *, json: bool) -> None:
    """List cancellations from the app and what became of them, the newest first."""
    if ctx.invoked_subcommand:
        return
    with opened_state(settings(ctx, level="error")) as state:
        found = state.reports.cancellations(limit=None if json else SHOWN)
    if json:
        print_json([plain(asdict(cancellation)) for cancellation in found])
        return
    print_cancellations(found)
    if len(found) == SHOWN:
        console().print(f"the newest {SHOWN}; all with --json")


@cancellations.command()
@click.argument("ids", type=int, nargs=-1, required=True, metavar="ID...")
@click.pass_context
def retry(ctx: click.Context, ids: tuple[int, ...]) -> None:
    """Apply cancellations again that failed, or that the shop refused, by their ids.

    IMSHOP was told that they failed, so it learns of the cancelled order from the next poll, as of any change.
    """
    chosen = settings(ctx, level="error")
    canceller = composition.canceller(chosen)
    if canceller is None:
        raise SettingsError(["SYNCD_CANCEL__URL: not set, nor are …__COMMAND and …__SQL, so nothing can be cancelled"])
    observer = Observer(None, Statuses)
    undone = 0
    with opened_state(chosen) as state:
        service = composition.cancel_service(
            chosen, state, canceller, observer.cancelled, observer.cancellation_repeated
        )
        for cancellation_id in ids:
            taken = service.retry(cancellation_id)
            undone += taken is None or taken.cancellation.state != "accepted"
            if taken is None:
                click.echo(f"syncd: there is no cancellation {cancellation_id}; see: syncd cancellations", err=True)
            elif not taken.mine:
                click.echo(
                    f"syncd: cancellation {cancellation_id} is left as it is: {_why(taken.cancellation)}", err=True
                )
            else:
                click.echo(printable(_told(taken.cancellation)))
        service.close()
    ctx.exit(1 if undone else 0)


def print_cancellations(found: Sequence[Cancellation]) -> None:
    rows = [
        (
            one.id,
            one.order_id or one.imshop_uuid,
            one.state,
            one.received_at,
            one.asked,
            one.attempts,
            one.decided_at,
            one.message,
            one.reason,
            one.error and one.error + (" (it may have been applied)" if one.in_doubt else ""),
        )
        for one in found
    ]
    print_table(HEADINGS, rows) if rows else console().print("none")


def _why(left: Cancellation) -> str:
    if left.state == "accepted":
        return "it was accepted"
    return "it is being applied" if left.state == "received" else "a newer one of its order was asked for"


def _told(one: Cancellation) -> str:
    said = one.error or (one.message if one.state == "refused" else None)
    return f"cancellation {one.id} of order {one.order_id or one.imshop_uuid}: {one.state}" + (
        f": {said}" if said else ""
    )


SHOWN_CHANGES = 100


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
        ("orders gone", _gone(summary.missing_refused)),
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
        found = list(memory.reports.changes(state=state, order_id=order_id, limit=limit))
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
        story = state.reports.story(order_id)
        cancelled = state.reports.cancellations(story.order_id)
    explained = Explanation(story, in_the_shop(composition.source(chosen), story), cancelled)
    if json:
        order, fault = explained.in_shop.order, explained.in_shop.fault
        of_source = {"source": order and plain(order_facts(order)), "source_error": fault}
        asked = [plain(asdict(one)) for one in cancelled]
        print_json({**of_source, **plain(asdict(story)), "cancellations": asked})
    else:
        _tell(explained)
    ctx.exit(0 if explained.is_known else 1)


@click.command()
@json_option
@click.pass_context
def config(ctx: click.Context, *, json: bool) -> None:
    """Show the settings in force and where each came from, secrets masked."""
    shown = masked(loaded(ctx))
    if json:
        print_json({setting.variable: {"value": setting.value, "from": setting.origin} for setting in shown})
    else:
        rows = [(setting.variable, " ".join(setting.value.split()), setting.origin) for setting in shown]
        print_table(["setting", "value", "from"], rows)


def _gone(orders: int) -> str | None:
    return f"{orders}, and none is forgotten; if that is right, run: syncd release" if orders else None


def _tell(explained: Explanation) -> None:
    out, story, now = console(), explained.story, explained.in_shop
    out.print("[bold]In the shop now[/]")
    _print_known(order_facts(now.order) if now.order else {"": now.fault or NOT_SHOWN})
    out.print("\n[bold]Seen[/]")
    _print_known(seen_facts(story) or {"": "never"})
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
    if explained.cancellations:
        out.print("\n[bold]Cancelled in the app[/]")
        print_cancellations(explained.cancellations)


def _print_known(pairs: Mapping[str, object]) -> None:
    print_pairs([(name, value) for name, value in pairs.items() if value is not None])
