"""Places -> Settings, or every fault at once; and Settings -> what `syncd config` shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, get_origin

from pydantic import BaseModel, SecretStr, ValidationError

from syncd.errors import SettingsError
from syncd.settings import presets, setting_sources, values
from syncd.settings.setting_sources import Found, Place
from syncd.settings.settings import Settings
from syncd.settings.values import EmptyMeansOff, Masked, Members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class Variable:
    """A setting: its path in Settings and how it is declared there."""

    path: tuple[str, ...]
    field: FieldInfo

    @property
    def may_be_empty(self) -> bool:
        return any(isinstance(mark, EmptyMeansOff) for mark in self.field.metadata)

    @property
    def is_open(self) -> bool:
        """Whether it is a group of names that are not ours to know: SYNCD_SOURCE__PARAMS__PREFIX."""
        return get_origin(self.field.annotation) is Mapping

    @property
    def members(self) -> Members | None:
        """How the names of an open group are written and shown, where that is not as they are."""
        return next((mark for mark in self.field.metadata if isinstance(mark, Members)), None)

    def value(self, settings: BaseModel) -> object:
        found: object = settings
        for step in self.path:
            found = getattr(found, step)
        return found


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, and for each variable that was set the text and the place it came from: a name of an
    open group is a variable of its own."""

    settings: Settings
    found: Mapping[str, Found]

    @property
    def origins(self) -> dict[str, str]:
        """Variable -> `environment`, `credential FILE`, the env file's path, `preset NAME` or `default`, for every
        variable; an open group's names in its place."""
        names = (name for known in VARIABLES for name in _members(known, self.found) or [known])
        return {name: self.found[name].origin if name in self.found else "default" for name in names}


class Shown(NamedTuple):
    variable: str
    value: str
    origin: str


def load(
    environ: Mapping[str, str],
    env_file: Path | None = None,
    usual_env_files: Sequence[Path] = setting_sources.USUAL_ENV_FILES,
) -> Loaded:
    """Settings from `environ`, the directories of secrets that it names, and an env file (CONTRACT section 1).

    Reads nothing but these and the files that settings name; relative paths start at the working directory.
    SettingsError holds one line for every fault there is, each beginning with its variable.
    """
    faults: list[str] = []
    found: dict[str, Found] = {}
    for place in setting_sources.read(environ, env_file, usual_env_files, faults):
        found |= _known(_spelled_out(place, faults), faults)
    by_hand = len(faults)
    found = _known(presets.with_preset(found, faults), faults)
    settings = _validated(found, faults, preset_is_out=len(faults) > by_hand)
    if faults or settings is None:
        raise SettingsError(faults)
    return Loaded(settings, found)


def masked(loaded: Loaded) -> list[Shown]:
    """Every setting as it was written, or its default, with secrets masked."""
    return [Shown(name, _shown(name, loaded), origin) for name, origin in loaded.origins.items()]


def _name(path: Sequence[str | int]) -> str:
    delimiter = Settings.model_config["env_nested_delimiter"] or ""
    return setting_sources.PREFIX + delimiter.join(str(step) for step in path).upper()


def _variables(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[Variable]:
    """A field whose name is a word of Python's own has its setting's name as its alias."""
    for name, field in model.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from _variables(group, (*path, name))
        else:
            yield Variable((*path, name), field)


VARIABLES = {_name((*one.path[:-1], one.field.alias or one.path[-1])): one for one in _variables(Settings)}
OPEN_GROUPS = [name for name, variable in VARIABLES.items() if variable.is_open]
GROUPS = {_name(variable.path[:depth]) for variable in VARIABLES.values() for depth in range(1, len(variable.path))} | {
    *OPEN_GROUPS
}


def _members(group: str, found: Iterable[str]) -> list[str]:
    """The names in an open group that were found."""
    return [name for name in found if group in OPEN_GROUPS and name.startswith(f"{group}__")]


def _variable(name: str) -> Variable | None:
    """The setting of that name, or the open group that it is in. None: there is none."""
    group = next((group for group in OPEN_GROUPS if name.startswith(f"{group}__") and name != f"{group}__"), name)
    return VARIABLES.get(group)


def _spelled_out(place: Place, faults: list[str]) -> dict[str, Found]:
    """The place with each group that is given whole, as JSON, written as its variables. Those given singly win."""
    whole: dict[str, Found] = {}
    for name in sorted(name for name in GROUPS & place.keys() if place[name].text):
        group = _json_object(place[name].text)
        if group is None:
            faults.append(f'{name}: is a group, so it must be a JSON object, e.g. {{"name": "value"}}')
        else:
            whole |= _flat(name, group, place[name].origin, faults)
    return {**whole, **{_as_named(name): found for name, found in place.items() if name not in GROUPS}}


def _as_named(name: str) -> str:
    """The name of an open group's variable as it is meant."""
    variable = None if name in VARIABLES else _variable(name)
    if variable is None or variable.members is None:
        return name
    group = f"{_name(variable.path)}__"
    return group + variable.members.named(name.removeprefix(group))


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        group = json.loads(text)
    except ValueError:
        return None
    return group if isinstance(group, dict) else None


def _flat(name: str, group: dict[str, Any], origin: str, faults: list[str]) -> dict[str, Found]:
    """As a variable would have it: text is text, anything else as JSON writes it; null is unset."""
    found: dict[str, Found] = {}
    for key, value in group.items():
        variable = f"{name}__{key if name in VARIABLES and VARIABLES[name].members else key.upper()}"
        if isinstance(value, dict) and variable in OPEN_GROUPS:
            found |= _flat(variable, value, origin, faults)
        elif isinstance(value, dict | list):
            faults.append(f"{variable}: is a JSON {'list' if isinstance(value, list) else 'object'}; write one value")
        elif value is not None:
            found[variable] = Found(value if isinstance(value, str) else json.dumps(value), origin)
    return found


def _known(place: Place, faults: list[str]) -> dict[str, Found]:
    """What is set there; a name that is no setting is a fault."""
    known = (*VARIABLES, *sorted(GROUPS), *setting_sources.CONTROLS)
    for name in sorted(name for name in place.keys() - set(known) if not _variable(name)):
        nearest = get_close_matches(name.upper(), known, n=1, cutoff=0.0)[0]
        faults.append(f"{name}: is not a setting of syncd; did you mean {nearest}? ({place[name].origin})")
    variables = {name: variable for name in place if (variable := _variable(name))}
    empty = {name for name, variable in variables.items() if not place[name].text and not variable.may_be_empty}
    faults += [
        f"{name}: the {place[name].origin} is empty; write the value into it, or take the file away"
        for name in sorted(empty)
        if place[name].is_credential
    ]
    return {name: place[name] for name in variables if name not in empty}


def _validated(found: Place, faults: list[str], *, preset_is_out: bool) -> Settings | None:
    """`preset_is_out`: the preset could not be used, so what it would have set is not missed."""
    tree: dict[str, Any] = {variable.path[0]: {} for variable in VARIABLES.values() if len(variable.path) > 1}
    for name, variable in VARIABLES.items():
        *group, field = *variable.path[:-1], variable.field.alias or variable.path[-1]
        if name in found:
            (tree[group[0]] if group else tree)[field] = found[name].text
        elif members := _members(name, found):
            tree[group[0]][field] = {member.removeprefix(f"{name}__"): found[member].text for member in members}
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        wrong = [(_name(fault["loc"]), _meaning(fault)) for fault in error.errors()]
        faults += [
            f"{found[name].parameter or name if name in found else name}: {meaning}"
            for name, meaning in wrong
            if name in found or not (preset_is_out and presets.may_fill(name))
        ]
        return None


def _meaning(fault: ErrorDetails) -> str:
    """A fault in a person's words. Only the kinds that no secret can have repeat what was written."""
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


def _shown(name: str, loaded: Loaded) -> str:
    found = loaded.found.get(name)
    if name not in VARIABLES:
        return _shown_member(name, found.text) if found else ""
    variable = VARIABLES[name]
    value = variable.value(loaded.settings)
    if isinstance(value, SecretStr):
        marks = [mark for mark in variable.field.metadata if isinstance(mark, Masked)]
        return marks[0].mask(value.get_secret_value()) if marks else "***"
    return found.text if found else _default_text(value)


def _shown_member(name: str, text: str) -> str:
    variable = _variable(name)
    if variable is None or variable.members is None:
        return text
    return variable.members.mask(name.removeprefix(f"{_name(variable.path)}__"), text)


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
