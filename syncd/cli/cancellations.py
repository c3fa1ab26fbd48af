"""`syncd cancellations`: what buyers cancelled in the app, what became of it, and a failed one applied again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from syncd import compose
from syncd.cli.context import opened_state, settings
from syncd.cli.output import console, json_option, plain, print_json, print_table
from syncd.errors import SettingsError
from syncd.model import Cancellation
from syncd.observe import Observer
from syncd.printable import printable
from syncd.statuses import Statuses

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
        found = state.cancellations(limit=None if json else SHOWN)
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
    shop = compose.cancelling_shop(chosen)
    if shop is None:
        raise SettingsError(["SYNCD_CANCEL__URL: not set, nor are …__COMMAND and …__SQL, so nothing can be cancelled"])
    observer = Observer(None, Statuses)
    undone = 0
    with opened_state(chosen) as state:
        desk = compose.desk(chosen, state, shop, observer.cancelled, observer.cancellation_repeated)
        for cancellation_id in ids:
            taken = desk.retry(cancellation_id)
            undone += taken is None or taken.cancellation.state != "accepted"
            if taken is None:
                click.echo(f"syncd: there is no cancellation {cancellation_id}; see: syncd cancellations", err=True)
            elif not taken.mine:
                click.echo(
                    f"syncd: cancellation {cancellation_id} is left as it is: {_why(taken.cancellation)}", err=True
                )
            else:
                click.echo(printable(_told(taken.cancellation)))
        desk.close()
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
