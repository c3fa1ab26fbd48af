"""`syncd check`: what the doctor finds, a line each."""

from __future__ import annotations

import shutil
import sys
import textwrap
from dataclasses import asdict

import click

from syncd.cli.context import configure_logs, loaded
from syncd.cli.output import json_option, print_json
from syncd.doctor import Finding, Level, examine
from syncd.text import printable

COLOURS: dict[Level, str] = {"ok": "green", "warning": "yellow", "fault": "red"}
INDENT = " " * 19


@click.command()
@json_option
@click.pass_context
def check(ctx: click.Context, *, json: bool) -> None:
    """Try everything without changing or pushing anything, and say what to fix.

    One line each: ok, warning or fault. Reads a few orders and shows how they would be pushed, connects to IMSHOP
    without a request, looks at the state. Exit status 1: there is a fault.
    """
    chosen = loaded(ctx)
    configure_logs(chosen.settings, "error")
    findings = []
    for finding in examine(chosen):
        findings.append(finding)
        if not json:
            click.echo(finding_line(finding))
    healthy = all(finding.level != "fault" for finding in findings)
    if json:
        print_json({"ok": healthy, "findings": [asdict(finding) for finding in findings]})
    ctx.exit(0 if healthy else 1)


def finding_line(finding: Finding) -> str:
    """One line where it is piped; on a terminal it is folded beside its mark, which has a colour."""
    text = printable(finding.text if finding.advice is None else f"{finding.text}. {finding.advice}")
    if sys.stdout.isatty():
        width = max(60, shutil.get_terminal_size().columns)
        text = textwrap.fill(text, width, initial_indent=INDENT, subsequent_indent=INDENT).lstrip()
    return f"{click.style(f'{finding.level:<7}', fg=COLOURS[finding.level])}  {finding.area:<8}  {text}"
