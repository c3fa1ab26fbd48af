"""The commands that do the daemon's work once: `once`, `reconcile`."""

from __future__ import annotations

from typing import Literal

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from syncd.cli.context import settings
from syncd.cli.output import seconds_option
from syncd.model import Outcome
from syncd.pipeline.staging import REDEFINED, PollResult
from syncd.runtime.run_once import Ran, run_once
from syncd.text import printable


@click.command()
@seconds_option("--timeout", default="5m", help="Stop delivering after this long.")
@click.pass_context
def once(ctx: click.Context, timeout: float) -> None:
    """Poll once, deliver until nothing is due, and end.

    The first poll of all records what is there and pushes nothing, unless SYNCD_FIRST_RUN=push. Exit status 1:
    something failed, or changes still wait. Beside a running daemon, the daemon delivers.
    """
    _work(ctx, "poll", timeout)


@click.command()
@seconds_option("--timeout", default="5m", help="Stop delivering after this long.")
@click.pass_context
def reconcile(ctx: click.Context, timeout: float) -> None:
    """Compare every order with what was seen of it, deliver what differs, and end.

    Finds what a poll cannot: orders that changed without their timestamp, or that vanished.
    """
    _work(ctx, "reconcile", timeout)


def _work(ctx: click.Context, kind: Literal["poll", "reconcile"], seconds: float) -> None:
    chosen = settings(ctx, level="error")
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        reading = progress.add_task("reading orders", total=None)
        pushing = progress.add_task("pushing changes", total=None, visible=False)

        def on_rows(rows: int) -> None:
            progress.update(reading, completed=rows)

        def on_outcome(_outcome: Outcome, waiting: int) -> None:
            progress.update(pushing, advance=1, total=waiting, visible=True)

        ran = run_once(chosen, kind, seconds, on_rows, on_outcome)
    for line in _told(ran):
        click.echo(printable(line))
    ctx.exit(1 if ran.failed or ran.undelivered else 0)


def _told(ran: Ran) -> list[str]:
    poll, changes = ran.poll, ran.summary.changes
    lines = _read(poll)
    if poll.missing:
        lines.append(f"{poll.missing} orders are not in the shop any more")
    if poll.fault:
        lines.append(poll.fault)
    if ran.outcomes:
        lines.append("pushes: " + ", ".join(f"{count} {result}" for result, count in sorted(ran.outcomes.items())))
    if ran.beside:
        lines.append("a daemon runs on this state, and delivers")
    if pause := ran.summary.pause:
        lines.append(f"delivery is paused ({pause.reason}): {pause.detail}")
    if changes["pending"]:
        lines.append(f"{changes['pending']} changes still wait to be pushed; see: syncd changes --state pending")
    if changes["held"]:
        lines.append(f"{changes['held']} changes are held; see: syncd changes --state held")
    return lines


def _read(poll: PollResult) -> list[str]:
    lines = [f"read {poll.rows} rows, found {sum(poll.found.values())} changes"]
    if poll.adopted:
        lines[0] += f"; {poll.adopted} orders seen for the first time, recorded and told to nobody"
    if poll.redefined:
        lines.append(f"{', '.join(poll.redefined)}: {REDEFINED}")
    if skipped := sum(poll.skipped.values()):
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(poll.skipped.items()))
        lines.append(f"skipped {skipped} rows that cannot be read as an order ({why})")
    if poll.dropped:
        why = ", ".join(f"{count} {name}" for name, count in sorted(poll.dropped.items()))
        lines.append(f"left out fields that cannot be read, of {poll.dropped_from} orders ({why})")
        lines += [one.detail for one in poll.dropped_examples.values()]
    return lines
