"""Presets: what is known of a shop platform, as SYNCD_SOURCE__ settings that rank below everything that was written.

A preset is a TOML file, see `syncd presets NAME`:

    title = "…"                       one line for the list
    aliases = ["…"]                   other names of the platform, accepted for the preset's
    urls = ["mysql", "mariadb"]       how SYNCD_SOURCE__URL may begin
    [params.prefix]                   SYNCD_SOURCE__PARAMS__PREFIX; without a default it must be set; in the default
                                      ${other} is that parameter's value
    means = {old = ""}                in [params.X]: where the value is "old", the text that is filled in for it
    [source]                          any SYNCD_SOURCE__ setting, a group as a table; ${prefix} is filled in
    index = "CREATE INDEX …"          the index that polls need and the platform lacks; ${prefix} as above
    [cancel]                          any SYNCD_CANCEL__ setting, likewise, for SYNCD_CANCEL__PRESET=true
    program = "…"                     the program in `deploy/cancel` that cancels by the platform's own code

A parameter's value goes into SQL and expressions as it is. So it must match the parameter's pattern, and besides, it
can never hold what ends a text or a name in any of these languages.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from syncd.settings.setting_sources import Found, FoundSettings
from syncd.settings.values import quoted, readable

FOLDER = Path(__file__).parent.parent / "sources" / "presets"
SOURCE = "SYNCD_SOURCE__"
CANCEL = "SYNCD_CANCEL__"
CANCEL_BY_PRESET = f"{CANCEL}PRESET"
NAME = f"{SOURCE}PRESET"
PARAMS = f"{SOURCE}PARAMS"
URL = f"{SOURCE}URL"
_QUERY = f"{SOURCE}QUERY"
_QUERY_FILE = f"{SOURCE}QUERY_FILE"
_QUERIES = (_QUERY, f"{SOURCE}QUERY_WHEN", f"{SOURCE}QUERY_ELSE")
"""They belong together: a preset sets all of them, or none if a query was written."""
_OTHER_WAYS = (f"{CANCEL}COMMAND", f"{CANCEL}SQL")
"""Ways to cancel other than an HTTP call."""
_FOR_ANY_WAY = ("from", "status", "message")
"""The settings of [cancel] that count for each way."""
_TRUE = ("true", "1", "yes", "on", "t", "y")
_SAFE = re.compile(r"(?!.*--)[\w .,:+/@-]*")
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


class Parameter(BaseModel):
    """`pattern`: what the whole value must match. `default` None: it must be set. `means`: what is filled in for a
    value, where that is not the value itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    description: str
    pattern: str
    default: str | None = None
    means: dict[str, str] = {}

    def fault(self, text: str) -> str | None:
        """Why the text cannot be the value, or None."""
        if re.fullmatch(self.pattern, text) and _SAFE.fullmatch(text):
            return None
        return f"{quoted(text)} cannot be used ({self.description}); it must match {self.pattern}"


class Preset(BaseModel):
    """A preset's file. In `source` and `cancel` the names of settings are in lower case, and a group is a table."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    title: str
    aliases: list[str] = []
    urls: list[str] = Field(min_length=1)
    params: dict[str, Parameter] = {}
    source: dict[str, Any]
    cancel: dict[str, Any] = {}
    index: str | None = None
    program: str | None = None

    def texts(self, *, cancels: bool = True, calls_http: bool = True) -> dict[str, str]:
        """Variable -> text, with placeholders in it.

        `cancels`: with those of [cancel]; of these, unless it is an HTTP call that cancels, those for any way.
        """
        used = {name: value for name, value in self.cancel.items() if calls_http or name in _FOR_ANY_WAY}
        return {**_variables(SOURCE, self.source), **(_variables(CANCEL, used) if cancels else {})}

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """Parameter -> value: those given, and the defaults of the others. One that is required may be missing."""
        defaults = {name: one.default for name, one in self.params.items() if one.default is not None}
        known = {**defaults, **given}
        return {name: given[name] if name in given else _replaced(text, known) for name, text in known.items()}

    def filled_in(self, text: str, values: Mapping[str, str]) -> str:
        """The text with what the parameters' values mean."""
        means = {name: parameter.means for name, parameter in self.params.items()}
        return _replaced(text, {name: means[name].get(value, value) for name, value in values.items() if name in means})

    def placeholders(self) -> set[str]:
        """The parameters that its settings, and the defaults of other parameters, name."""
        texts = [*self.texts().values(), *(one.default or "" for one in self.params.values())]
        return {name for text in texts for name in _PLACEHOLDER.findall(text)}


def _variables(prefix: str, table: Mapping[str, Any]) -> dict[str, str]:
    """Variable -> text. In a group a name stays as it is written: case may matter in a header's or a parameter's."""
    found: dict[str, object] = {}
    for key, value in table.items():
        variable = f"{prefix}{key.upper()}"
        found |= (
            {f"{variable}__{name}": one for name, one in value.items()}
            if isinstance(value, dict)
            else {variable: value}
        )
    return {name: str(one).lower() if isinstance(one, bool) else str(one) for name, one in found.items()}


def _replaced(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda placeholder: values.get(placeholder[1], ""), text)


@dataclass(frozen=True, slots=True)
class Listed:
    name: str
    title: str


def list_presets() -> list[Listed]:
    """The built-in presets, by name."""
    return [Listed(name, load_preset(FOLDER / f"{name}.toml").title) for name in _built_in()]


def preset_text(name: str) -> str:
    """A preset's file. ValueError: there is none of that name, or it cannot be read."""
    return readable(_path(name))


def preset_named(name: str) -> Preset:
    """ValueError: there is none of that name, or it cannot be read."""
    return load_preset(_path(name))


def built_in_name(name: str) -> str:
    """The name of the built-in preset that has this name or alias. ValueError: there is none."""
    path = _path(name)
    if path.parent != FOLDER:
        raise ValueError(f"{quoted(name)} is a file; name one of those that `syncd presets` lists")
    return path.stem


def load_preset(path: Path) -> Preset:
    """ValueError says what is wrong with the file."""
    try:
        preset = Preset.model_validate(tomllib.loads(readable(path)))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if unknown := preset.placeholders() - preset.params.keys():
        raise ValueError(f"{path}: ${{{min(unknown)}}} is no parameter; declare [params.{min(unknown)}]")
    return preset


def _built_in() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def _path(name: str) -> Path:
    """The file of a built-in preset, or of one of its aliases; a name that looks like a path is one."""
    if name.endswith(".toml") or "/" in name:
        return Path(name)
    names = _built_in()
    if name in names:
        return FOLDER / f"{name}.toml"
    aliases = {alias: other for other in names for alias in load_preset(FOLDER / f"{other}.toml").aliases}
    if name not in aliases:
        near = get_close_matches(name.lower(), [*names, *aliases], n=1, cutoff=0.0)[0]
        raise ValueError(f"{quoted(name)} is no preset; did you mean {near}? `syncd presets` lists them")
    return FOLDER / f"{aliases[name]}.toml"


class _PresetInUse:
    """The preset that SYNCD_SOURCE__PRESET names, and the settings `found` beside it.

    Making one raises ValueError if there is no such preset.
    """

    def __init__(self, found: FoundSettings) -> None:
        self.name = _text(found, NAME)
        self.preset = load_preset(_path(self.name))
        self.found = found
        self.params = {_key(variable): variable for variable in found if variable.startswith(f"{PARAMS}__")}
        self.values = self.preset.values({key: found[variable].text for key, variable in self.params.items()})
        self.cancels = _cancels_by_preset(found)
        self.other_way = next((way for way in _OTHER_WAYS if _text(found, way)), None)
        self.texts = self.preset.texts(cancels=self.cancels, calls_http=self.other_way is None)

    def settings(self) -> FoundSettings:
        """What it sets, where nothing else does."""
        written = {variable.upper() for variable in self.found}
        if written & {_QUERY_FILE, _QUERY}:
            written |= {*_QUERIES}
        of_params = {variable: _PLACEHOLDER.fullmatch(text) for variable, text in self.texts.items()}
        parameter = {variable: _variable(match[1]) for variable, match in of_params.items() if match}
        texts = {_variable(key): value for key, value in self.values.items()} | self.filled_in()
        return {
            variable: Found(text, f"preset {self.name}", parameter.get(variable))
            for variable, text in texts.items()
            if variable.upper() not in written
        }

    def filled_in(self) -> dict[str, str]:
        """Variable -> text, as the preset has it."""
        return {variable: self.preset.filled_in(text, self.values) for variable, text in self.texts.items()}

    def uses(self, key: str) -> list[str]:
        """The settings that a parameter's value goes into."""
        return [variable for variable, text in self.texts.items() if key in _PLACEHOLDER.findall(text)]

    def faults(self) -> Iterator[str]:
        yield from self._faults_of_params()
        # Nothing of the URL is repeated: one cannot tell where its secrets begin.
        scheme = re.split(r"[:+]", _text(self.found, URL).lower(), maxsplit=1)[0]
        if scheme and scheme not in self.preset.urls:
            urls = " or ".join(f"{url}://" for url in self.preset.urls)
            yield f"{URL}: the preset {self.name} needs a URL that starts with {urls}"
        if self.cancels:
            yield from self._faults_of_cancelling()

    def _faults_of_params(self) -> Iterator[str]:
        for key, variable in self.params.items():
            parameter = self.preset.params.get(key)
            if parameter is None:
                near = get_close_matches(key, self.preset.params, n=1, cutoff=0.0)
                hint = f"; did you mean {_variable(near[0])}?" if near else ", which has none"
                yield f"{variable}: is no parameter of the preset {self.name}{hint}"
            elif fault := parameter.fault(self.found[variable].text):
                yield f"{variable}: {fault}"
        for key, parameter in self.preset.params.items():
            if key not in self.values:
                yield f"{_variable(key)}: required by the preset {self.name}: {parameter.description}"

    def _faults_of_cancelling(self) -> Iterator[str]:
        if not self.preset.cancel:
            yield f"{CANCEL_BY_PRESET}: the preset {self.name} does not say how its platform cancels"
        elif self.preset.program and self.other_way is None:
            yield (
                f"{CANCEL_BY_PRESET}: this platform is cancelled by a program of its own language; set {CANCEL}COMMAND,"
                f" e.g. to php /usr/local/share/syncd/cancel/{self.preset.program} and the shop's folder"
            )
        written = {variable.upper() for variable in self.found}
        needed = [text for name, text in self.texts.items() if name.startswith(CANCEL) and name.upper() not in written]
        for key in sorted({key for text in needed for key in _PLACEHOLDER.findall(text) if self.values.get(key) == ""}):
            what = self.preset.params[key].description
            yield f"{_variable(key)}: required to cancel by the preset {self.name}: {what}"


def preset_settings(found: FoundSettings, faults: list[str]) -> FoundSettings:
    """What the preset that SYNCD_SOURCE__PRESET names, if any, sets beside the settings that were written."""
    if not _text(found, NAME):
        given = [variable for variable in found if variable.startswith(f"{PARAMS}__")]
        faults += [f"{variable}: is for presets, but {NAME} is not set" for variable in given]
        if _cancels_by_preset(found):
            faults.append(f"{CANCEL_BY_PRESET}: says that the source's preset cancels, but {NAME} is not set")
        return {}
    try:
        preset = _PresetInUse(found)
    except ValueError as error:
        faults.append(f"{NAME}: {error}")
        return {}
    wrong = [*preset.faults()]
    faults += wrong
    return {} if wrong else preset.settings()


def may_set(variable: str) -> bool:
    """Whether a preset may set it."""
    return variable.startswith((SOURCE, CANCEL)) and variable not in (URL, NAME)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What was set beside a preset.

    replaced   settings that the preset would set otherwise -> its text
    idle       parameters without effect -> why
    """

    preset: str
    replaced: Mapping[str, str]
    idle: Mapping[str, str]


def overrides(found: FoundSettings) -> Overrides | None:
    """What was set beside the preset in settings as they were loaded; None: no preset is used."""
    if not _text(found, NAME):
        return None
    use = _PresetInUse(found)
    own = {variable.upper(): variable for variable, one in found.items() if not one.origin.startswith("preset ")}
    own_query = own.get(_QUERY) or own.get(_QUERY_FILE)
    texts = use.filled_in()
    by_preset = {name: (name in _QUERIES and own_query) or own.get(name.upper()) for name in texts}
    standing = {name: other for name, other in by_preset.items() if other}
    idle = {}
    for key in use.preset.params:
        variable, uses = own.get(_variable(key)), use.uses(key)
        if variable and not uses:
            idle[variable] = _why_unused(key, use)
        elif variable and all(name in standing for name in uses):
            others = [*dict.fromkeys(standing[name] for name in uses)]
            idle[variable] = f"{' and '.join(others)} {'is' if len(others) == 1 else 'are'} set"
    replaced = {other: texts[name] for name, other in standing.items() if found[other].text != texts[name]}
    return Overrides(use.name, replaced, idle)


def _why_unused(key: str, use: _PresetInUse) -> str:
    if not any(key in _PLACEHOLDER.findall(text) for text in use.preset.texts().values()):
        return "nothing in the preset uses it"
    if not use.cancels:
        return f"it is for cancelling, and {CANCEL_BY_PRESET} is not true"
    return f"it is for the call that cancels, and {use.other_way} is set"


def index_statement(found: FoundSettings) -> str | None:
    """The statement that makes the index polls need, where a preset's query reads, in settings as they were loaded.
    None: the platform has the index, or nothing is known of it."""
    if not _text(found, NAME) or _QUERY not in found or not found[_QUERY].origin.startswith("preset "):
        return None
    use = _PresetInUse(found)
    return use.preset.filled_in(use.preset.index, use.values) if use.preset.index else None


def _text(found: FoundSettings, variable: str) -> str:
    return found[variable].text if variable in found else ""


def _cancels_by_preset(found: FoundSettings) -> bool:
    """A text that is neither true nor false is a fault of its own."""
    return _text(found, CANCEL_BY_PRESET).strip().lower() in _TRUE


def _variable(key: str) -> str:
    return f"{PARAMS}__{key.upper()}"


def _key(variable: str) -> str:
    return variable.removeprefix(f"{PARAMS}__").lower()
