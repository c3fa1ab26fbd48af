"""The commands that do the daemon's work once: `once`, `reconcile`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import click

from syncd.cli.context import settings
from syncd.cli.cron_runs import run_for_cron
from syncd.cli.output import counted, seconds_option
from syncd.model import Outcome
from syncd.pipeline.staging import REDEFINED, PollResult
from syncd.runtime.run_once import Ran, run_once
from syncd.text import printable

timeout_option = seconds_option("--timeout", default="5m", help="Stop delivering after this long.")
cron_option = click.option("--cron", is_flag=True, help="Print only what began to be wrong, and what is over, once.")


@click.command()
@timeout_option
@cron_option
@click.pass_context
def once(ctx: click.Context, timeout: float, *, cron: bool) -> None:
    """Poll once, deliver until nothing is due, and end.

    The first poll of all records what is there and pushes nothing, unless SYNCD_FIRST_RUN=push. Exit status 1:
    something failed, or changes still wait. Beside a running daemon, the daemon delivers.

    With --cron it also ends at once, with exit status 0, if another process polls or delivers.
    """
    (run_for_cron if cron else _run_and_report)(ctx, "poll", timeout)


@click.command()
@timeout_option
@cron_option
@click.pass_context
def reconcile(ctx: click.Context, timeout: float, *, cron: bool) -> None:
    """Compare every order with what was seen of it, deliver what differs, and end.

    Finds what a poll cannot: orders that changed without a new timestamp, or that are gone from the shop. Unless a
    daemon runs, it also deletes what is older than SYNCD_STATE__RETENTION.
    """
    (run_for_cron if cron else _run_and_report)(ctx, "reconcile", timeout)


def _run_and_report(ctx: click.Context, kind: Literal["poll", "reconcile"], seconds: float) -> None:
    chosen = settings(ctx, level="error")
    with _progress() as (on_rows, on_outcome):
        ran = run_once(chosen, kind, seconds, on_rows, on_outcome)
    for line in [*(() if ran.unread else _poll_lines(ran.poll)), *_delivery_lines(ran)]:
        click.echo(printable(line))
    if ran.unread:
        raise ran.unread
    ctx.exit(1 if ran.failed or ran.undelivered else 0)


@contextmanager
def _progress() -> Iterator[tuple[Callable[[int], None], Callable[[Outcome, int], None]]]:
    """What `run_once` calls as it goes: bars on a terminal. Elsewhere nothing is shown, and rich is not loaded."""
    if sys.stderr.isatty():
        from syncd.cli.progress import progress_bars  # noqa: PLC0415 - see above

        with progress_bars() as bars:
            yield bars
    else:
        yield (lambda _rows: None), (lambda _outcome, _waiting: None)


def _poll_lines(poll: PollResult) -> Iterator[str]:
    adopted = (
        f"; {counted(poll.adopted, 'order')} seen for the first time: recorded, not pushed" if poll.adopted else ""
    )
    yield f"read {counted(poll.rows, 'row')}, found {counted(sum(poll.found.values()), 'change')}{adopted}"
    if poll.redefined:
        yield f"{', '.join(poll.redefined)}: {REDEFINED}"
    if skipped := sum(poll.skipped.values()):
        yield f"skipped {counted(skipped, 'row')} that cannot be read as an order ({_by_name(poll.skipped)})"
    if poll.dropped:
        orders = counted(poll.dropped_from, "order")
        yield f"left out fields that cannot be read, of {orders} ({_by_name(poll.dropped)})"
        yield from (example.detail for example in poll.dropped_examples.values())
    if poll.missing:
        yield f"gone from the shop: {counted(poll.missing, 'order')}"
    if poll.fault:
        yield poll.fault


def _delivery_lines(ran: Ran) -> Iterator[str]:
    changes = ran.summary.changes
    if ran.outcomes:
        yield f"pushes: {_by_name(ran.outcomes)}"
    if ran.beside:
        yield "a daemon runs on this state, and delivers the changes"
    if pause := ran.summary.pause:
        yield f"delivery is paused ({pause.reason}): {pause.detail}"
    if changes["pending"]:
        yield f"waiting to be pushed: {counted(changes['pending'], 'change')}; see: syncd changes --state pending"
    if changes["held"]:
        yield f"held: {counted(changes['held'], 'change')}; see: syncd changes --state held"


def _by_name(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
