"""A login that only reads the few tables that syncd needs: created by a login that may, and dropped if it comes to
nothing. What is not created can be printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from syncd.errors import SyncdError
from syncd.redact import Redactor
from syncd.settings import masking
from syncd.settings import urls as urls_of
from syncd.setup.shop_database import Readable, ShopDatabase
from syncd.sources.database.dialects import DIALECTS

NAMES = ("syncd", *(f"syncd_{number}" for number in range(2, 100)))
_LIMITS: Mapping[str, Mapping[str, Any]] = {
    "postgresql": {"connect_timeout": 10, "options": "-c statement_timeout=60000"},
    **{kind: {"connect_timeout": 10, "read_timeout": 60, "write_timeout": 60} for kind in ("mysql", "mariadb")},
}
"""How long to wait, as the drivers take it."""
_IS_THERE = ("1396", "42710")
"""The errors of MariaDB and PostgreSQL for a login that exists."""


class LoginRefusedError(SyncdError):
    """A login may not create logins, or cannot connect."""


@dataclass(frozen=True, slots=True)
class ReadLogin:
    """A login to be created. `host`: from where it connects, for MariaDB and MySQL."""

    name: str
    password: str = field(repr=False)
    host: str | None
    database: str
    tables: Sequence[Readable]

    @property
    def grantee(self) -> str:
        return _name(self.name) if self.host is None else f"{_literal(self.name)}@{_literal(self.host)}"

    def statements(self, *, masked: bool = False) -> list[str]:
        """Those that create it."""
        password = _literal("***" if masked else self.password)
        if self.host is None:
            made = [
                f"CREATE ROLE {self.grantee} LOGIN PASSWORD {password}",
                f"GRANT CONNECT ON DATABASE {_name(self.database)} TO {self.grantee}",
                f"GRANT USAGE ON SCHEMA {', '.join(self._schemas())} TO {self.grantee}",
            ]
        else:
            made = [f"CREATE USER {self.grantee} IDENTIFIED BY {password}"]
        return [*made, *(self._grant(table) for table in self.tables)]

    def removal(self) -> list[str]:
        """The statements that remove it."""
        if self.host is None:
            return [f"DROP OWNED BY {self.grantee}", f"DROP ROLE {self.grantee}"]
        return [f"DROP USER {self.grantee}"]

    def _schemas(self) -> list[str]:
        named = [one.table.split(".")[0] for one in self.tables if "." in one.table]
        return [*dict.fromkeys(["public", *named])]

    def _grant(self, readable: Readable) -> str:
        columns = f" ({readable.columns})" if readable.columns else ""
        is_whole = self.host is None or "." in readable.table
        table = readable.table if is_whole else f"`{self.database.replace('`', '``')}`.{readable.table}"
        return f"GRANT SELECT{columns} ON {table} TO {self.grantee}"


def _literal(written: str) -> str:
    escaped = written.replace("\\", "\\\\") if "\\" in written else written
    return "'" + escaped.replace("'", "''") + "'"


def _name(written: str) -> str:
    return '"' + written.replace('"', '""') + '"'


def left_login(url: str) -> ReadLogin | None:
    """The login of this URL if it has a name that `syncd init` gives, as its database knows it. None: it has not, or
    the database cannot be asked."""
    parsed = make_url(urls_of.source_url(url))
    if parsed.username is None or not re.fullmatch(r"syncd(_\w+)?", parsed.username):
        return None
    database = ShopDatabase(url)
    try:
        host = str(database.value(["SELECT CURRENT_USER()"], "")).rpartition("@")[2] if database.is_mariadb else None
    finally:
        database.close()
    return None if host == "None" else ReadLogin(parsed.username, "", host, str(parsed.database), ())


class Administrator:
    """A login that may create logins, as long as the context lives. LoginRefusedError."""

    def __init__(self, connection: Connection, redact: Callable[[str], str]) -> None:
        self._connection = connection
        self._redact = redact

    @classmethod
    @contextmanager
    def connected(cls, urls: Sequence[str]) -> Iterator[Administrator]:
        """By the first of the URLs that works."""
        redact = Redactor(secret for url in urls for secret in masking.database_secrets(url))
        errors = []
        for url in urls:
            with_driver = make_url(urls_of.source_url(url))
            backend = with_driver.get_backend_name()
            limits = _LIMITS.get(backend, {})
            engine = create_engine(
                DIALECTS[backend].driver_url(with_driver),
                poolclass=NullPool,
                isolation_level="AUTOCOMMIT",
                connect_args=dict(limits),
            )
            try:
                connection = engine.connect()
            except (SQLAlchemyError, OSError, RuntimeError) as error:  # a driver that lacks a package
                errors.append(_why(error, redact))
                continue
            with connection:
                yield cls(connection, redact)
            return
        name = make_url(urls[-1]).username or ""
        raise LoginRefusedError(f"the login {name} that is to create a login cannot connect: {errors[-1]}")

    def create(self, wanted: ReadLogin) -> ReadLogin:
        """The login as it was created: under another name if that one is taken, for it may be in use."""
        for name in dict.fromkeys((wanted.name, *NAMES)):
            login = ReadLogin(name, wanted.password, wanted.host, wanted.database, wanted.tables)
            first, *others = login.statements()
            try:
                self._run(first)
            except SQLAlchemyError as error:
                if _is_there(error):
                    continue
                raise self._refused("may not create logins", error) from error
            try:
                for statement in others:
                    self._run(statement)
            except BaseException as error:
                self.remove(login)
                if not isinstance(error, SQLAlchemyError):
                    raise
                raise self._refused("may not grant reading", error) from error
            return login
        raise LoginRefusedError(
            f"logins named {NAMES[0]} to {NAMES[-1]} are there already; drop those that are not used"
        )

    def remove(self, login: ReadLogin) -> None:
        """LoginRefusedError."""
        for statement in login.removal():
            try:
                self._run(statement)
            except SQLAlchemyError as error:
                raise LoginRefusedError(f"{statement}: {_why(error, self._redact)}") from error

    def _refused(self, what: str, error: SQLAlchemyError) -> LoginRefusedError:
        return LoginRefusedError(
            f"the login {self._connection.engine.url.username} {what}: {_why(error, self._redact)}. Name one that may "
            "with --admin-user; or one that reads already with --reader-user; or take the shop's own with --shop-login"
        )

    def _run(self, statement: str) -> None:
        self._connection.exec_driver_sql(statement.replace("%", "%%"))


def _is_there(error: SQLAlchemyError) -> bool:
    driver = getattr(error, "orig", None)
    codes = [getattr(driver, "sqlstate", None), *getattr(driver, "args", ())[:1]]
    return any(str(code) in _IS_THERE for code in codes)


def _why(error: Exception, redact: Callable[[str], str]) -> str:
    return redact(" ".join(str(getattr(error, "orig", None) or error).split()))
