"""Where settings are written: the environment, files of secrets, an env file. Texts as found, not yet read.

A place gives variable -> Found for every name that starts with SYNCD_, known or not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dotenv.parser import parse_stream

from syncd.settings.values import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PREFIX = "SYNCD_"
ENV_FILE = "SYNCD_ENV_FILE"
SECRETS_DIR = "SYNCD_SECRETS_DIR"
CREDENTIALS_DIR = "CREDENTIALS_DIRECTORY"
CONTROLS = (ENV_FILE, SECRETS_DIR)
"""They say where settings are, and are none themselves."""
_OUR_LINE = re.compile(rf"\s*(?:export\s+)?({PREFIX}\w*)")
USUAL_ENV_FILES = (Path(".env"), Path("/etc/syncd/syncd.env"))


@dataclass(frozen=True, slots=True)
class Found:
    """A setting's text, and where it was found: `environment`, `credential FILE`, the env file's path or `preset NAME`.
    `parameter`: the variable whose value a preset gives it, as that is."""

    text: str = field(repr=False)
    origin: str
    parameter: str | None = None

    @property
    def is_credential(self) -> bool:
        return self.origin.startswith("credential ")


Place: TypeAlias = Mapping[str, Found]


def read(
    environ: Mapping[str, str], env_file: Path | None, usual_env_files: Sequence[Path], faults: list[str]
) -> list[Place]:
    """All places, the weakest first. What cannot be read is added to `faults`, and its place is empty."""
    written = _env_file(environ, env_file, usual_env_files, faults)
    given = {name: Found(text, "environment") for name, text in environ.items() if name.startswith(PREFIX)}
    secrets_dir = {**written, **given}.get(SECRETS_DIR, Found("", "")).text
    return [
        written,
        _directory(SECRETS_DIR, secrets_dir, faults),
        _directory(CREDENTIALS_DIR, environ.get(CREDENTIALS_DIR, ""), faults),
        given,
    ]


def _env_file(
    environ: Mapping[str, str], env_file: Path | None, usual: Sequence[Path], faults: list[str]
) -> dict[str, Found]:
    """The named file, which must be there; else the first usual one that is."""
    if env_file is not None:
        return _parsed("--env-file", env_file, faults)
    if environ.get(ENV_FILE):
        return _parsed(ENV_FILE, Path(environ[ENV_FILE]), faults)
    there = next((path for path in usual if _is_there(path)), None)
    return _parsed(ENV_FILE, there, faults) if there else {}


def _is_there(path: Path) -> bool:
    """Also where it must not be read, which is a fault to be told; not in a folder that must not be entered."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def _parsed(named_by: str, path: Path, faults: list[str]) -> dict[str, Found]:
    """The file's settings. Nothing is interpolated: a password may hold `${`."""
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


def _directory(named_by: str, directory: str, faults: list[str]) -> dict[str, Found]:
    """The files of a directory that are named like variables; each holds the value, and perhaps a newline."""
    if not directory:
        return {}
    try:
        paths = sorted(path for path in Path(directory).iterdir() if path.name.startswith(PREFIX))
    except OSError as error:
        faults.append(f"{named_by}: {directory} cannot be read: {error.strerror}")
        return {}
    return dict(_secrets(paths, faults))


def _secrets(paths: Sequence[Path], faults: list[str]) -> Iterator[tuple[str, Found]]:
    for path in paths:
        try:
            yield path.name, Found(readable(path).rstrip("\r\n"), f"credential {path}")
        except ValueError as error:
            faults.append(f"{path.name}: {error}")
