"""How commands print: aligned, coloured on a terminal only, or one JSON document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from syncd.settings.values import duration
from syncd.text import json_text, printable

WIDE = 10_000  # columns, where the output is no terminal: piped lines are not wrapped
COLOURS = {
    "delivered": "green",
    "flowing": "green",
    "pending": "yellow",
    "held": "magenta",
    "refused": "red",
    "accepted": "green",
    "failed": "red",
    "received": "yellow",
    "dead": "red",
    "paused": "red",
    "superseded": "bright_black",
    "discarded": "bright_black",
}
Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", is_flag=True, help="Print one JSON document and nothing else.")


def seconds_option(name: str, **options: Any) -> Callable[[Command], Command]:
    """A duration as the settings write it; the command gets seconds."""
    return click.option(name, metavar="DURATION", callback=_seconds, show_default=True, **options)


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    try:
        return duration(value).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def console() -> Console:
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=WIDE)


def counted(number: int, noun: str) -> str:
    """`1 order`, `2 orders`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_json(document: object) -> None:
    click.echo(json_text(document, indent=2))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(coloured(cell) for cell in row))
    console().print(table)


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Names on the left, values on the right."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, coloured(value))
    console().print(table)


def coloured(value: object) -> Text:
    """A cell. A word that is a state has its colour; what the shop wrote is shown, never interpreted."""
    shown = str(value)
    if value is None:
        shown = "-"
    elif isinstance(value, bool):
        shown = "yes" if value else "no"
    elif isinstance(value, datetime):  # as the machine's own clock shows it
        shown = f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
    return Text(printable(shown), style=COLOURS.get(shown, ""))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON has them; moments in ISO 8601, UTC."""
    return {name: _plain_value(value) for name, value in values.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, list | tuple):
        return [_plain_value(one) for one in value]
    return value
