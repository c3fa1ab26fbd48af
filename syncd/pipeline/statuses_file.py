"""The merchant's statuses file: which statuses are pushed, with which code and message, and which status IMSHOP is
expected to show for each.

Pure but for `load`. The file is TOML (docs/behaviour.md): a table a status code, and `unknown` for all other codes.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast, get_args

from syncd.errors import SettingsError
from syncd.imshop.statuses import IMSHOP_STATUSES
from syncd.pipeline.diff import StatusAction
from syncd.text import without_blanks

_KEYS: dict[str, type] = {"message": str, "imshop": str, "code": str, "skip": bool}


@dataclass(frozen=True, slots=True)
class Status:
    """What the file says of one code. `imshop`: the status that IMSHOP is expected to map it to."""

    message: str | None = None
    imshop: str | None = None
    code: str | None = None
    skip: bool = False


@dataclass(frozen=True, slots=True)
class Statuses:
    """The content of the file. Without a file every code is pushed as it is."""

    unknown: StatusAction = "push"
    listed: Mapping[str, Status] = field(default_factory=dict)

    def action(self, status: str) -> StatusAction:
        listed = self.listed.get(status)
        if listed is None:
            return self.unknown
        return "skip" if listed.skip else "push"

    def code(self, status: str) -> str:
        """The code that is pushed for the merchant's."""
        listed = self.listed.get(status)
        return listed.code if listed and listed.code else status

    def message(self, status: str) -> str | None:
        listed = self.listed.get(status)
        return listed.message if listed else None

    def mismatch(self, status: str, new_status: str | None, imshop_status: str | None) -> str | None:
        """What differs from what was expected in IMSHOP's answer to a push of `status`, or None."""
        code = self.code(status)
        if new_status is not None and new_status != code:
            return f"sent {code!r}, but IMSHOP says that {new_status!r} is in force"
        listed = self.listed.get(status)
        expected = listed.imshop if listed else None
        if expected and imshop_status is not None and imshop_status != expected:
            return f"IMSHOP maps {code!r} to {imshop_status!r}, not to {expected!r} as the statuses file expects"
        return None


def load(path: Path) -> Statuses:
    """Read the file; SettingsError with every fault at once."""
    variable = "SYNCD_STATUSES__FILE"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError([f"{variable}: {path} cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{variable}: {path} is not UTF-8; save it as UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{variable}: {path} is not TOML: {error}"]) from error
    faults = [f"{variable}: {path}: {fault}" for fault in _faults(tables)]
    if faults:
        raise SettingsError(faults)
    unknown = tables.pop("unknown") if isinstance(tables.get("unknown"), str) else "push"
    return Statuses(
        cast("StatusAction", unknown), {without_blanks(code): _status(table) for code, table in tables.items()}
    )


def _status(table: Mapping[str, Any]) -> Status:
    code = table.get("code")
    return Status(**{**table, "code": without_blanks(code)} if code else table)


def _faults(tables: Mapping[str, Any]) -> list[str]:
    faults = []
    times = Counter(without_blanks(name) for name in tables)
    for name, value in tables.items():
        if name != without_blanks(name) and times[without_blanks(name)] > 1:
            faults.append(f"[{without_blanks(name)}] is there twice: blanks are no part of a code")
        if isinstance(value, dict):
            faults += [f"[{name}] {fault}" for fault in _table_faults(value)]
        elif name != "unknown":
            faults.append(f"{name!r} is not a table; a status is written [{name}]")
        elif value not in get_args(StatusAction):
            faults.append(f"unknown = {value!r} is none of {', '.join(get_args(StatusAction))}")
    return faults


def _table_faults(table: Mapping[str, Any]) -> list[str]:
    faults = []
    for key, value in table.items():
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            faults.append(f"has an unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        elif not isinstance(value, _KEYS[key]):
            faults.append(f"{key} must be {'true or false' if _KEYS[key] is bool else 'a text in quotes'}")
        elif key == "imshop" and value not in IMSHOP_STATUSES:
            faults.append(f"imshop = {value!r} is none of IMSHOP's statuses: {', '.join(IMSHOP_STATUSES)}")
        elif key in ("message", "code") and not without_blanks(str(value)):
            faults.append(f"{key} is empty; leave the line out instead")
    return faults


class StatusesFile:
    """The statuses file in force. It may be edited while the daemon runs: `refresh` reads a new version, or says what
    is wrong with it and keeps the old one."""

    def __init__(self, path: Path | None) -> None:
        """SettingsError if the file cannot be used."""
        self._path = path
        self._read_at = self._changed_at()
        self.now = load(path) if path else Statuses()

    def refresh(self) -> None:
        """SettingsError, once for each new version that cannot be used."""
        changed_at = self._changed_at()
        if self._path and changed_at != self._read_at:
            self._read_at = changed_at
            self.now = load(self._path)

    def action(self, status: str) -> StatusAction:
        return self.now.action(status)

    def _changed_at(self) -> int | None:
        try:
            return self._path.stat().st_mtime_ns if self._path else None
        except FileNotFoundError:
            return None
