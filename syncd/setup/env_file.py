"""The env file: what is in it, with some settings changed and every other line as it was, put in place whole or not at
all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream

from syncd.errors import SettingsError, SyncdError
from syncd.settings.setting_sources import Found, FoundSettings, written_settings

HEADING = "# Written by syncd init"
_BARE = re.compile(r"[\w@%+=:,./{}?&~!^()|<>-]*", re.ASCII)


def settings_in(path: Path) -> FoundSettings:
    """The settings of a file, none if it is not there: as it names them, and as they are meant where a group is JSON or
    a header's name has _ for -. A URL or key that still holds an <example> is none. SettingsError."""
    faults: list[str] = []
    places = written_settings({}, path if path.exists() else None, (), faults)
    if faults:
        raise SettingsError(faults)
    named = {name: Found(value, str(path)) for name, value in variables_in(read(path) or "").items()}
    return {name: found for name, found in {**named, **places[0]}.items() if not _is_example(name, found.text)}


def _is_example(name: str, text: str) -> bool:
    return name.endswith(("URL", "KEY")) and bool(re.search(r"<[\w .-]+>", text))


def variables_in(content: str) -> dict[str, str]:
    """The settings of an env file's text, as the loader reads them."""
    bindings = [*parse_stream(StringIO(content))]
    return {one.key: one.value or "" for one in bindings if one.key is not None and one.key.startswith("SYNCD_")}


def changed(content: str, changes: Mapping[str, str | None]) -> str:
    """The content with these settings, None: without. A setting takes the place of its line, or of the line that shows
    it as a comment; others come last."""
    left = dict(changes)
    lines = []
    for binding in parse_stream(StringIO(content)):
        original = binding.original.string
        if binding.key is None or binding.key not in changes:
            lines.append(original)
        else:
            value = left.pop(binding.key, None)
            start = original[: len(original) - len(original.lstrip())]
            lines.append(start if value is None else f"{start}{_line(binding.key, value)}")
    text = "".join(lines)
    for name, value in list(left.items()):
        shown = re.search(rf"^#{re.escape(name)}=.*$", text, re.MULTILINE)
        if value is not None and shown:
            text = text[: shown.start()] + _line(name, value).rstrip("\n") + text[shown.end() :]
            del left[name]
    new = "".join(_line(name, value) for name, value in left.items() if value is not None)
    if not new:
        return text
    text += "" if not text or text.endswith("\n") else "\n"
    return text + ("" if HEADING in text else f"{HEADING}\n") + new


def _line(name: str, value: str) -> str:
    if not _BARE.fullmatch(value):
        value = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"{name}={value}\n"


def kept_copy(path: Path) -> Path:
    """Where the old file is kept."""
    return path.with_name(f"{path.name}.before-init")


def read(path: Path) -> str | None:
    """The file's text; None: it is not there. SyncdError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SyncdError(f"{path} cannot be read: {getattr(error, 'strerror', 'it is not UTF-8')}") from error


def check_place(path: Path) -> None:
    """SyncdError: the file cannot be put there, so that nothing need be asked."""
    there = next(folder for folder in path.resolve().parents if folder.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise SyncdError(
            f"{path} cannot be written: {there} may not be changed. Run this command as root, or use --output"
        )


def write(path: Path, content: str, mode: int = 0o600) -> None:
    """Put the file in place, readable by its owner alone unless `mode` says otherwise; a file that is there keeps its
    owner. SyncdError: it cannot be written, and what was there is unchanged."""
    path = path.resolve()
    temporary = None
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if path.exists() and os.geteuid() == 0:
            os.chown(temporary, path.stat().st_uid, path.stat().st_gid)
        os.replace(temporary, path)  # noqa: PTH105 - mkstemp gives the name as text
        temporary = None
    except OSError as error:
        advice = "Run this command as root" if isinstance(error, PermissionError) else "Nothing was changed"
        raise SyncdError(f"{path} cannot be written: {error.strerror}. {advice}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 - as above


def put_in_place(path: Path, content: str) -> Path | None:
    """Keep the old file beside the new one; where it is kept, or None if there was none. SyncdError."""
    before = read(path)
    if before is not None:
        write(kept_copy(path.resolve()), before)
    write(path, content)
    return None if before is None else kept_copy(path.resolve())
