"""What the doctor says: one finding a line, and what to do about it where it is not well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Area: TypeAlias = Literal["settings", "source", "state", "imshop", "http", "cancel"]
Level: TypeAlias = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` is what was found, without any secret; `advice` what to do. `ok` needs no advice; where an error of this
    project is told, its own text says what to do.

    A warning is worth a look; with a fault, statuses do not reach buyers.
    """

    area: Area
    level: Level
    text: str
    advice: str | None = None


def ok(area: Area, text: str) -> Finding:
    return Finding(area, "ok", text)


def warning(area: Area, text: str, advice: str) -> Finding:
    return Finding(area, "warning", text, advice)


def fault(area: Area, text: str, advice: str | None = None) -> Finding:
    return Finding(area, "fault", text, advice)
