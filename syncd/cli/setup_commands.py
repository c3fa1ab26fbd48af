"""The doctor: `check`.

`presets`: what is known of the platforms that shops run on.

`statuses`: the list of a shop's status codes that IMSHOP asks each merchant for.
"""

from __future__ import annotations

import csv
import io
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Protocol

import click

from syncd import logs
from syncd.cli.context import loaded, settings
from syncd.cli.output import json_option, print_json, print_table
from syncd.doctor import Finding, Level, examine
from syncd.errors import SourceError
from syncd.imshop.statuses import suggestion
from syncd.pipeline.statuses_file import Statuses, StatusesFile
from syncd.runtime import composition
from syncd.settings import presets as preset_files
from syncd.sources import StatusCount
from syncd.text import printable

COLOURS: dict[Level, str] = {"ok": "green", "warning": "yellow", "fault": "red"}
INDENT = " " * 19


@click.command()
@json_option
@click.pass_context
def check(ctx: click.Context, *, json: bool) -> None:
    """Try everything without changing or pushing anything, and say what to mend.

    One line each: ok, warning or fault. Reads a few orders and shows how they would be pushed, connects to IMSHOP
    without a request, looks at the state. Exit status 1: there is a fault.
    """
    chosen = loaded(ctx)
    redact = composition.redactor(chosen.settings)
    logs.configure(chosen.settings.log.format, "error", redact, time.monotonic, stream=sys.stderr)
    findings = []
    for finding in examine(chosen):
        findings.append(finding)
        if not json:
            click.echo(_line(finding))
    healthy = all(finding.level != "fault" for finding in findings)
    if json:
        print_json({"ok": healthy, "findings": [asdict(finding) for finding in findings]})
    ctx.exit(0 if healthy else 1)


def _line(finding: Finding) -> str:
    """One line where it is piped; on a terminal it is folded beside its mark, which has a colour."""
    text = printable(finding.text if finding.advice is None else f"{finding.text}. {finding.advice}")
    if sys.stdout.isatty():
        width = max(60, shutil.get_terminal_size().columns)
        text = textwrap.fill(text, width, initial_indent=INDENT, subsequent_indent=INDENT).lstrip()
    return f"{click.style(f'{finding.level:<7}', fg=COLOURS[finding.level])}  {finding.area:<8}  {text}"


@click.command()
@click.argument("name", required=False)
@json_option
def presets(name: str | None, *, json: bool) -> None:
    """List the presets; or print the named one, ready to copy and adapt.

    SYNCD_SOURCE__PRESET names one, or the path of a file like it. It fills the SYNCD_SOURCE__ settings that are unset.
    """
    if name is not None:
        try:
            text = preset_files.preset_text(name)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        print_json({"name": name, "preset": text}) if json else click.echo(text, nl=False)
        return
    listed = preset_files.list_presets()
    if json:
        print_json([{"name": preset.name, "title": preset.title} for preset in listed])
    else:
        print_table(["preset", "for"], [(preset.name, preset.title) for preset in listed])


_LIST = Sequence[Sequence[object]]


class StatusSource(Protocol):
    """The little that this list needs of a shop."""

    def statuses(self, list_failed: Callable[[str], None]) -> Sequence[StatusCount]:
        """Every status code that the shop has, on its orders or in its dictionary, with its name. `list_failed` is told
        why the dictionary cannot be read. An API keeps the platform's once it has it, for a day. SourceError."""

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
    Where the shop's own list cannot be read, the statuses that orders have are listed, and the exit status is 1.
    """
    chosen = settings(ctx, level="error")
    listed = StatusesFile(chosen.statuses.file).now
    shop: StatusSource = composition.source(chosen)
    faults: list[str] = []
    try:
        rows = [_row(status, listed, suggest=suggest) for status in shop.statuses(faults.append)]
    finally:
        shop.close()
    if json:
        print_json(rows)
    else:
        headings = ["code", "text", "orders", "IMSHOP", *(["suggestion"] if suggest else [])]
        _PRINTED[form](headings, [list(row.values()) for row in rows])
    if faults:
        what = "only statuses that orders have are listed, for the shop's own list cannot be read"
        raise SourceError(f"{what}: {faults[0]}")


def _row(status: StatusCount, listed: Statuses, *, suggest: bool) -> Mapping[str, object]:
    known = listed.listed.get(status.code)
    row: dict[str, object] = {
        "code": status.code,
        "text": status.name or listed.message(status.code),
        "orders": status.orders,
        "imshop": known.imshop if known else None,
    }
    if suggest:
        row["suggestion"] = suggestion(status.code, str(row["text"] or "")) if row["imshop"] is None else None
    return row


def _as_csv(headings: Sequence[str], rows: _LIST) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(headings)
    writer.writerows([_cell(value) for value in row] for row in rows)
    click.echo(out.getvalue(), nl=False)


def _cell(value: object) -> object:
    """A spreadsheet takes what begins so for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


def _as_markdown(headings: Sequence[str], rows: _LIST) -> None:
    for line in (headings, ["---"] * len(headings), *rows):
        click.echo(f"| {' | '.join(_escaped(line))} |")


def _escaped(cells: Sequence[object]) -> Iterator[str]:
    return (printable(" ".join(str("" if cell is None else cell).split())).replace("|", "\\|") for cell in cells)


_PRINTED: Mapping[str, Callable[[Sequence[str], _LIST], None]] = {
    "table": print_table,
    "csv": _as_csv,
    "md": _as_markdown,
}
