"""`load`: the written settings -> Settings, or every fault at once; `masked`: Settings -> what `syncd config` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from pydantic import SecretStr, ValidationError
from pydantic_settings import InitSettingsSource

from syncd.errors import SettingsError
from syncd.settings import presets, values
from syncd.settings.setting_sources import USUAL_ENV_FILES, FoundSettings, VariablesSource, written_settings
from syncd.settings.settings import Settings
from syncd.settings.values import Masked
from syncd.settings.variables import DELIMITER, VARIABLES, group_of, members_of, variable_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, and for each variable that was set its text and origin. A name in an open group is a
    variable of its own."""

    settings: Settings
    found: FoundSettings

    @property
    def origins(self) -> dict[str, str]:
        """Variable -> `environment`, `credential FILE`, the env file's path, `preset NAME` or `default`, for every
        variable; in place of an open group the names in it."""
        names = (name for known in VARIABLES for name in members_of(known, self.found) or [known])
        return {name: self.found[name].origin if name in self.found else "default" for name in names}


class Shown(NamedTuple):
    variable: str
    value: str
    origin: str


def load(
    environ: Mapping[str, str],
    env_file: Path | None = None,
    usual_env_files: Sequence[Path] = USUAL_ENV_FILES,
) -> Loaded:
    """Settings from `environ`, the directories of secrets that it names, an env file, and the preset that they name.

    Reads nothing but these and the files that settings name; relative paths start at the working directory.
    SettingsError holds one line for every fault, each beginning with its variable.
    """
    faults: list[str] = []
    places = written_settings(environ, env_file, usual_env_files, faults)
    sources = [VariablesSource(place, faults) for place in places]
    found = {name: setting for source in sources for name, setting in source.found.items()}
    by_hand = len(faults)
    preset = VariablesSource(presets.preset_settings(found, faults), faults)
    preset_failed = len(faults) > by_hand
    found = {**preset.found, **found}
    settings = _settings([preset, *sources], found, faults, preset_failed=preset_failed)
    if faults or settings is None:
        raise SettingsError(faults)
    return Loaded(settings, found)


def _settings(
    sources: Sequence[VariablesSource], found: FoundSettings, faults: list[str], *, preset_failed: bool
) -> Settings | None:
    """The sources, the weakest first, validated together; `found` is what they hold, by variable.

    `preset_failed`: the preset could not be used, so what it might have set is not reported as missing.
    """
    # A required group is there even if it is empty: then the fault names what is missing in it.
    groups = InitSettingsSource(
        Settings, {variable.path[0]: {} for variable in VARIABLES.values() if variable.path[1:]}
    )
    try:
        return Settings(sources=(*reversed(sources), groups))  # type: ignore[call-arg]  # see settings_customise_sources
    except ValidationError as error:
        for fault in error.errors():
            name = variable_name(fault["loc"])
            if name in found:
                faults.append(f"{found[name].parameter or name}: {_meaning(fault)}")
            elif not (preset_failed and presets.may_set(name)):
                faults.append(f"{name}: {_meaning(fault)}")
        return None


def _meaning(fault: ErrorDetails) -> str:
    """A fault in plain words. Only kinds that no secret can have repeat what was written."""
    match fault["type"]:
        case "value_error":
            return str(fault["ctx"]["error"])
        case "missing":
            return "required, but set nowhere"
        case "bool_parsing":
            return f"{values.quoted(fault['input'])} is neither true nor false"
        case "literal_error":
            return f"{values.quoted(fault['input'])} is none of {fault['ctx']['expected']}"
        case _:
            return fault["msg"]


def masked(loaded: Loaded) -> list[Shown]:
    """Every setting as it was written, or its default, with secrets masked."""
    return [Shown(name, _shown(name, loaded), origin) for name, origin in loaded.origins.items()]


def _shown(name: str, loaded: Loaded) -> str:
    text = loaded.found[name].text if name in loaded.found else None
    if group := group_of(name):
        members = VARIABLES[group].members
        return members.mask(name.removeprefix(f"{group}{DELIMITER}"), text or "") if members else text or ""
    variable = VARIABLES[name]
    value = variable.value(loaded.settings)
    if isinstance(value, SecretStr):
        marks = [mark for mark in variable.field.metadata if isinstance(mark, Masked)]
        return marks[0].mask(value.get_secret_value()) if marks else "***"
    return _default_text(value) if text is None else text


def _default_text(value: object) -> str:
    match value:
        case None | Mapping():
            return ""
        case bool():
            return str(value).lower()
        case timedelta():
            return values.duration_text(value)
        case float():
            return f"{value:g}"
        case tuple() if not hasattr(value, "_fields"):
            return ",".join(map(str, value))
        case _:
            return str(value)
