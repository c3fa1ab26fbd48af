"""What would come of the settings before they are written: the settings as they load, the doctor's findings, statuses
with suggestions, the numbers that orders would have, and how cancelling is set up."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from syncd.doctor import Finding, examine
from syncd.errors import SourceError
from syncd.imshop.statuses import suggestion
from syncd.runtime import composition
from syncd.settings import Loaded, Shown, load, masked
from syncd.settings.presets import PARAMS, Parameter, Preset
from syncd.setup import env_file

NOT_TRIED = ("state", "http")
"""Areas of the doctor that are the service's own: `syncd check` examines them where it runs."""
MAY_LOGIN_WRITE = "May the login write?"
SAMPLED = 20
SHOWN_ORDERS = 2
_CHOICES = re.compile(r"\w+(?:\|\w+)+")
_NOT_FOR_READING = "http://127.0.0.1:9/not/used"


@dataclass(frozen=True, slots=True)
class ListedStatus:
    code: str
    text: str | None
    orders: int
    suggestion: str | None


@dataclass(frozen=True, slots=True)
class CancelRecipe:
    """`settings`: lines that an administrator completes and adds. `allowed`: the codes from which an order may be
    cancelled, the precondition; None: the shop alone decides."""

    settings: Sequence[str]
    allowed: str | None


def load_content(content: str, path: Path) -> Loaded:
    """The settings as they would load from the file. SettingsError."""
    loaded = load(env_file.variables_in(content), usual_env_files=())
    found = {
        name: replace(one, origin=str(path)) if one.origin == "environment" else one
        for name, one in loaded.found.items()
    }
    return Loaded(loaded.settings, found)


def written_settings(loaded: Loaded, path: Path) -> list[Shown]:
    """Those of the file, secrets masked."""
    return [shown for shown in masked(loaded) if shown.origin == str(path)]


def findings(loaded: Loaded, leave_out: Collection[str] = ()) -> Iterator[Finding]:
    return examine(loaded, leave_out=(*NOT_TRIED, *leave_out))


def list_statuses(loaded: Loaded) -> list[ListedStatus]:
    """Every status of the shop, with a guess of IMSHOP's; none if they cannot be read, which the doctor says."""
    source = composition.source(loaded.settings)
    try:
        counts = source.statuses(lambda _why: None)
    except SourceError:
        return []
    finally:
        source.close()
    return [ListedStatus(one.code, one.name, one.orders, suggestion(one.code, one.name or "")) for one in counts]


def read_one(variables: Mapping[str, str]) -> None:
    """Read an order, to see that it can be done. SourceError, SettingsError."""
    source = composition.source(load({"SYNCD_IMSHOP__URL": _NOT_FOR_READING, **variables}, usual_env_files=()).settings)
    try:
        source.sample(1)
    finally:
        source.close()


def choices(parameter: Parameter) -> list[str]:
    """The values of a parameter that is one of a few words; else none."""
    return parameter.pattern.split("|") if _CHOICES.fullmatch(parameter.pattern) else []


def numbers_by_choice(variables: Mapping[str, str], options: Sequence[str]) -> dict[str, list[str]]:
    """For each value of the parameter `number`, the numbers of the same few orders; none for a value under which orders
    have no number. SourceError, SettingsError."""
    by_choice: dict[str, dict[str, str]] = {}
    for option in options:
        given = {"SYNCD_IMSHOP__URL": _NOT_FOR_READING, **variables, f"{PARAMS}__NUMBER": option}
        source = composition.source(load(given, usual_env_files=()).settings)
        try:
            orders = source.sample(SAMPLED).orders
        finally:
            source.close()
        if orders:
            by_choice[option] = {order.shop_id or order.order_id: order.order_id for order in orders}
    same = [key for key in next(iter(by_choice.values()), {}) if all(key in found for found in by_choice.values())]
    telling = [key for key in same if len({found[key] for found in by_choice.values()}) > 1]
    shown = (telling or same)[:SHOWN_ORDERS]
    return {option: [found[key] for key in shown] for option, found in by_choice.items()}


def cancel_recipe(preset: Preset, text: str, params: Mapping[str, str], folder: Path | None) -> CancelRecipe | None:
    """What the preset's head says is set so that buyers can cancel. None: the platform cannot."""
    if not preset.cancel:
        return None
    block = re.search(r"^# To have the shop cancel.*\n((?:#   SYNCD_.*\n)+)", text, re.MULTILINE)
    lines = re.findall(r"^#   (.*)$", block[1], re.MULTILINE) if block else []
    if folder is not None:
        lines = [re.sub(r"(COMMAND=php \S+) \S+", lambda found: f"{found[1]} {folder}", line) for line in lines]
    allowed = str(preset.cancel.get("from", ""))
    return CancelRecipe(lines, preset.filled_in(allowed, preset.values(params)) or None)
