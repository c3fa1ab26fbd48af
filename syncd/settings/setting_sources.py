"""Where settings are written: the environment, directories of secrets, an env file. Each is one `VariablesSource`.

pydantic-settings groups the variables and merges the sources. Its own readers of these places are not used: they stop
at the first fault, pass over names that they do not know and lines that they cannot read, and forget where a value was
written. All of that is what `syncd check` and `syncd config` are to tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from dotenv.parser import parse_stream
from pydantic_settings import EnvSettingsSource

from syncd.settings.settings import Settings
from syncd.settings.values import readable
from syncd.settings.variables import DELIMITER, GROUPS, OPEN_GROUPS, PREFIX, VARIABLES, group_of, variable_of

if TYPE_CHECKING:
    from collections.abc import Sequence

ENV_FILE = "SYNCD_ENV_FILE"
SECRETS_DIR = "SYNCD_SECRETS_DIR"
CREDENTIALS_DIR = "CREDENTIALS_DIRECTORY"
CONTROLS = (ENV_FILE, SECRETS_DIR)
"""Variables that locate settings; they are not settings."""
USUAL_ENV_FILES = (Path(".env"), Path("/etc/syncd/syncd.env"))
_OUR_LINE = re.compile(rf"\s*(?:export\s+)?({PREFIX}\w*)")


@dataclass(frozen=True, slots=True)
class Found:
    """A setting's text, and where it was found: `environment`, `credential FILE`, the env file's path or `preset NAME`.
    `parameter`: the variable whose value a preset gives this setting unchanged; faults name that one."""

    text: str = field(repr=False)
    origin: str
    parameter: str | None = None

    @property
    def is_credential(self) -> bool:
        return self.origin.startswith("credential ")


FoundSettings: TypeAlias = Mapping[str, Found]
"""Variable -> its text and origin."""


class VariablesSource(EnvSettingsSource):
    """The variables of one place, for pydantic-settings to group: SYNCD_IMSHOP__URL -> {"imshop": {"url": …}}.

    What is wrong with their names is added to `faults`; `found` holds the settings that are left.
    """

    def __init__(self, written: FoundSettings, faults: list[str]) -> None:
        self.found = _settings_in(written, faults)
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        """Group and setting are looked up in lower case. In an open group a name stays as it is written."""
        split = {name: name.split(DELIMITER, 2) for name in self.found}
        lower = {
            name: DELIMITER.join([part.lower() for part in parts[:2]] + parts[2:]) for name, parts in split.items()
        }
        return {lower[name]: found.text for name, found in self.found.items()}


def written_settings(
    environ: Mapping[str, str], env_file: Path | None, usual_env_files: Sequence[Path], faults: list[str]
) -> list[FoundSettings]:
    """What each place holds for every name that begins with SYNCD_, known or not; the weakest place first.

    What cannot be read is added to `faults`, and is missing.
    """
    given = {name: Found(text, "environment") for name, text in environ.items() if name.startswith(PREFIX)}
    named_by, path = ENV_FILE, next((usual for usual in usual_env_files if _exists(usual)), None)
    if env_file is not None:
        named_by, path = "--env-file", env_file
    elif environ.get(ENV_FILE):
        path = Path(environ[ENV_FILE])
    in_file = _env_file(named_by, path, faults) if path else {}
    secrets_dir = {**in_file, **given}.get(SECRETS_DIR, Found("", "")).text
    places = [
        in_file,
        _directory(SECRETS_DIR, secrets_dir, faults),
        _directory(CREDENTIALS_DIR, environ.get(CREDENTIALS_DIR, ""), faults),
        given,
    ]
    return [_spelled_out(place, faults) for place in places]


def _exists(path: Path) -> bool:
    """True also for a file that may not be read, which is a fault; not for one in a folder that may not be entered."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def _env_file(named_by: str, path: Path, faults: list[str]) -> FoundSettings:
    """The file's variables. Nothing is interpolated: a password may hold `${`."""
    try:
        content = readable(path)
    except ValueError as error:
        faults.append(f"{named_by}: {error}")
        return {}
    found = {}
    for name, text, original, _ in parse_stream(StringIO(content)):
        if name and text is not None:
            found[name] = Found(text, str(path))
        elif unreadable := _OUR_LINE.match(original.string):
            faults.append(f"{unreadable[1]}: cannot be read in {path}; write NAME=value, and close its quotes")
    return {name: setting for name, setting in found.items() if name.startswith(PREFIX)}


def _directory(named_by: str, directory: str, faults: list[str]) -> FoundSettings:
    """The files that are named like variables; each holds a value, and perhaps a newline."""
    if not directory:
        return {}
    found = {}
    try:
        paths = sorted(path for path in Path(directory).iterdir() if path.name.startswith(PREFIX))
    except OSError as error:
        faults.append(f"{named_by}: {directory} cannot be read: {error.strerror}")
        return {}
    for path in paths:
        try:
            found[path.name] = Found(readable(path).rstrip("\r\n"), f"credential {path}")
        except ValueError as error:
            faults.append(f"{path.name}: {error}")
    return found


def _spelled_out(written: FoundSettings, faults: list[str]) -> FoundSettings:
    """Each group that is given as JSON becomes its variables. Variables that are given singly win."""
    as_json: dict[str, Found] = {}
    for name in sorted(name for name in GROUPS & written.keys() if written[name].text):
        try:
            group = json.loads(written[name].text)
        except ValueError:
            group = None
        if isinstance(group, dict):
            as_json |= _variables_of_json(name, group, written[name].origin, faults)
        else:
            faults.append(f'{name}: is a group, so it must be a JSON object, e.g. {{"name": "value"}}')
    return as_json | {_name_meant(name): found for name, found in written.items() if name not in GROUPS}


def _variables_of_json(group: str, values: dict[str, Any], origin: str, faults: list[str]) -> dict[str, Found]:
    """As a variable would have it: text is text, anything else as JSON writes it; null is unset."""
    found: dict[str, Found] = {}
    keeps_case = group in VARIABLES and VARIABLES[group].members is not None
    for key, value in values.items():
        variable = f"{group}{DELIMITER}{key if keeps_case else key.upper()}"
        if isinstance(value, dict) and variable in OPEN_GROUPS:
            found |= _variables_of_json(variable, value, origin, faults)
        elif isinstance(value, dict | list):
            faults.append(f"{variable}: is a JSON {'list' if isinstance(value, list) else 'object'}; write one value")
        elif value is not None:
            found[variable] = Found(value if isinstance(value, str) else json.dumps(value), origin)
    return found


def _name_meant(name: str) -> str:
    """With the name in an open group that the variable stands for: X_TOKEN is the header X-Token."""
    group = group_of(name)
    members = VARIABLES[group].members if group else None
    if group is None or members is None:
        return name
    return f"{group}{DELIMITER}{members.named(name.removeprefix(f'{group}{DELIMITER}'))}"


def _settings_in(written: FoundSettings, faults: list[str]) -> FoundSettings:
    """Those that are set to something. A name that is no setting is a fault, and so is a credential without text."""
    known = (*VARIABLES, *sorted(GROUPS), *CONTROLS)
    for name in sorted(written.keys() - {*CONTROLS}):
        variable, found = variable_of(name), written[name]
        if variable is None:
            nearest = get_close_matches(name.upper(), known, n=1, cutoff=0.0)[0]
            faults.append(f"{name}: is not a setting of syncd; did you mean {nearest}? ({found.origin})")
        elif not found.text and not variable.may_be_empty and found.is_credential:
            faults.append(f"{name}: the {found.origin} is empty; write the value into it, or take the file away")
    variables = {name: variable for name in written if (variable := variable_of(name))}
    return {name: written[name] for name, variable in variables.items() if written[name].text or variable.may_be_empty}
