"""Whether the daemon works with the settings that are written now: it leaves a mark of its own in the state, and a
command compares it with a mark of what it reads. The values cannot be read from it.

Left out is what may rightly differ between the daemon and a command, or between two daemons of one state: where HTTP
is served, how logs are written, and the state's URL, for whoever finds the mark has found the state.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from hashlib import pbkdf2_hmac
from secrets import token_hex
from typing import NamedTuple

from pydantic import SecretStr

from syncd.settings import Settings
from syncd.settings.variables import DELIMITER, VARIABLES
from syncd.state import State

OF_A_PROCESS = ("SYNCD_HTTP__", "SYNCD_LOG__", "SYNCD_STATE__URL")
ROUNDS = 50_000
"""Of the digest: 0.03 s, so that nobody tries out passwords on it."""


class _Setting(NamedTuple):
    variable: str
    text: str
    is_optional_secret: bool


def note_settings(settings: Settings, state: State) -> None:
    """This process works with these settings from now on. StateError."""
    state.note_settings(_mark(settings, token_hex(8)))


def has_other_settings(settings: Settings, state: State) -> bool:
    """Whether the daemon that works now was started with other settings than these. StateError.

    Not if these lack an optional secret: systemd's LoadCredential gives it to the daemon alone.
    """
    noted = state.settings_mark()
    return noted is not None and not _mark(settings, noted["salt"]).items() <= noted.items()


def _mark(settings: Settings, salt: str) -> Mapping[str, str]:
    """A digest of each optional secret, by its variable, and `digest` of all else. All need the slow key, which nobody
    makes who does not know the required secrets."""
    found = sorted(_set_to_something(settings))
    rest = [f"{variable}={text!r}" for variable, text, is_optional_secret in found if not is_optional_secret]
    key = pbkdf2_hmac("sha256", "\n".join(rest).encode(), salt.encode(), ROUNDS)
    texts = {"digest": ""} | {setting.variable: setting.text for setting in found if setting.is_optional_secret}
    digests = {name: hmac.digest(key, f"{name}={text}".encode(), "sha256").hex() for name, text in texts.items()}
    return {"salt": salt, **digests}


def _set_to_something(settings: Settings) -> Iterator[_Setting]:
    for name, variable in VARIABLES.items():
        if name.startswith(OF_A_PROCESS):
            continue
        value = variable.value(settings)
        values = {name: value}
        if isinstance(value, Mapping):
            values = {f"{name}{DELIMITER}{key}": one for key, one in value.items()}
        for written, one in values.items():
            if isinstance(one, SecretStr):
                yield _Setting(written, one.get_secret_value(), is_optional_secret=not variable.field.is_required())
            elif one is not None:
                yield _Setting(written, str(one), is_optional_secret=False)
