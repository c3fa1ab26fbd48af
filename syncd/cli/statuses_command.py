"""`syncd statuses`: the list of a shop's status codes that IMSHOP asks each merchant for."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

import click

from syncd.cli.context import settings
from syncd.cli.output import json_option, print_json
from syncd.cli.tables import print_table
from syncd.errors import SourceError
from syncd.imshop.statuses import suggestion
from syncd.pipeline.statuses_file import Statuses, StatusesFile
from syncd.runtime import composition
from syncd.sources.status_counts import StatusCount
from syncd.text import printable

Rows: TypeAlias = Sequence[Sequence[object]]


class StatusSource(Protocol):
    """The interface that the list requires of a source."""

    def statuses(self, list_failed: Callable[[str], None]) -> Sequence[StatusCount]:
        """Every status code that the shop has, on its orders or in its dictionary, with its name. `list_failed` is
        called with the reason if the dictionary cannot be read. An API's dictionary is cached for a day. SourceError.
        """

    def close(self) -> None: ...


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "md"]),
    default="table",
    show_default=True,
    help="A table for people, CSV for a spreadsheet, Markdown for a ticket.",
)
@click.option("--suggest", is_flag=True, help="Propose IMSHOP's status for codes and names that are common.")
@json_option
@click.pass_context
def statuses(ctx: click.Context, form: str, *, suggest: bool, json: bool) -> None:
    """List every status code that the shop has: its text, how many orders are there, and IMSHOP's status for it.

    IMSHOP's status is what the statuses file expects. A suggestion stands in a column of its own: it is a guess.
    If the shop's own list cannot be read, the statuses that orders have are listed, and the exit status is 1.
    """
    chosen = settings(ctx, level="error")
    listed = StatusesFile(chosen.statuses.file).now
    shop: StatusSource = composition.source(chosen)
    faults: list[str] = []
    try:
        rows = [_describe(status, listed, suggest=suggest) for status in shop.statuses(faults.append)]
    finally:
        shop.close()
    if json:
        print_json(rows)
    else:
        headings = ["code", "text", "orders", "IMSHOP", *(["suggestion"] if suggest else [])]
        _PRINTERS[form](headings, [list(row.values()) for row in rows])
    if faults:
        what = "only statuses that orders have are listed: the shop's own list cannot be read"
        raise SourceError(f"{what}: {faults[0]}")


def _describe(status: StatusCount, listed: Statuses, *, suggest: bool) -> Mapping[str, object]:
    entry = listed.listed.get(status.code)
    row: dict[str, object] = {
        "code": status.code,
        "text": status.name or listed.message(status.code),
        "orders": status.orders,
        "imshop": entry.imshop if entry else None,
    }
    if suggest:
        row["suggestion"] = suggestion(status.code, str(row["text"] or "")) if row["imshop"] is None else None
    return row


def _as_csv(headings: Sequence[str], rows: Rows) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(headings)
    writer.writerows([_cell(value) for value in row] for row in rows)
    click.echo(out.getvalue(), nl=False)


def _cell(value: object) -> object:
    """A spreadsheet would run a text that begins like this as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


def _as_markdown(headings: Sequence[str], rows: Rows) -> None:
    for line in (headings, ["---"] * len(headings), *rows):
        click.echo(f"| {' | '.join(_escaped(line))} |")


def _escaped(cells: Sequence[object]) -> Iterator[str]:
    return (printable(" ".join(str("" if cell is None else cell).split())).replace("|", "\\|") for cell in cells)


_PRINTERS: Mapping[str, Callable[[Sequence[str], Rows], None]] = {
    "table": print_table,
    "csv": _as_csv,
    "md": _as_markdown,
}
