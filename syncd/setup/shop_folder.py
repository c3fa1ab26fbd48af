"""The shop on this machine: its folder by its files, and its database by its configuration, which is read, not run."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from syncd.errors import SyncdError
from syncd.setup.php_files import read_php
from syncd.setup.php_literals import Computed, Value
from syncd.setup.platforms import PLATFORMS, Configuration, ShopPlatform

WEB_ROOTS = ("/var/www", "/home/bitrix", "/srv/www", "/srv/http", "/usr/share/nginx", "/var/www/vhosts", "/home")
DEEPEST = 3
MOST_FOLDERS = 5000
LARGEST = 1_000_000
_PASSED_OVER = {"node_modules", "vendor", "cache", "upload", "uploads", "image", "images", "img", "logs", "tmp", "var"}
_NOT_READ = {"wp-settings.php", "autoload.php"}
"""Files that configurations include, and that are the shop's program rather than its configuration."""
_PHP_INI = ("/etc/php.d/*.ini", "/etc/php.ini", "/etc/php/*/fpm/php.ini", "/etc/php/*/apache2/php.ini")


@dataclass(frozen=True, slots=True)
class FoundShop:
    platform: ShopPlatform
    folder: Path
    configuration: Configuration

    @property
    def file(self) -> Path:
        """The configuration, wherever links lead."""
        return (self.folder / self.configuration.file).resolve()


@dataclass(frozen=True, slots=True)
class ShopConfig:
    """How the shop itself reaches its database. `unknown`: the parts that only PHP could know."""

    known: Mapping[str, str]
    unknown: Mapping[str, Computed]


def find_shops(folders: Iterable[Path]) -> list[FoundShop]:
    """The shops in these folders and below, each once. Folders that may not be read are passed over."""
    found = [shop for folder in _folders(folders) for platform in PLATFORMS if (shop := _shop(platform, folder))]
    return list({(shop.platform.preset, shop.file): shop for shop in reversed(found)}.values())[::-1]


def _folders(roots: Iterable[Path]) -> Iterator[Path]:
    """`roots` and what is below, the nearest first."""
    level, count = [root.absolute() for root in roots], 0
    for _ in range(DEEPEST + 1):
        below: list[Path] = []
        for folder in level:
            count += 1
            if count > MOST_FOLDERS:
                return
            yield folder
            below += _subfolders(folder)
        level = below


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except OSError:
        return []
    return [folder / name for name in names if not name.startswith(".") and name not in _PASSED_OVER]


def _shop(platform: ShopPlatform, folder: Path) -> FoundShop | None:
    if not all(_is_there(folder / mark) for mark in platform.marks):
        return None
    there = [one for one in platform.configurations if _is_there(folder / one.file)]
    return FoundShop(platform, folder, there[0]) if there else None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def read_configuration(shop: FoundShop, environ: Mapping[str, str]) -> ShopConfig:
    """SyncdError: the file cannot be read."""
    path = shop.folder / shop.configuration.file
    try:
        text = _text(path)
    except OSError as error:
        raise SyncdError(f"{path} cannot be read: {error.strerror}. Run this command as root") from error
    read = read_php(text, str(path.resolve()), environ, _included)
    values = {name: read.look_up(where) for name, where in shop.configuration.values.items()}
    known = {name: setting for name, value in values.items() if (setting := _setting(value)) is not None}
    unknown = {name: value for name, value in values.items() if isinstance(value, Computed)}
    return ShopConfig({**known, **_split_host(known.get("host"))}, unknown)


def _setting(value: Value) -> str | None:
    if isinstance(value, bool | Computed | dict | None):
        return None
    return str(value)


def _split_host(host: str | None) -> dict[str, str]:
    """`localhost:3307`, `localhost:/run/mysqld/mysqld.sock`, `[::1]:3306`: the parts that PHP takes them for."""
    if host is None:
        return {}
    parts = re.fullmatch(
        r"(?:p:)?(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:]*))(?::(?:(?P<port>[0-9]+)|(?P<socket>/.*)))?", host
    )
    if parts is None:  # an address of IPv6 without brackets
        return {}
    found = {"host": parts["v6"] or parts["host"] or "localhost", "port": parts["port"], "socket": parts["socket"]}
    return {name: text for name, text in found.items() if text}


def _included(path: str) -> str | None:
    try:
        return None if Path(path).name in _NOT_READ else _text(Path(path))
    except OSError:
        return None


def _text(path: Path) -> str:
    """OSError, also for what is no file: reading a pipe would never end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file")
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.read(LARGEST)


def likely_zone(php_ini: Sequence[str] = _PHP_INI, localtime: Path = Path("/etc/localtime")) -> str | None:
    """The time zone of PHP on this machine, or else that of the machine. None: neither is set."""
    for pattern in php_ini:
        for path in sorted(Path("/").glob(pattern.lstrip("/"))):
            try:
                found = re.search(r"^\s*date\.timezone\s*=\s*[\"']?([A-Za-z_]+/[\w/+-]+)", _text(path), re.MULTILINE)
            except OSError:
                continue
            if found:
                return found[1]
    name = str(localtime.resolve()).partition("/zoneinfo/")[2]
    return name if "/" in name and not name.startswith("Etc/") else None
