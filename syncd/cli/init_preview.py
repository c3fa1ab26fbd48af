"""What `syncd init` shows before it does anything: the settings, the doctor's findings with orders as they would be
pushed, statuses, the way to cancel, the login."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from syncd.cli.check_command import finding_line
from syncd.cli.init_questions import Questions
from syncd.cli.init_source import ShopSource, preset_named
from syncd.cli.tables import print_pairs, print_table
from syncd.doctor import Finding
from syncd.settings import Shown
from syncd.setup import trial
from syncd.setup.database_login import ReadLogin


@dataclass(frozen=True, slots=True)
class Preview:
    """What would come of it. `login`: the one that would be created."""

    settings: Sequence[Shown]
    findings: Sequence[Finding]
    statuses: Sequence[trial.ListedStatus]
    cancel: trial.CancelRecipe | None
    login: ReadLogin | None

    @property
    def has_fault(self) -> bool:
        return any(finding.level == "fault" for finding in self.findings)

    def as_json(self) -> dict[str, object]:
        return {
            "settings": {one.variable: one.value for one in self.settings},
            "findings": [asdict(finding) for finding in self.findings],
            "statuses": [asdict(one) for one in self.statuses],
            "cancel": asdict(self.cancel) if self.cancel else None,
            "login": self.login.statements(masked=True) if self.login else [],
        }


def show_preview(
    ask: Questions,
    contents: tuple[str, str],
    output: Path,
    source: ShopSource,
    login: ReadLogin | None,
    *,
    is_rehearsal: bool,
) -> Preview:
    """Try the content of the env file and print what comes of it as it comes. `contents`: as it can be tried now, and
    as it will be written. SettingsError: it cannot be used."""
    say = ask.say
    loaded, final = (trial.load_content(content, output) for content in contents)
    settings = trial.written_settings(final, output)
    ask.heading(say("The settings in {file}", file=output))
    if not ask.quiet:
        print_pairs((one.variable, one.value) for one in settings)

    ask.heading(say("What syncd check says; three orders are shown as they would be pushed"))
    leave_out = [*(["imshop"] if is_rehearsal else []), *([trial.MAY_LOGIN_WRITE] if login else [])]
    findings = []
    for finding in trial.findings(loaded, leave_out):
        findings.append(finding)
        if not ask.quiet:
            click.echo(finding_line(finding))

    statuses = trial.list_statuses(loaded)
    if statuses and not ask.quiet:
        ask.heading(say("The shop's statuses, for the statuses file; IMSHOP's are guesses, check each"))
        headings = [say("code"), say("text"), say("orders"), say("IMSHOP's status")]
        print_table(headings, [(one.code, one.text, one.orders, one.suggestion) for one in statuses])

    cancel = None
    if source.preset:
        cancel = trial.cancel_recipe(*preset_named(source.preset), source.params, source.folder)
    if cancel:
        ask.heading(say("To let buyers cancel orders in the app, add these; docs/cancellations.md says more"))
        ask.echo("\n".join(f"  {line}" for line in cancel.settings))
        if cancel.allowed:
            ask.echo(say("Only orders with these statuses are then cancelled: {codes}", codes=cancel.allowed))

    if login:
        ask.heading(say("The login that will be created; it only reads these tables"))
        ask.echo("\n".join(f"  {one};" for one in login.statements(masked=True)))
    return Preview(settings, findings, statuses, cancel, login)
