"""The commands that decide: `retry`, `discard`, `release`, `resync`. A running daemon acts on them within seconds."""

from __future__ import annotations

import time
from contextlib import closing

import click

from syncd.cli.context import opened_state, settings
from syncd.runtime import composition
from syncd.runtime.run_once import polling_alone
from syncd.state import OperatorResult

RESYNC_WAITS_SECONDS = 60.0  # for a poll that is under way

ids_argument = click.argument("ids", type=int, nargs=-1, metavar="ID...")


@click.command()
@ids_argument
@click.option("--all-dead", is_flag=True, help="Every dead change.")
@click.pass_context
def retry(ctx: click.Context, ids: tuple[int, ...], *, all_dead: bool) -> None:
    """Push dead or refused changes again, or those that wait for their next attempt at once.

    A change is left alone if IMSHOP heard a newer one of its order, or is about to: an older status must not follow.
    """
    _something_named(ids, all_dead)
    with opened_state(settings(ctx, level="error")) as state:
        done = state.operator.retry(ids, all_dead=all_dead, now=composition.now())
    click.echo(f"{len(done.done)} changes are due now")
    _say_left(ctx, done)


@click.command()
@ids_argument
@click.option("--held", is_flag=True, help="Every held change.")
@click.option("--all-dead", is_flag=True, help="Every dead change.")
@click.pass_context
def discard(ctx: click.Context, ids: tuple[int, ...], *, held: bool, all_dead: bool) -> None:
    """Give up changes: they are never pushed. The next change of their orders is pushed as always."""
    _something_named(ids, held, all_dead)
    with opened_state(settings(ctx, level="error")) as state:
        done = state.operator.discard(ids, held=held, all_dead=all_dead, now=composition.now())
    click.echo(f"{len(done.done)} changes discarded")
    _say_left(ctx, done)


@click.command()
@click.pass_context
def release(ctx: click.Context) -> None:
    """Let all changes go that the guard holds, and accept that orders are gone which a full compare missed."""
    with opened_state(settings(ctx, level="error")) as state:
        released = state.operator.release(composition.now())
    click.echo(f"{released.changes} changes are let go")
    if released.missing:
        click.echo(f"the next full compare may forget {released.missing} orders that the shop does not show any more")


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
    click.echo(f"{count} orders are pushed again")
    unknown = sorted({*asked.values()} - {asked[order.order_id] for order in orders})
    for order_id in unknown:
        click.echo(f"syncd: the shop shows no order {order_id} that can be read", err=True)
    ctx.exit(1 if unknown else 0)


def _something_named(*named: object) -> None:
    if not any(named):
        raise click.UsageError("name the changes by their ids (see: syncd changes), or say which with an option")


def _say_left(ctx: click.Context, done: OperatorResult) -> None:
    for change_id, reason in done.left.items():
        click.echo(f"syncd: change {change_id} is left as it is: {reason}", err=True)
    ctx.exit(1 if done.left else 0)
