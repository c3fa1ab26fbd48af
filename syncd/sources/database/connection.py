"""A read-only connection to the shop's database: statements in, rows of raw values out, faults as SourceError.

Rows are read through the driver's own cursor, streamed, and put aside: no statement is open while anything is done with
them. SQLAlchemy's rows would cost twice the time, and one prototype that took the cursor out of a result that was
already streaming lost a row of a million.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, TextClause, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from syncd.errors import SourceError
from syncd.sources.database.dialects import CONNECT_SECONDS, DIALECTS, Dialect, Rows
from syncd.sources.database.query import Statement
from syncd.spool import Spool
from syncd.sql import Grammar, grammar_of

_SOME = 1000


class Database:
    """`redact` masks secrets in what drivers say. Every method may raise SourceError."""

    def __init__(self, url: str, init_sql: str | None, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._engine, self.dialect = self._open(url)
        self.grammar: Grammar = grammar_of(self._engine.dialect.name)
        self._init_sql = self.grammar.stripped(init_sql or "")
        self._faults = (SQLAlchemyError, self.dialect.driver.Error, OSError, UnicodeError)
        event.listen(self._engine, "connect", self._opened)

    @property
    def name(self) -> str:
        """The database for a person, without user or password."""
        url = self._engine.url
        where = f" at {url.host}" + (f":{url.port}" if url.port else "") if url.host else ""
        return f"{self._engine.dialect.name}{where}, {url.database or 'no database'}"

    def now(self) -> datetime:
        """The database's own clock, in UTC."""
        with self._connected() as connection:
            value = connection.execute(text(self.dialect.present)).scalar_one()
        now = datetime.fromisoformat(value) if isinstance(value, str) else value
        return now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)

    def describe(self, statement: Statement) -> list[tuple[str, object]]:
        """The names of a statement's columns, and their types as the driver codes them."""
        with self._connected() as connection:
            result = connection.execute(statement)
            assert result.cursor is not None
            return [
                (name, column[1]) for name, column in zip(result.keys(), result.cursor.description or (), strict=True)
            ]

    def rows(self, statement: Statement | TextClause) -> list[tuple[Any, ...]]:
        """All rows of a statement that gives few."""
        return [row for block in self.blocks(statement, _SOME) for row in block]

    def blocks(self, statement: Statement | TextClause, size: int) -> Iterator[Rows]:
        """All rows, `size` at a time, once the last one is read: by then the statement and its transaction are over.

        Until then an empty block comes for each block after the first. Whoever takes it must not be long, and may close
        the iterator to end the reading."""
        with closing(Spool()) as spool:
            for number, block in enumerate(self.streamed(statement, size)):
                if number:
                    yield ()
                spool.put(block)
            yield from spool.blocks()

    def streamed(self, statement: Statement | TextClause, size: int) -> Iterator[Rows]:
        """All rows as they arrive, `size` at a time. The statement is open until the last is taken or the iterator is
        closed, and the shop may be waiting: whoever takes them must not be long."""
        with self._connected() as connection:
            if not self.dialect.streams:
                result = connection.execution_options(stream_results=True).execute(statement)
                yield from ([tuple(row) for row in part] for part in result.partitions(size))
                return
            compiled = statement.compile(self._engine, compile_kwargs={"render_postcompile": True})
            values = compiled.params
            if compiled.positional:
                values = [values[name] for name in compiled.positiontup or ()]
            yield from self.dialect.blocks(connection.connection.driver_connection, str(compiled), values, size)

    def named_rows(self, statement: Statement | TextClause, *, prefix: str = "", before: str = "") -> list[RowMapping]:
        """The rows, by column name, of a statement about the database, or of one that explains a statement.

        `before`: a statement that gives no rows, run first in the same transaction.
        """
        with self._connected() as connection:
            if before:
                connection.exec_driver_sql(before)
            compiled = statement.compile(self._engine, compile_kwargs={"render_postcompile": True})
            values = compiled.params
            parameters = tuple(values[name] for name in compiled.positiontup or ()) if compiled.positional else values
            return [*connection.exec_driver_sql(prefix + str(compiled), parameters or None).mappings()]

    def close(self) -> None:
        self._engine.dispose()

    def _open(self, text_url: str) -> tuple[Engine, Dialect]:
        try:
            url = make_url(text_url)
            dialect = DIALECTS[url.get_backend_name()]
            engine = create_engine(
                dialect.adapted(url),
                connect_args=dict(dialect.connect_args),
                paramstyle=dialect.paramstyle,
                pool_size=2,  # one cancelled order may be looked up while another one is
                max_overflow=0,
                pool_timeout=CONNECT_SECONDS,
                pool_pre_ping=True,
                pool_recycle=dialect.recycle_seconds,
                pool_reset_on_return=None,  # `_roll_back` did: a second one, if it is cut then, is logged by the pool
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

    def _opened(self, connection: Any, _pool_entry: object) -> None:
        self.dialect.prepare(connection)
        if self._init_sql:
            try:
                self.dialect.execute(connection, self._init_sql)
                connection.commit()
            except self._faults as error:
                raise self._fault("refused SYNCD_SOURCE__INIT_SQL", error, "Mend that statement") from error

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """One transaction, which is rolled back: nothing is written."""
        try:
            connection = self._engine.connect()
        except self._faults as error:
            advice = "Check SYNCD_SOURCE__URL, and that the database runs and lets this host and user in"
            raise self._fault("cannot be reached", error, advice) from error
        except (TypeError, ValueError, LookupError, AttributeError, NotImplementedError) as error:
            # how drivers answer an argument that they cannot use; the settings know most of these
            advice = "Check what stands behind the ? in SYNCD_SOURCE__URL"
            raise self._fault(f"cannot be asked ({type(error).__name__})", error, advice) from error
        try:
            connection.begin()
            yield connection
        except self._faults as error:
            fault = self._read_fault(error, connection)
            connection.invalidate()
            raise fault from error
        except BaseException:
            connection.invalidate()  # an abandoned stream would have to be read to its end first
            raise
        else:
            self._roll_back(connection)
        finally:
            connection.close()

    def _roll_back(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except self._faults:  # it was cut, but only now that everything was read
            connection.invalidate()  # else the pool would try as well, and log that it cannot

    def _read_fault(self, error: Exception, connection: Connection) -> SourceError:
        if connection.invalidated or self._is_disconnect(error, connection):
            return self._fault("broke the connection", error, "The next poll tries again")
        advice = "Check SYNCD_SOURCE__QUERY, or a preset's SYNCD_SOURCE__PARAMS__…, and that the user may read all"
        if self.dialect.lacks_room(getattr(error, "orig", None) or error):
            advice = "It sorts in temporary files: see that there is room for them in TMPDIR, else /var/tmp or /tmp"
        return self._fault("did not answer the query", error, self._shown_instead(error, connection) + advice)

    def _shown_instead(self, error: Exception, connection: Connection) -> str:
        """What the login is shown where it was looking for a table that is not there, under another prefix, say."""
        missing = self.dialect.missing_table(getattr(error, "orig", None) or error)
        if missing is None or self.dialect.tables is None:
            return ""
        try:
            names = [str(row[0]) for row in connection.exec_driver_sql(self.dialect.tables)]
        except self._faults:
            return ""
        alike = get_close_matches(missing, names, n=3, cutoff=0.5) or sorted(names)[:3]
        more = f" and {len(names) - len(alike)} more" if len(names) > len(alike) else ""
        shown = f"{', '.join(alike)}{more}" if names else "no table at all"
        return f"It was asked for the table {missing}, and shows this user {shown}. "

    def _is_disconnect(self, error: Exception, connection: Connection) -> bool:
        driver_connection = connection.connection.dbapi_connection
        return isinstance(error, self.dialect.driver.Error) and self._engine.dialect.is_disconnect(
            error, driver_connection, None
        )

    def _fault(self, what: str, error: Exception, advice: str) -> SourceError:
        cause = getattr(error, "orig", None) or error
        said = str(cause.args[-1] if cause.args else cause).strip().partition("\n")[0]
        return SourceError(self._redact(f"the shop's database ({self.name}) {what}: {said}. {advice}."))
