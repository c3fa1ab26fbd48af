"""`syncd init` and the statuses file: written if the administrator agrees, and never over one that is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from syncd.cli.init_questions import Questions
from syncd.pipeline.statuses_file import load
from syncd.settings.setting_sources import FoundSettings
from syncd.setup import env_file
from syncd.setup.statuses_toml import statuses_toml
from syncd.setup.trial import ListedStatus

STATUSES_FILE = "SYNCD_STATUSES__FILE"
READABLE = 0o644
"""The service reads it under a user of its own. There is no secret in it."""


class StatusesOffer:
    """Which file is named in the settings, and what is written there. `given`: by the option. Not asked about if the
    settings name one already."""

    def __init__(self, ask: Questions, given: Path | None, existing: FoundSettings, output: Path) -> None:
        self._ask = ask
        self._is_asked = ask.asks and given is None and STATUSES_FILE not in existing
        self._path = given.absolute() if given else None
        self._usual = _beside(output.absolute())
        self._content: str | None = None

    @property
    def path(self) -> Path | None:
        """None: no file is wanted."""
        return self._path

    def before(self) -> dict[str, str | None]:
        """What the settings say of it while they are tried: the file must be there then."""
        return {STATUSES_FILE: str(self._path) if self._path.exists() else None} if self._path else {}

    def named_in(self, content: str) -> str:
        """The settings with the file named in them, once it is there."""
        return env_file.changed(content, {STATUSES_FILE: str(self._path)}) if self._path else content

    def choose(self, statuses: Sequence[ListedStatus]) -> None:
        """Ask, once the list was shown. SettingsError: the file that is there cannot be used."""
        say = self._ask.say
        if self._is_asked and self._usual.exists():
            question = say("Use the statuses file {file}, which is there? It stays as it is", file=self._usual)
        else:
            question = say(
                "Write this list to {file}? IMSHOP's answers are then checked against it; correct the guesses",
                file=self._usual,
            )
        if self._is_asked and statuses and self._ask.confirm(question, default=False):
            self._path = self._usual
        if self._path and self._path.exists():
            load(self._path)
        elif self._path and statuses:
            heading = say(
                "Written by syncd init. The daemon reads it again when it changes; docs/behaviour.md has all that may "
                "stand here.\nimshop is a guess by code and text: what IMSHOP is expected to show. Its answers are "
                'checked against it. Correct each.\nmessage = "..." in a status is the text that buyers get where the '
                "shop gives none."
            )
            self._content = statuses_toml(statuses, heading)
            self._ask.echo(
                say("The list goes to {file}, and {setting} names it", file=self._path, setting=STATUSES_FILE)
            )
        elif self._path:
            self._ask.echo(say("The statuses file is not written: the shop's statuses cannot be read"))
            self._path = None

    def write(self) -> Path | None:
        """Put the file in place; None: there is nothing to write. SyncdError."""
        if self._path is None or self._content is None:
            return None
        env_file.write(self._path, self._content, READABLE)
        return self._path


def _beside(output: Path) -> Path:
    shop = output.name.removesuffix(".env")
    return output.with_name("statuses.toml" if shop in ("", "syncd") else f"{shop}.statuses.toml")
