"""The settings in force: where they came from, and whether strangers can read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from syncd.doctor.finding import Finding, ok, warning
from syncd.settings import Loaded
from syncd.statuses import Statuses


def examine_settings(loaded: Loaded, statuses: Statuses) -> Iterator[Finding]:
    """Where do the settings come from?"""
    origins = Counter(_place(found.origin) for found in loaded.found.values())
    counted = ", ".join(f"{count} from {origin}" for origin, count in origins.items())
    yield ok("settings", f"can be used: {counted}; the others are defaults")
    for origin in origins:
        if Path(origin).is_file() and Path(origin).stat().st_mode & 0o004:
            advice = f"Run: chmod o-r {origin}"
            yield warning("settings", f"every user of this machine may read {origin}, secrets and all", advice)
    file = loaded.settings.statuses.file
    if file is None:
        yield ok("settings", "no statuses file: every status code is pushed as it is")
    else:
        yield ok("settings", f"statuses file {file}: {len(statuses.listed)} codes; others: {statuses.unknown}")


def _place(origin: str) -> str:
    return origin.removeprefix("credential ")
