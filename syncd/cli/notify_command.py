"""`syncd notify --test`: whether notices reach people."""

from __future__ import annotations

import click

from syncd.cli.context import settings
from syncd.errors import SettingsError
from syncd.runtime.notifier import about, sender
from syncd.text import printable


@click.command()
@click.option("--test", is_flag=True, required=True, help="Send one notice to each URL of SYNCD_NOTIFY__URLS.")
@click.pass_context
def notify(ctx: click.Context, *, test: bool) -> None:
    """Send a test notice to everybody who would be told of troubles, and say what became of it.

    Exit status 1: it did not reach all of them.
    """
    assert test
    chosen = settings(ctx, level="error")
    if not chosen.notify.urls:
        raise SettingsError(["SYNCD_NOTIFY__URLS: is not set; write the Apprise URLs of those who are to be told"])
    results = sender(chosen).send("syncd: a test", f"Notices of syncd arrive here.\n\n{about(chosen)}")
    for result in results:
        click.echo(printable(f"{result.label}  {result.error or 'sent'}"))
    ctx.exit(1 if any(result.error for result in results) else 0)
