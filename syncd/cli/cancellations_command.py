"""`syncd cancellations`: what buyers cancelled in the app and what became of it; `… retry` applies some again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from syncd.cli.context import opened_state, settings
from syncd.cli.output import json_option, plain, print_json
from syncd.cli.tables import console, print_table
from syncd.errors import SettingsError
from syncd.model import Cancellation
from syncd.pipeline.statuses_file import Statuses
from syncd.runtime import cancel_parts
from syncd.runtime.observer import Observer
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
    """Apply again cancellations that failed or that the shop refused, by their ids.

    IMSHOP was answered that they failed. If one succeeds now, IMSHOP learns of it as of any change: from the next poll.
    """
    chosen = settings(ctx, level="error")
    canceller = cancel_parts.canceller(chosen)
    if canceller is None:
        raise SettingsError(["SYNCD_CANCEL__URL: not set, nor are …__COMMAND and …__SQL, so nothing can be cancelled"])
    observer = Observer(None, Statuses)
    all_accepted = True
    with opened_state(chosen) as state:
        service = cancel_parts.cancel_service(
            chosen, state, canceller, observer.cancelled, observer.cancellation_repeated
        )
        for cancellation_id in ids:
            tried = service.retry(cancellation_id)
            all_accepted &= tried is not None and tried.cancellation.state == "accepted"
            if tried is None:
                click.echo(f"syncd: there is no cancellation {cancellation_id}; see: syncd cancellations", err=True)
            elif not tried.is_ours:
                why = _why_left(tried.cancellation)
                click.echo(f"syncd: cancellation {cancellation_id} is left as it is: {why}", err=True)
            else:
                click.echo(printable(_result(tried.cancellation)))
        service.close()
    ctx.exit(0 if all_accepted else 1)


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


def _why_left(cancellation: Cancellation) -> str:
    if cancellation.state == "accepted":
        return "it was accepted"
    if cancellation.state == "received":
        return "it is being applied"
    return "a newer cancellation of the same order has come in"


def _result(one: Cancellation) -> str:
    result = f"cancellation {one.id} of order {one.order_id or one.imshop_uuid}: {one.state}"
    why = one.error or (one.message if one.state == "refused" else None)
    return f"{result}: {why}" if why else result
