"""The settings in force: where they came from, and whether strangers can read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from syncd.doctor.finding import Finding, ok, warning
from syncd.settings import Loaded, masked, presets
from syncd.statuses import Statuses

SHORT = 30


def examine_settings(loaded: Loaded, statuses: Statuses) -> Iterator[Finding]:
    """Where do the settings come from?"""
    origins = Counter(_place(found.origin) for found in loaded.found.values())
    counted = ", ".join(f"{count} from {origin}" for origin, count in origins.items())
    yield ok("settings", f"can be used: {counted}; the others are defaults")
    for origin in origins:
        if Path(origin).is_file() and Path(origin).stat().st_mode & 0o004:
            advice = f"Run: chmod o-r {origin}"
            yield warning("settings", f"every user of this machine may read {origin}, secrets and all", advice)
    yield from _beside_preset(loaded)
    file = loaded.settings.statuses.file
    if file is None:
        yield ok("settings", "no statuses file: every status code is pushed as it is")
    else:
        yield ok("settings", f"statuses file {file}: {len(statuses.listed)} codes; others: {statuses.unknown}")


def _beside_preset(loaded: Loaded) -> Iterator[Finding]:
    """What a person set beside a preset may be meant so, or left over."""
    found = presets.by_hand(loaded.found)
    if found is None:
        return
    if found.replaced:
        shown = {line.variable: line.value for line in masked(loaded)}
        names = [_replaced(name, shown.get(name, ""), text) for name, text in found.replaced.items()]
        yield ok("settings", f"set by hand in place of what the preset {found.preset} says: {', '.join(names)}")
    for parameter, why in found.idle.items():
        yield warning("settings", f"{parameter} has no effect: {why}", "Leave it out, or change that")


def _replaced(name: str, shown: str, preset: str) -> str:
    """With both values where they are short: an overridden time zone is seen at once."""
    short = all(0 < len(text) <= SHORT and "\n" not in text for text in (shown, preset))
    return f"{name} ({shown}, not {preset})" if short else name


def _place(origin: str) -> str:
    return origin.removeprefix("credential ")
