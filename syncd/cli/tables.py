"""How commands print for people: aligned, coloured on a terminal only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from syncd.text import printable

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


def console() -> Console:
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=WIDE)


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
    """A cell. A word that is a state has its colour; what the shop wrote is shown, never interpreted. A Text stays
    as it is."""
    if isinstance(value, Text):
        return value
    shown = str(value)
    if value is None:
        shown = "-"
    elif isinstance(value, bool):
        shown = "yes" if value else "no"
    elif isinstance(value, datetime):  # as the machine's own clock shows it
        shown = f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
    return Text(printable(shown), style=COLOURS.get(shown, ""))
