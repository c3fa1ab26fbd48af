"""Presets: what is known of a shop platform, as SYNCD_SOURCE__ settings that rank below all that a person wrote.

A preset is a TOML file, see `syncd presets NAME`:

    title = "…"                       one line for the list
    aliases = ["…"]                   other names of the platform, which stand for the preset's
    urls = ["mysql", "mariadb"]       how SYNCD_SOURCE__URL may begin
    [params.prefix]                   SYNCD_SOURCE__PARAMS__PREFIX; without a default it must be set; in the default
                                      ${other} is that parameter's value
    means = {old = ""}                in it: what is filled in where the value is old
    [source]                          any SYNCD_SOURCE__ setting, a group as a table; ${prefix} is filled in
    index = "CREATE INDEX …"          what makes the index that polls want and the platform lacks; ${prefix} as above
    [cancel]                          any SYNCD_CANCEL__ setting, likewise, for SYNCD_CANCEL__PRESET=true

A parameter's value goes into SQL and expressions as it is. So it must match the parameter's pattern, and besides, can
never hold what ends a text or a name in any of these languages.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping
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
_QUERY_FILE = f"{SOURCE}QUERY_FILE"
_OTHER_WAYS = (f"{CANCEL}COMMAND", f"{CANCEL}SQL")
_ANY_WAY = ("from", "status", "message")
"""What a preset says of cancelling that does not depend on the way."""
_QUERIES = tuple(f"{SOURCE}{name}" for name in ("QUERY", "QUERY_WHEN", "QUERY_ELSE"))
"""One whole: a preset fills all of them or, where a person wrote a query, none."""
_HARMLESS = re.compile(r"(?!.*--)[\w .,:+/@-]*")
_PLACE = re.compile(r"\$\{(\w+)\}")


class Parameter(BaseModel):
    """`pattern`: what a value must match, whole. `default` None: it must be set. `means`: what is filled in for a
    value, where that is not the value itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    pattern: str
    default: str | None = None
    means: dict[str, str] = {}

    def fault(self, text: str) -> str | None:
        """Why the text cannot be the value, or None."""
        if re.fullmatch(self.pattern, text) and _HARMLESS.fullmatch(text):
            return None
        return f"{quoted(text)} cannot be used ({self.description}); it must match {self.pattern}"


class Preset(BaseModel):
    """A preset's file. `source` and `cancel` are as their tables: the names of settings in lower case, in groups tables
    of them. `program`: what of `deploy/cancel` cancels, where the platform's own code must do it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    aliases: list[str] = []
    urls: list[str] = Field(min_length=1)
    params: dict[str, Parameter] = {}
    source: dict[str, Any]
    cancel: dict[str, Any] = {}
    index: str | None = None
    program: str | None = None

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """Those given, and the defaults of all others."""
        defaults = {name: one.default for name, one in self.params.items() if one.default is not None}
        return {**_filled_in(defaults.items(), {**defaults, **given}), **given}

    def settings(self, values: Mapping[str, str]) -> dict[str, str]:
        """Variable -> text, with the parameters' values filled in."""
        return _filled_in(_flat(SOURCE, self.source), self._meant(values))

    def index_of(self, values: Mapping[str, str]) -> str | None:
        return _fill_in(self.index, self._meant(values)) if self.index else None

    def cancelling(self, values: Mapping[str, str], *, calls_http: bool) -> dict[str, str]:
        """The same of what it says of cancelling. `calls_http` False: another way than an HTTP call was chosen."""
        return _filled_in(self._cancel_texts(calls_http=calls_http), self._meant(values))

    def missing(self, values: Mapping[str, str], by_hand: Container[str], *, calls_http: bool) -> list[str]:
        """The parameters without a value that cancelling needs, for what is not set `by_hand`, in capitals."""
        texts = self._cancel_texts(calls_http=calls_http)
        needed = (text for variable, text in texts if variable.upper() not in by_hand)
        return sorted({name for text in needed for name in _PLACE.findall(text) if not values[name]})

    def _meant(self, values: Mapping[str, str]) -> dict[str, str]:
        means = {key: parameter.means for key, parameter in self.params.items()}
        return {key: means[key].get(value, value) for key, value in values.items()}

    def _cancel_texts(self, *, calls_http: bool) -> Iterator[tuple[str, str]]:
        used = {name: value for name, value in self.cancel.items() if calls_http or name in _ANY_WAY}
        return _flat(CANCEL, used)

    def parameters(self) -> dict[str, str]:
        """Those settings that are a parameter's value and nothing else -> that parameter's variable."""
        texts = (*_flat(SOURCE, self.source), *_flat(CANCEL, self.cancel))
        whole = ((variable, _PLACE.fullmatch(text)) for variable, text in texts)
        return {variable: f"{PARAMS}__{place[1].upper()}" for variable, place in whole if place}

    def places(self) -> set[str]:
        """The parameters that the settings, and the defaults of others, name."""
        defaults = ((name, one.default or "") for name, one in self.params.items())
        texts = (*_flat(SOURCE, self.source), *_flat(CANCEL, self.cancel), *defaults)
        return {name for _, text in texts for name in _PLACE.findall(text)}

    def uses(self, key: str, *, cancels: bool, calls_http: bool) -> list[str]:
        """The settings that a parameter's value goes into. `cancels`: those of cancelling count too."""
        texts = (*_flat(SOURCE, self.source), *(self._cancel_texts(calls_http=calls_http) if cancels else ()))
        return [variable for variable, text in texts if key in _PLACE.findall(text)]


@dataclass(frozen=True, slots=True)
class Listed:
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a person set beside a preset. `replaced`: settings that the preset sets otherwise -> to what. `idle`:
    parameters whose value goes into nothing -> why."""

    preset: str
    replaced: Mapping[str, str]
    idle: Mapping[str, str]


def list_presets() -> list[Listed]:
    """Those that are built in, by name."""
    return [
        Listed(path.stem, load_preset(path).title) for path in sorted(FOLDER.glob("*.toml"), key=lambda path: path.stem)
    ]


def preset_text(name: str) -> str:
    """A preset as it is written. ValueError: there is none of that name, or its file cannot be read."""
    return readable(_path(name))


def load_preset(path: Path) -> Preset:
    """ValueError says what is wrong with the file."""
    try:
        preset = Preset.model_validate(tomllib.loads(readable(path)))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if unknown := preset.places() - preset.params.keys():
        raise ValueError(f"{path}: ${{{min(unknown)}}} is no parameter; declare [params.{min(unknown)}]")
    return preset


def preset_settings(found: FoundSettings, faults: list[str]) -> FoundSettings:
    """What a person wrote, and below it what the preset says that SYNCD_SOURCE__PRESET names, if any."""
    name = found.get(NAME, Found("", "")).text
    given = {variable: place for variable, place in found.items() if variable.startswith(f"{PARAMS}__")}
    if not name:
        faults += [f"{variable}: is for presets, but {NAME} is not set" for variable in given]
        if _cancels_by_preset(found):
            faults.append(f"{CANCEL_BY_PRESET}: says that the source's preset cancels, but {NAME} is not set")
        return {}
    try:
        preset = load_preset(_path(name))
    except ValueError as error:
        faults.append(f"{NAME}: {error}")
        return {}
    values = preset.values({_key(variable): place.text for variable, place in given.items()})
    wrong = [
        *_param_faults(name, preset, given),
        *_url_faults(name, preset, found),
        *(_cancel_faults(name, preset, values, found) if _cancels_by_preset(found) else ()),
    ]
    faults += wrong
    return {} if wrong else _filled(name, preset, values, found)


def overrides(found: FoundSettings) -> Overrides | None:
    """What stands beside the preset in settings that `fill` has filled. None: there is no preset."""
    name = found.get(NAME, Found("", "")).text
    if not name:
        return None
    preset = load_preset(_path(name))
    values = {key: found[f"{PARAMS}__{key.upper()}"].text for key in preset.params}
    own = {variable.upper(): variable for variable, place in found.items() if not place.origin.startswith("preset ")}
    cancels, calls_http = _cancels_by_preset(found), _calls_http(found)
    texts = preset.settings(values) | (preset.cancelling(values, calls_http=calls_http) if cancels else {})
    standing = {variable: other for variable in texts if (other := _own(variable, own))}
    idle = {}
    for key in preset.params:
        variable = own.get(f"{PARAMS}__{key.upper()}")
        uses = preset.uses(key, cancels=cancels, calls_http=calls_http)
        if variable is None:
            continue
        if not uses:
            idle[variable] = _unused(preset, key, found)
        elif all(use in standing for use in uses):
            others = [*dict.fromkeys(standing[use] for use in uses)]
            idle[variable] = f"{' and '.join(others)} {'is' if len(others) == 1 else 'are'} set"
    replaced = {other: texts[variable] for variable, other in standing.items() if found[other].text != texts[variable]}
    return Overrides(name, replaced, idle)


def index_statement(found: FoundSettings) -> str | None:
    """What makes the index that polls want, where settings that `fill` has filled read by a preset's query. None: the
    platform has one, or nothing is known."""
    name = found.get(NAME, Found("", "")).text
    if not name or not found.get(_QUERIES[0], Found("", "")).origin.startswith("preset "):
        return None
    preset = load_preset(_path(name))
    return preset.index_of({key: found[f"{PARAMS}__{key.upper()}"].text for key in preset.params})


def _own(variable: str, own: Mapping[str, str]) -> str | None:
    """What a person set in place of a preset's setting."""
    whole = next((own[query] for query in (_QUERIES[0], _QUERY_FILE) if query in own), None)
    return whole if variable in _QUERIES and whole else own.get(variable.upper())


def _unused(preset: Preset, key: str, found: FoundSettings) -> str:
    if not preset.uses(key, cancels=True, calls_http=True):
        return "nothing in the preset uses it"
    if not _cancels_by_preset(found):
        return f"it is for cancelling, and {CANCEL_BY_PRESET} is not true"
    other = next(way for way in _OTHER_WAYS if way in found and found[way].text)
    return f"it is for the call that cancels, and {other} is set"


def may_set(variable: str) -> bool:
    """Whether a preset may be what sets it."""
    return variable.startswith((SOURCE, CANCEL)) and variable not in (URL, NAME)


def _filled(name: str, preset: Preset, values: Mapping[str, str], found: FoundSettings) -> FoundSettings:
    by_hand = {variable.upper() for variable in found}
    if by_hand & {_QUERY_FILE, _QUERIES[0]}:
        by_hand |= {*_QUERIES}
    texts = {f"{PARAMS}__{key.upper()}": value for key, value in values.items()} | preset.settings(values)
    if _cancels_by_preset(found):
        texts |= preset.cancelling(values, calls_http=_calls_http(found))
    parameters = preset.parameters()
    return {
        variable: Found(text, f"preset {name}", parameters.get(variable))
        for variable, text in texts.items()
        if variable.upper() not in by_hand
    }


def _param_faults(name: str, preset: Preset, given: FoundSettings) -> Iterator[str]:
    for variable, place in given.items():
        parameter = preset.params.get(_key(variable))
        if parameter is None:
            near = get_close_matches(_key(variable), preset.params, n=1, cutoff=0.0)
            hint = f"; did you mean {PARAMS}__{near[0].upper()}?" if near else ", which has none"
            yield f"{variable}: is no parameter of the preset {name}{hint}"
        elif fault := parameter.fault(place.text):
            yield f"{variable}: {fault}"
    for key, parameter in preset.params.items():
        variable = f"{PARAMS}__{key.upper()}"
        if parameter.default is None and variable not in given:
            yield f"{variable}: required by the preset {name}: {parameter.description}"


def _cancels_by_preset(found: FoundSettings) -> bool:
    """What is neither true nor false is a fault of its own."""
    return found.get(CANCEL_BY_PRESET, Found("", "")).text.strip().lower() in ("true", "1", "yes", "on", "t", "y")


def _calls_http(found: FoundSettings) -> bool:
    return not any(found[way].text for way in _OTHER_WAYS if way in found)


def _cancel_faults(name: str, preset: Preset, values: Mapping[str, str], found: FoundSettings) -> Iterator[str]:
    if not preset.cancel:
        yield f"{CANCEL_BY_PRESET}: the preset {name} does not say how its platform cancels"
    elif preset.program and _calls_http(found):
        yield (
            f"{CANCEL_BY_PRESET}: this platform is cancelled by a program of its own language; set {CANCEL}COMMAND, "
            f"e.g. to php /usr/local/share/syncd/cancel/{preset.program} and the shop's folder"
        )
    by_hand = {variable.upper() for variable in found}
    for key in preset.missing(values, by_hand, calls_http=_calls_http(found)):
        yield f"{PARAMS}__{key.upper()}: required to cancel by the preset {name}: {preset.params[key].description}"


def _url_faults(name: str, preset: Preset, found: FoundSettings) -> Iterator[str]:
    """Nothing of the URL is repeated: one cannot tell where its secrets begin."""
    scheme = re.split(r"[:+]", found.get(URL, Found("", "")).text.lower(), maxsplit=1)[0]
    if scheme and scheme not in preset.urls:
        yield f"{URL}: the preset {name} needs a URL that starts with {' or '.join(f'{url}://' for url in preset.urls)}"


def _path(name: str) -> Path:
    """A name that looks like a path is the path of a preset of one's own."""
    if name.endswith(".toml") or "/" in name:
        return Path(name)
    names = sorted(path.stem for path in FOLDER.glob("*.toml"))
    if name in names:
        return FOLDER / f"{name}.toml"
    meant = {alias: other for other in names for alias in load_preset(FOLDER / f"{other}.toml").aliases}
    if name not in meant:
        near = get_close_matches(name.lower(), [*names, *meant], n=1, cutoff=0.0)[0]
        raise ValueError(f"{quoted(name)} is no preset; did you mean {near}? `syncd presets` lists them")
    return FOLDER / f"{meant[name]}.toml"


def _key(variable: str) -> str:
    return variable.removeprefix(f"{PARAMS}__").lower()


def _filled_in(texts: Iterable[tuple[str, str]], values: Mapping[str, str]) -> dict[str, str]:
    return {variable: _fill_in(text, values) for variable, text in texts}


def _fill_in(text: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], text)


def _flat(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each setting; in a group a name stays as it is written, for a header's or a URL's may matter."""
    for key, value in table.items():
        variable = f"{prefix}{key.upper()}"
        if isinstance(value, Mapping):
            yield from ((f"{variable}__{name}", _text(one)) for name, one in value.items())
        else:
            yield variable, _text(value)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
