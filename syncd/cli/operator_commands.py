"""The commands by which an operator decides: `retry`, `discard`, `release`, `resync`. A running daemon acts on them
within seconds."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta

import click

from syncd.cli.context import opened_state, settings
from syncd.cli.output import counted, seconds_option
from syncd.runtime import composition
from syncd.runtime.run_once import polling_alone
from syncd.state import OperatorResult
from syncd.verdict import codes_in_words

RESYNC_WAITS_SECONDS = 60.0  # for another poll to end

ids_argument = click.argument("ids", type=int, nargs=-1, metavar="ID...")


@click.command()
@ids_argument
@click.option("--all-dead", is_flag=True, help="Every dead change.")
@seconds_option("--refused", default=None, help="Those that IMSHOP refused within this time, e.g. 3h.")
@click.pass_context
def retry(ctx: click.Context, ids: tuple[int, ...], *, all_dead: bool, refused: float | None) -> None:
    """Push dead or refused changes again, or those that wait for their next attempt at once.

    A change is left as it is if a newer one of its order was pushed or waits: an older status must not follow it.
    """
    _require_any(ids, all_dead, refused)
    now = composition.now()
    since = None if refused is None else now - timedelta(seconds=refused)
    with opened_state(settings(ctx, level="error")) as state:
        done = state.operator.retry(ids, all_dead=all_dead, refused_since=since, now=now)
    click.echo(f"to be pushed now: {counted(len(done.done), 'change')}")
    _print_left(ctx, done)


@click.command()
@ids_argument
@click.option("--held", is_flag=True, help="Every held change.")
@click.option("--all-dead", is_flag=True, help="Every dead change.")
@click.pass_context
def discard(ctx: click.Context, ids: tuple[int, ...], *, held: bool, all_dead: bool) -> None:
    """Give up changes: they are never pushed. The next change of their orders is pushed as always."""
    _require_any(ids, held, all_dead)
    with opened_state(settings(ctx, level="error")) as state:
        done = state.operator.discard(ids, held=held, all_dead=all_dead, now=composition.now())
    click.echo(f"discarded: {counted(len(done.done), 'change')}")
    _print_left(ctx, done)


@click.command()
@click.option("--baseline", is_flag=True, help="Only accept the baseline that was taken over a lost state.")
@click.pass_context
def release(ctx: click.Context, *, baseline: bool) -> None:
    """Release the changes that the guard holds, and accept that orders are gone which a full compare did not find.

    With --baseline neither: nothing that is held is pushed.
    """
    chosen = settings(ctx, level="error")
    with opened_state(chosen) as state:
        if baseline:
            accepted = state.operator.accept_baseline()
            said = "the new baseline is accepted" if accepted else "there is no new baseline to accept"
            click.echo(f"{said}; nothing is released")
            return
        released = state.operator.release(composition.now())
    click.echo(f"released: {counted(released.changes, 'change')}")
    if released.unlisted:
        held = counted(sum(released.unlisted.values()), "change")
        file = chosen.statuses.file or "the file of SYNCD_STATUSES__FILE"
        click.echo(
            f"still held: {held}, whose codes are not in {file}: {codes_in_words(released.unlisted)}. "
            "List them there, and they go by themselves"
        )
    if released.missing:
        missing = counted(released.missing, "order")
        click.echo(f"the next full compare may forget {missing} that the shop does not show any more")


@click.command()
@click.argument("order_ids", nargs=-1, required=True, metavar="ORDER_ID...")
@click.pass_context
def resync(ctx: click.Context, order_ids: tuple[str, ...]) -> None:
    """Push the present status of the named orders again, as the shop shows it now. Their buyers are notified."""
    chosen = settings(ctx, level="error")
    with (
        closing(composition.source(chosen)) as shop,
        opened_state(chosen) as state,
        polling_alone(state, time.monotonic() + RESYNC_WAITS_SECONDS) as alone,
    ):
        asked = {state.reports.current_number(order_id): order_id for order_id in order_ids}
        page = shop.find([*asked], state.polls.shop_ids(asked))
        orders = [order for order in page.orders if order.order_id in asked]
        count = alone.operator.resync(orders, composition.now())
    click.echo(f"to be pushed again: {counted(count, 'order')}")
    unknown = sorted({*asked.values()} - {asked[order.order_id] for order in orders})
    for order_id in unknown:
        click.echo(f"syncd: the shop shows no order {order_id} that can be read", err=True)
    ctx.exit(1 if unknown else 0)


def _require_any(*selection: object) -> None:
    if not any(selection):
        raise click.UsageError("name the changes by their ids (see: syncd changes), or choose them with an option")


def _print_left(ctx: click.Context, done: OperatorResult) -> None:
    for change_id, reason in done.left.items():
        click.echo(f"syncd: change {change_id} is left as it is: {reason}", err=True)
    ctx.exit(1 if done.left else 0)
