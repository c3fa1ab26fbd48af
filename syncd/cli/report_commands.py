"""The commands that read the state alone: `status`, `changes`. They work while the daemon runs or is down."""

from __future__ import annotations

from dataclasses import asdict

import click

from syncd.cli.context import opened_state, settings
from syncd.cli.output import json_option, plain, print_json
from syncd.model import CHANGE_STATES, ChangeState
from syncd.runtime import composition
from syncd.runtime.health import as_json
from syncd.runtime.outlook import known_beside_daemon

SHOWN = 100


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, *, json: bool) -> None:
    """Say how polling and delivery are doing, from the state, whether the daemon runs or is down."""
    chosen = settings(ctx, level="error")
    with opened_state(chosen) as state:
        known = known_beside_daemon(chosen, state)
    kind = composition.source_kind(chosen)
    document = as_json(known, source_kind=kind, leader=known.is_run, now=composition.now())
    if json:
        print_json(document)
        return
    from syncd.cli.report_tables import print_status  # noqa: PLC0415 - rich, which JSON for a script does without

    print_status(document, known)


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
    from syncd.cli.report_tables import print_changes  # noqa: PLC0415 - as above

    print_changes(found)
    if len(found) == limit:
        click.echo(f"the newest {limit}; more with --limit")
