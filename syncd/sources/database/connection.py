"""A read-only connection to the shop's database: statements in, rows of raw values out, errors as SourceError.

Rows are streamed through the driver's own cursor and spooled, so that no statement is open while they are processed.
SQLAlchemy's rows would take twice the time; and a prototype that took the cursor out of a result that was already
streaming lost one row of a million.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, TextClause, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from syncd.errors import SourceError
from syncd.sources.database.dialects import CONNECT_SECONDS, DIALECTS, Dialect
from syncd.sources.database.query import Statement
from syncd.spool import Rows, Spool
from syncd.sql import Grammar, grammar_of

_BLOCK = 1000

_REFUSED_LOGIN = re.compile(
    r"access denied|authentication failed|login failed|no pg_hba\.conf entry|role .* does not exist|ORA-01017",
    re.IGNORECASE,
)


class Database:
    """`init_sql`: statements for each new connection. `redact` masks secrets in the messages of drivers. Every method
    may raise SourceError."""

    def __init__(self, url: str, init_sql: str | None, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._engine, self.dialect = self._create_engine(url)
        self.grammar: Grammar = grammar_of(self._engine.dialect.name)
        self._init_sql = self.grammar.stripped(init_sql or "")
        self._faults = (SQLAlchemyError, self.dialect.driver.Error, OSError, UnicodeError)
        event.listen(self._engine, "connect", self._prepare)

    @property
    def name(self) -> str:
        """The database for a person, without user or password."""
        url = self._engine.url
        where = f" at {url.host}" + (f":{url.port}" if url.port else "") if url.host else ""
        return f"{self._engine.dialect.name}{where}, {url.database or 'no database'}"

    def now(self) -> datetime:
        """The database's own clock, in UTC."""
        with self._connected() as connection:
            value = connection.execute(text(self.dialect.now)).scalar_one()
        now = datetime.fromisoformat(value) if isinstance(value, str) else value
        return now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)

    def describe(self, statement: Statement) -> list[tuple[str, object]]:
        """The names of a statement's columns, and their types in the driver's codes."""
        with self._connected() as connection:
            result = connection.execute(statement)
            assert result.cursor is not None
            return [
                (name, column[1]) for name, column in zip(result.keys(), result.cursor.description or (), strict=True)
            ]

    def rows(self, statement: Statement | TextClause) -> list[tuple[Any, ...]]:
        """All rows of a statement that gives few of them."""
        return [row for block in self.blocks(statement, _BLOCK) for row in block]

    def blocks(self, statement: Statement | TextClause, size: int) -> Iterator[Rows]:
        """All rows, `size` at a time, after the last one is read: then the statement and its transaction are over.

        Until then an empty block comes for each block after the first. The caller must not take long with it, and may
        close the iterator to stop reading."""
        with closing(Spool()) as spool:
            for number, block in enumerate(self.streamed(statement, size)):
                if number:
                    yield ()
                spool.put(block)
            yield from spool.blocks()

    def streamed(self, statement: Statement | TextClause, size: int) -> Iterator[Rows]:
        """All rows as they arrive, `size` at a time. The statement is open until the last block is taken or the
        iterator is closed, and may block the shop meanwhile: the caller must not take long."""
        with self._connected() as connection:
            if not self.dialect.streams:
                result = connection.execution_options(stream_results=True).execute(statement)
                yield from ([tuple(row) for row in part] for part in result.partitions(size))
                return
            sql, values = self._compiled(statement)
            yield from self.dialect.blocks(connection.connection.driver_connection, sql, values, size)

    def named_rows(self, statement: Statement | TextClause, *, prefix: str = "", before: str = "") -> list[RowMapping]:
        """All rows, by column name, of a statement that gives few of them. `prefix`: SQL before it, such as EXPLAIN.
        `before`: a statement that gives no rows, run first in the same transaction."""
        with self._connected() as connection:
            if before:
                connection.exec_driver_sql(before)
            sql, values = self._compiled(statement)
            return [*connection.exec_driver_sql(prefix + sql, values or None).mappings()]

    def close(self) -> None:
        self._engine.dispose()

    def _compiled(self, statement: Statement | TextClause) -> tuple[str, Any]:
        """The SQL for the driver and the values of its parameters, as the driver takes them."""
        compiled = statement.compile(self._engine, compile_kwargs={"render_postcompile": True})
        values = compiled.params
        if compiled.positional:
            return str(compiled), tuple(values[name] for name in compiled.positiontup or ())
        return str(compiled), values

    def _create_engine(self, text_url: str) -> tuple[Engine, Dialect]:
        try:
            url = make_url(text_url)
            dialect = DIALECTS[url.get_backend_name()]
            engine = create_engine(
                dialect.driver_url(url),
                connect_args=dict(dialect.connect_args),
                paramstyle=dialect.paramstyle,
                pool_size=2,  # two cancelled orders may be looked up at the same time
                max_overflow=0,
                pool_timeout=CONNECT_SECONDS,
                pool_pre_ping=True,
                pool_recycle=dialect.recycle_seconds,
                pool_reset_on_return=None,  # `_connected` rolls back; if a second one fails, the pool logs it
                hide_parameters=True,
            )
        except (KeyError, ArgumentError, ValueError) as error:
            raise SourceError(
                "SYNCD_SOURCE__URL is not the URL of a database that can be read; write it in the form "
                "driver://user:password@host/database, where driver is one of " + ", ".join(DIALECTS)
            ) from error
        except ModuleNotFoundError as error:
            raise SourceError(
                f"the driver {error.name} for the shop's database is not installed; install it with: "
                f"pip install 'syncd[{url.get_backend_name()}]'"
            ) from error
        return engine, dialect(engine.dialect.loaded_dbapi)

    def _prepare(self, connection: Any, _pool_entry: object) -> None:
        self.dialect.prepare(connection)
        if self._init_sql:
            try:
                self.dialect.execute(connection, self._init_sql)
                connection.commit()
            except self._faults as error:
                raise self._error("refused SYNCD_SOURCE__INIT_SQL", error, "Correct that statement") from error

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection in a transaction, which is rolled back: nothing is written."""
        try:
            connection = self._engine.connect()
        except self._faults as error:
            if _REFUSED_LOGIN.search(str(getattr(error, "orig", None) or error)):
                advice = "Correct user and password in SYNCD_SOURCE__URL, or that user's rights; then restart syncd"
                raise self._error("refuses the login", error, advice) from error
            advice = "Check SYNCD_SOURCE__URL, and that the database runs and admits this host"
            raise self._error("cannot be reached", error, advice) from error
        except (TypeError, ValueError, LookupError, AttributeError, NotImplementedError) as error:
            # how drivers refuse an argument of the URL that they do not know; the settings refuse most of these
            advice = "Check what stands after the ? in SYNCD_SOURCE__URL"
            raise self._error(f"cannot be reached ({type(error).__name__})", error, advice) from error
        except RuntimeError as error:  # PyMySQL cannot send a password to a server of MySQL 8 without TLS
            advice = "Install that package beside syncd with pip, or let the server use TLS"
            raise self._error("cannot be reached", error, advice) from error
        try:
            connection.begin()
            yield connection
        except self._faults as error:
            read_error = self._read_error(error, connection)
            connection.invalidate()
            raise read_error from error
        except BaseException:
            connection.invalidate()  # to roll back, an abandoned stream would have to be read to its end first
            raise
        else:
            try:
                connection.rollback()
            except self._faults:  # the connection was cut, but only after everything was read
                connection.invalidate()  # else the pool would roll back too, and log that it cannot
        finally:
            connection.close()

    def _read_error(self, error: Exception, connection: Connection) -> SourceError:
        # SQLAlchemy knows of a cut that it met itself, and gives no driver's connection after it.
        is_cut = connection.invalidated or (
            isinstance(error, self.dialect.driver.Error)
            and self._engine.dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
        )
        if is_cut:
            return self._error("broke the connection", error, "The next poll tries again")
        advice = "Check SYNCD_SOURCE__QUERY, or a preset's SYNCD_SOURCE__PARAMS__…, and that the user may read all"
        if self.dialect.lacks_room(getattr(error, "orig", None) or error):
            advice = "It sorts in temporary files: make room for them in TMPDIR, else /var/tmp or /tmp"
        return self._error("did not answer the query", error, self._other_tables(error, connection) + advice)

    def _other_tables(self, error: Exception, connection: Connection) -> str:
        """If a table is missing: those that the login can see instead, which may have another prefix."""
        missing = self.dialect.missing_table(getattr(error, "orig", None) or error)
        if missing is None or self.dialect.tables is None:
            return ""
        try:
            names = [str(row[0]) for row in connection.exec_driver_sql(self.dialect.tables)]
        except self._faults:
            return ""
        alike = get_close_matches(missing, names, n=3, cutoff=0.5) or sorted(names)[:3]
        more = f" and {len(names) - len(alike)} more" if len(names) > len(alike) else ""
        shown = f"{', '.join(alike)}{more}" if names else "no table"
        return f"The query reads the table {missing}; this user can see {shown}. "

    def _error(self, what: str, error: Exception, advice: str) -> SourceError:
        cause = getattr(error, "orig", None) or error
        message = str(cause.args[-1] if cause.args else cause).strip().partition("\n")[0]
        return SourceError(self._redact(f"the shop's database ({self.name}) {what}: {message}. {advice}."))
