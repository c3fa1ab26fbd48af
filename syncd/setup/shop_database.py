"""The shop's database as `syncd init` asks it: which shops are in it, what their own settings say, what a login must be
allowed to read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url, text

from syncd.doctor.database_inspection import write_privileges
from syncd.errors import SourceError, SyncdError
from syncd.redact import Redactor
from syncd.settings import masking, urls
from syncd.settings.presets import Preset
from syncd.setup.platforms import PLATFORMS, ShopPlatform
from syncd.sources.database.connection import Database

SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")  # noqa: S108
_GRANT = re.compile(r"GRANT SELECT(?: \(([^)]*)\))? ON shop\.(\w+) TO")
_TABLES_OF_QUERY = re.compile(
    r"\b(?:FROM|JOIN)\s+((?:[\w$]+|\"[^\"]+\"|`[^`]+`)(?:\.(?:[\w$]+|\"[^\"]+\"|`[^`]+`))?)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class ShopInDatabase:
    platform: ShopPlatform
    prefix: str


@dataclass(frozen=True, slots=True)
class Readable:
    """A table that a login must be allowed to read, as SQL writes it; `columns`: only these of it."""

    table: str
    columns: str | None = None


class ShopDatabase:
    """Every method may raise SourceError. Nothing is written."""

    def __init__(self, url: str) -> None:
        """ValueError: it is not the URL of a database."""
        self.url = url
        with_driver = urls.source_url(url)
        self._database = Database(with_driver, None, Redactor(masking.database_secrets(with_driver)))
        kind = make_url(with_driver).get_backend_name()
        self.is_mariadb = kind in ("mysql", "mariadb")
        self.has_logins = kind != "sqlite"

    @property
    def name(self) -> str:
        return self._database.name

    def tables(self) -> set[str]:
        """Those that the login is shown."""
        statement = self._database.dialect.tables
        return {str(name) for (name,) in self._database.rows(text(statement))} if statement else set()

    def value(self, selects: Sequence[str], prefix: str) -> str | None:
        """The first value that one of the SELECTs gives. A table that is not there, or not shown, gives none."""
        for select in selects:
            with suppress(SourceError):
                for row in self._database.rows(text(select.replace("{p}", prefix))):
                    if row[0] not in (None, ""):
                        return str(row[0])
        return None

    def client_host(self) -> str:
        """This machine as MariaDB knows it in the names of logins."""
        ((user,),) = self._database.rows(text("SELECT USER()"))
        return str(user).rpartition("@")[2]

    def may_write(self) -> bool:
        """False also if that cannot be told."""
        return bool(write_privileges(self._database))

    def close(self) -> None:
        self._database.close()


def connected(candidates: Sequence[str]) -> ShopDatabase:
    """The first of these URLs that can be connected to. SourceError says why the last one cannot."""
    *others, last = candidates
    for url in others:
        database = ShopDatabase(url)
        try:
            database.tables()
        except SourceError:
            database.close()
        else:
            return database
    database = ShopDatabase(last)
    database.tables()
    return database


def database_urls(known: Mapping[str, str], sockets: Sequence[str] = SOCKETS) -> list[str]:
    """The URLs that a shop's configuration may mean, the likeliest first: for PHP `localhost` is a socket."""
    url = URL.create(
        "mysql",
        known.get("user") or None,
        known.get("password"),
        known.get("host") or "localhost",
        int(known["port"]) if known.get("port", "").isdigit() else None,
        known.get("database"),
    )
    if known.get("socket"):
        found = [url._replace(port=None).set(host="localhost", query={"unix_socket": known["socket"]})]
    elif url.host == "localhost":
        there = [one for one in sockets if Path(one).exists()]
        by_socket = [url._replace(port=None).set(query={"unix_socket": one}) for one in there]
        found = [*by_socket, url.set(host="127.0.0.1")]
    else:
        found = [url]
    return [one.render_as_string(hide_password=False) for one in found]


def shops_in(tables: Collection[str]) -> list[ShopInDatabase]:
    """The shops that have these tables."""
    return [
        ShopInDatabase(platform, prefix)
        for platform in PLATFORMS
        for prefix in sorted(_prefixes(platform, tables))
        if all(f"{prefix}{name}" in tables for name in platform.tables)
    ]


def _prefixes(platform: ShopPlatform, tables: Collection[str]) -> set[str]:
    first = platform.tables[0]
    if not platform.has_prefix:
        return {""}
    return {name.removesuffix(first) for name in tables if re.fullmatch(rf"\w*{first}", name, re.ASCII)}


def wanted_tables(preset: Preset, preset_text: str, shop: ShopInDatabase, tables: Collection[str]) -> list[Readable]:
    """What the preset's head says a login reads, of the tables that are there."""
    usual = preset.params["prefix"].default or "" if shop.platform.has_prefix else ""
    named = [(f"{shop.prefix}{name.removeprefix(usual)}", columns) for columns, name in _GRANT.findall(preset_text)]
    return [Readable(f"`{name}`", columns or None) for name, columns in named if name in tables]


def tables_of_query(query: str) -> list[Readable]:
    """What stands behind FROM and JOIN, but for the query's own names (WITH)."""
    own = {name.lower() for name in re.findall(r"(\w+)\s+AS\s*\(\s*SELECT", query, re.IGNORECASE)}
    found = dict.fromkeys(name for name in _TABLES_OF_QUERY.findall(query) if name.lower() not in own)
    return [Readable(name) for name in found]


def found_params(database: ShopDatabase, preset: Preset, shop: ShopInDatabase) -> dict[str, str]:
    """Parameter -> value, for those that the shop's own settings know, and that the preset takes."""
    found = {name: database.value(selects, shop.prefix) for name, selects in shop.platform.found.items()}
    known = {name: value for name, value in found.items() if value is not None and name in preset.params}
    fitting = {name: value for name, value in known.items() if preset.params[name].fault(value) is None}
    return fitting | ({"prefix": shop.prefix} if shop.platform.has_prefix else {})


def preset_of(database: ShopDatabase, shop: ShopInDatabase) -> str:
    """The preset for the shop's version."""
    if shop.platform.older and database.value([shop.platform.older[1]], shop.prefix) == "1":
        return shop.platform.older[0]
    return shop.platform.preset


def choose_shop(found: Sequence[ShopInDatabase], wanted: ShopPlatform | None, prefix: str | None) -> ShopInDatabase:
    """The one that the shop's configuration means. SyncdError: it is not there, or it is one of several."""
    of_platform = [shop for shop in found if wanted is None or shop.platform is wanted]
    exact = [shop for shop in of_platform if prefix is None or shop.prefix == prefix]
    if len(exact) == 1:
        return exact[0]
    listed = ", ".join(f"{shop.platform.preset} ({shop.prefix or 'no prefix'})" for shop in exact or found)
    if exact:
        raise SyncdError(f"the database holds several shops: {listed}. Name one: --param prefix=PREFIX, --preset NAME")
    what = f"no tables of {wanted.preset}" if wanted else "no tables of a platform that syncd knows"
    with_prefix = f" with the prefix {prefix!r}" if prefix is not None else ""
    there = f"it holds {listed}: --param prefix=PREFIX" if found else "with a SELECT of your own: --query-file FILE"
    raise SyncdError(f"the database has {what}{with_prefix}; {there}")
