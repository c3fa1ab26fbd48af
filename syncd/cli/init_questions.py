"""The questions of `syncd init`: asked on a terminal, or answered by options and defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from syncd.cli.init_phrases import Phrases
from syncd.settings.values import readable
from syncd.text import printable

_ANSWERS = {"y": True, "yes": True, "д": True, "да": True, "n": False, "no": False, "н": False, "нет": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command's options, by their names."""

    place: str | None
    preset: str | None
    param: Sequence[str]
    database_url: str | None
    database_password_file: Path | None
    query_file: Path | None
    timezone: str | None
    api_user: str | None
    api_key_file: Path | None
    shop_login: bool
    reader_user: str | None
    reader_password_file: Path | None
    admin_user: str
    admin_password_file: Path | None
    imshop_url: str | None
    imshop_key_file: Path | None
    sandbox: bool
    tracking_template: str | None
    statuses: Path | None
    enable: bool | None
    yes: bool
    dry_run: bool
    force: bool
    json: bool

    def params(self) -> dict[str, str]:
        """UsageError."""
        pairs = [one.partition("=") for one in self.param]
        if not all(name and equals for name, equals, _ in pairs):
            raise click.UsageError("--param takes NAME=VALUE, such as --param prefix=oc_")
        return {name.lower(): value for name, _, value in pairs}


class Questions:
    """`asks`: whether there is a person to answer. If not, a question without an answer or default is a UsageError that
    names its option. `quiet`: nothing is printed besides."""

    def __init__(self, say: Phrases, *, asks: bool, quiet: bool) -> None:
        self.say = say
        self.asks = asks
        self.quiet = quiet

    def echo(self, text: str) -> None:
        if not self.quiet:
            click.echo("\n".join(printable(line) for line in text.split("\n")))

    def heading(self, text: str) -> None:
        if not self.quiet:
            click.echo("\n" + click.style(printable(text), bold=True))

    def text(
        self,
        question: str,
        option: str,
        *,
        given: str | None = None,
        default: str | None = None,
        secret: bool = False,
        check: Callable[[str], object] = str,
    ) -> str:
        """`given`: what the option says. `check` raises ValueError for what cannot be the answer. `secret`: typed
        without echo."""
        if given is not None or not self.asks:
            answer = default if given is None else given
            if answer is None:
                raise click.UsageError(f"there is nobody to ask, so {option} is needed: {question}")
            try:
                check(answer)
            except ValueError as error:
                raise click.UsageError(f"{option}: {error}") from None
            return answer
        while True:
            shown = bool(default) and not secret
            answer = str(click.prompt(printable(question), default=default, hide_input=secret, show_default=shown))
            try:
                check(answer)
            except ValueError as error:
                click.echo(f"  {printable(error)}")
            else:
                return answer

    def secret(
        self,
        question: str,
        option: str,
        file: Path | None,
        *,
        default: str | None = None,
        check: Callable[[str], object] = str,
    ) -> str:
        """What the option's file holds, or what is typed without echo."""
        try:
            given = readable(file).strip("\r\n") if file else None
        except ValueError as error:
            raise click.UsageError(f"{option}: {error}") from None
        return self.text(question, option, given=given, default=default, secret=True, check=check)

    def choice(
        self, question: str, labels: Sequence[tuple[str, str]], option: str, *, default: str | None = None
    ) -> str:
        """One of the values, which are listed with their labels and numbers."""
        if not self.asks:
            return self.text(question, option, default=default)
        values = [value for value, _ in labels]
        click.echo(printable(question))
        for number, (_, label) in enumerate(labels, 1):
            click.echo(f"  {number}. {printable(label)}")
        usual = values.index(default) + 1 if default is not None else None
        return values[click.prompt(self.say("Number"), default=usual, type=click.IntRange(1, len(labels))) - 1]

    def confirm(self, question: str, *, given: bool | None = None, default: bool = True) -> bool:
        if given is not None or not self.asks:
            return default if given is None else given
        while True:
            asked = f"{printable(question)} [{'Y/n' if default else 'y/N'}]"
            answer = click.prompt(asked, default="", show_default=False).strip().lower()
            if not answer:
                return default
            if answer in _ANSWERS:
                return _ANSWERS[answer]
