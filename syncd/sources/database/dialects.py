"""What differs between databases: how a session is prepared, how rows are streamed, how the time is read.

Every wait has a limit: 10 s to connect, 5 minutes for a statement. Sessions are read-only if the database can do that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any, ClassVar
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import URL, ColumnElement, Text, bindparam, cast, or_
from sqlalchemy.types import NullType

from syncd.spool import Rows

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 300

Driver = Any
"""A driver's module or connection: they have no common type."""

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_LENIENT_TEXT = partial(str, encoding="utf-8", errors="replace")


class Dialect:
    """A kind of database. This one is read through SQLAlchemy alone: it neither streams nor is known any closer.

    `type_code`: the type of a column as the driver's cursor describes it. `error`: the driver's own exception.
    """

    connect_args: ClassVar[Mapping[str, Any]] = {}
    session: ClassVar[Sequence[str]] = ()
    """Statements for each new connection."""
    now = "SELECT CURRENT_TIMESTAMP"
    """The database's own clock: with an offset, or in UTC."""
    tables: str | None = None
    """A SELECT of the names of all tables that the login can see. None: not known."""
    before_all: object = "1970-01-02 00:00:00"
    """A value before every `updated_at`, whatever its type."""
    streams = False
    """Whether `blocks` is implemented."""
    recycle_seconds = 1800
    """How old a connection may be to be used again."""
    times: ClassVar[Mapping[str, str]] = {}
    """Form of a value, as `timestamps.looks_like` names it -> expression that makes a time of the value `{}`."""
    paramstyle: str | None = None
    """How SQLAlchemy writes parameters, if not in the driver's default way."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    @classmethod
    def driver_url(cls, url: URL) -> URL:
        """The URL as the driver needs it."""
        return url

    def prepare(self, connection: Driver) -> None:
        """Prepare the session of a driver's new connection."""
        for statement in self.session:
            self.execute(connection, statement)
        connection.commit()

    def execute(self, connection: Driver, sql: str) -> None:
        """Run statements that give no rows."""
        cursor = connection.cursor()
        cursor.execute(sql)
        cursor.close()

    def missing_table(self, _error: BaseException) -> str | None:
        """The table that the error says is missing or not visible to this user. None: it says something else."""
        return None

    def lacks_room(self, _error: BaseException) -> bool:
        """Whether the error says that this machine's disk is full."""
        return False

    def before_all_of(self, _type_code: object) -> object:
        """A value before every `updated_at` of this type."""
        return self.before_all

    def is_never(self, column: ColumnElement[Any], before_all: object) -> ColumnElement[bool]:
        """Whether an `updated_at` is a value that shops write for "never"."""
        return column <= bindparam(None, before_all, type_=NullType())

    def holds_numbers(self, _type_code: object) -> bool:
        """Whether a column of this type has numbers. False: it is not certain."""
        return False

    def has_order(self, _type_code: object) -> bool:
        """Whether the database can sort a column of this type."""
        return True

    @classmethod
    def raw_values(cls, text: str, like: object) -> Sequence[object]:
        """The values that may stand for the text in a column of the type of `like`, a value of that column."""
        try:
            match like:
                case bool() | int():
                    return [number] if _WHOLE.fullmatch(text) and (number := int(text)).bit_length() < 64 else []
                case float() | Decimal():
                    return [Decimal(text)] if _WHOLE.fullmatch(text) or _DECIMAL.fullmatch(text) else []
                case UUID():
                    return [UUID(text)]
                case bytes():  # BINARY(n) is padded with NUL; a UUID in it has no dashes
                    given = text.encode()
                    hexadecimal = [bytes.fromhex(text)] if _HEX.fullmatch(text) else []
                    return [given, given.ljust(len(like), b"\0"), *hexadecimal]
        except (ValueError, ArithmeticError):
            return []
        return [text]

    @classmethod
    def digits_shown(cls, _cursor: Driver) -> int:
        """How many digits at least the database shows of a number in the only column of these rows."""
        return 0

    def blocks(self, connection: Driver, sql: str, values: Any, size: int) -> Iterator[Rows]:
        """The rows as they arrive, `size` at a time."""
        raise NotImplementedError


_SQLITE_DATE = "substr({0}, 1, 4) || '-' || substr({0}, 5, 2) || '-' || substr({0}, 7, 2)"
_SQLITE_MINUTE = f"{_SQLITE_DATE} || ' ' || substr({{0}}, 9, 2) || ':' || substr({{0}}, 11, 2)"


class SQLite(Dialect):
    paramstyle = "named"  # with positional ones SQLAlchemy would replace a %(x)s in a literal too
    recycle_seconds = 0  # a kept connection goes on reading a file that was replaced
    connect_args: ClassVar = {"timeout": CONNECT_SECONDS}
    session: ClassVar = ["PRAGMA query_only = ON"]
    now = "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"
    before_all = 0  # sorts before all text, and before all numbers that can be a time
    times: ClassVar = {
        "yyyymmdd": _SQLITE_DATE,
        "yyyymmddhhmm": _SQLITE_MINUTE,
        "yyyymmddhhmmss": f"{_SQLITE_MINUTE} || ':' || substr({{0}}, 13, 2)",
        "day count": "datetime({0} + 2415018.5)",
        "Julian day": "datetime({0})",
    }
    streams = True

    @classmethod
    def driver_url(cls, url: URL) -> URL:
        """Without creating a file that is not there. Not `mode=ro`: in WAL mode readers write too."""
        path = url.database or ""
        if not path or path == ":memory:" or path.startswith("file:"):
            return url
        return url.set(database=f"file:{quote(path)}", query={**url.query, "mode": "rw", "uri": "true"})

    def execute(self, connection: Driver, sql: str) -> None:
        connection.executescript(sql)

    def lacks_room(self, error: BaseException) -> bool:
        return getattr(error, "sqlite_errorname", None) in ("SQLITE_FULL", "SQLITE_IOERR_WRITE")

    @classmethod
    def raw_values(cls, text: str, like: object) -> Sequence[object]:
        """A column holds values of any type: COALESCE(number, id) is text in one row and an integer in the next."""
        found: list[object] = [text, text.encode()]
        if _WHOLE.fullmatch(text):
            found += super().raw_values(text, 0)
        if _WHOLE.fullmatch(text) or _DECIMAL.fullmatch(text):
            found.append(float(text))
        if _HEX.fullmatch(text):
            found.append(bytes.fromhex(text))
        return found

    def is_never(self, column: ColumnElement[Any], before_all: object) -> ColumnElement[bool]:
        """SQLite sorts every number before every text, so a comparison cannot tell."""
        return or_(cast(column, Text).like("0000-00-00%"), cast(column, Text).like("1970-01-01%"), column == 0)

    def blocks(self, connection: Driver, sql: str, values: Any, size: int) -> Iterator[Rows]:
        """Text that is not UTF-8 makes a whole block fail: then the rest is read again from the same snapshot, with
        such text replaced. Replacing it from the start would take a third longer."""
        connection.execute("BEGIN")
        cursor, read = connection.execute(sql, values), 0
        while True:
            try:
                block = cursor.fetchmany(size)
            except self.driver.OperationalError as error:
                if connection.text_factory is _LENIENT_TEXT or "decode" not in str(error):
                    raise
                connection.text_factory = _LENIENT_TEXT
                cursor = connection.execute(sql, values)
                block = list(islice(cursor, read, read + size))
            if not block:
                return
            read += len(block)
            yield block


class MariaDB(Dialect):
    """MariaDB and MySQL."""

    connect_args: ClassVar = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": STATEMENT_SECONDS + 10,
        "write_timeout": STATEMENT_SECONDS,
        "client_flag": 1 << 16,  # several statements at once, for SYNCD_SOURCE__INIT_SQL
    }
    session: ClassVar = (
        "SET SESSION TRANSACTION READ ONLY",
        # How long the server waits while its rows are spooled; and the time limit, as MariaDB and as MySQL call it.
        (
            f"SET net_write_timeout = {STATEMENT_SECONDS} /*M! , max_statement_time = {STATEMENT_SECONDS} */"
            f" /*!50708 , max_execution_time = {STATEMENT_SECONDS}000 */"
        ),
    )
    times: ClassVar = {
        "yyyymmdd": "STR_TO_DATE({0}, '%Y%m%d')",
        "yyyymmddhhmm": "STR_TO_DATE({0}, '%Y%m%d%H%i')",
        "yyyymmddhhmmss": "STR_TO_DATE({0}, '%Y%m%d%H%i%s')",
        "day count": "TIMESTAMPADD(SECOND, ROUND({0} * 86400), '1899-12-30')",
        "Julian day": "TIMESTAMPADD(SECOND, ROUND(({0} - 2415018.5) * 86400), '1899-12-30')",
    }
    now = "SELECT UTC_TIMESTAMP(6)"
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
    streams = True
    _NO_TABLE = (1146, 1142)
    _ZEROFILL = 1 << 6
    """The flag of a column in the protocol."""
    _NUMBERS: ClassVar = {"DECIMAL", "TINY", "SHORT", "LONG", "FLOAT", "DOUBLE", "LONGLONG", "INT24", "NEWDECIMAL"}

    def missing_table(self, error: BaseException) -> str | None:
        if error.args[:1] not in [(code,) for code in self._NO_TABLE]:
            return None
        found = re.search(r"([\w$]+)['`](?: doesn't exist)?$", str(error.args[-1]).strip())
        return found[1] if found else None

    def holds_numbers(self, type_code: object) -> bool:
        return type_code in [getattr(self.driver.constants.FIELD_TYPE, name) for name in self._NUMBERS]

    def prepare(self, connection: Driver) -> None:
        connection.decoders[self.driver.constants.FIELD_TYPE.BIT] = int.from_bytes  # else it is bytes
        super().prepare(connection)

    def execute(self, connection: Driver, sql: str) -> None:
        cursor = connection.cursor()
        cursor.execute(sql)
        while cursor.nextset():  # a later statement's error shows only here
            pass

    def blocks(self, connection: Driver, sql: str, values: Any, size: int) -> Iterator[Rows]:
        cursor = connection.cursor(self.driver.cursors.SSCursor)
        try:
            cursor.execute(sql, values)
            self._keep_zeros(cursor._result)  # noqa: SLF001 - the driver tells nowhere else how a column is written
            while block := cursor.fetchmany(size):
                yield block
        finally:
            if result := cursor._result:  # noqa: SLF001 - else closing reads the result to its end
                result.unbuffered_active = False
            cursor.close()

    @classmethod
    def digits_shown(cls, cursor: Driver) -> int:
        (column,) = cursor._result.fields  # noqa: SLF001 - see `blocks`
        return int(column.length) if column.flags & cls._ZEROFILL else 0

    def _keep_zeros(self, result: Driver) -> None:
        """An order is known to its buyer by the number with the zeros of ZEROFILL, which the driver's int has lost.
        Not so in other columns: were they read differently than before, every order would seem to have changed."""
        for at, field in enumerate(result.fields):
            if field.flags & self._ZEROFILL and field.name.lower() == "order_id":
                result.converters[at] = ("ascii", None)


class PostgreSQL(Dialect):
    connect_args: ClassVar = {
        "connect_timeout": CONNECT_SECONDS,
        "fallback_application_name": "syncd",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
        "prepare_threshold": None,  # a pooler in between may not keep prepared statements
    }
    session: ClassVar = [
        "SET default_transaction_read_only = on",
        f"SET statement_timeout = '{STATEMENT_SECONDS}s'",
        "SET datestyle = 'ISO'",
    ]
    times: ClassVar = {
        "yyyymmdd": "to_timestamp({0}::text, 'YYYYMMDD')::timestamp",
        "yyyymmddhhmm": "to_timestamp({0}::text, 'YYYYMMDDHH24MI')::timestamp",
        "yyyymmddhhmmss": "to_timestamp({0}::text, 'YYYYMMDDHH24MISS')::timestamp",
        "day count": "timestamp '1899-12-30' + {0} * interval '1 day'",
        "Julian day": "timestamp '1899-12-30' + ({0} - 2415018.5) * interval '1 day'",
    }
    streams = True
    _NUMBERS = frozenset({20, 21, 23, 700, 701, 1700})
    _TEXT_IF_UNLOADABLE = ("timestamp", "timestamptz", "date", "time", "timetz", "interval", "json", "jsonb")
    """Types with values that Python cannot represent."""
    _UNORDERED = ("json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle")

    @classmethod
    def driver_url(cls, url: URL) -> URL:
        """A database without an encoding (SQL_ASCII) would give bytes for texts, and SQLAlchemy could not connect."""
        return url if "client_encoding" in url.query else url.update_query_dict({"client_encoding": "utf8"})

    def prepare(self, connection: Driver) -> None:
        for name in self._TEXT_IF_UNLOADABLE:
            oid = connection.adapters.types[name].oid
            loader = connection.adapters.get_loader(oid, 0)
            connection.adapters.register_loader(oid, _text_if_unloadable(loader, self.driver.DataError))
        super().prepare(connection)

    def has_order(self, type_code: object) -> bool:
        return type_code not in [self.driver.adapters.types[name].oid for name in self._UNORDERED]

    def before_all_of(self, type_code: object) -> object:
        return "0" if self.holds_numbers(type_code) else self.before_all

    def holds_numbers(self, type_code: object) -> bool:
        return type_code in self._NUMBERS

    def blocks(self, connection: Driver, sql: str, values: Any, size: int) -> Iterator[Rows]:
        with connection.cursor("syncd") as cursor:
            cursor.execute(sql, values)
            while block := cursor.fetchmany(size):
                yield block


class MSSQL(Dialect):
    connect_args: ClassVar = {"login_timeout": CONNECT_SECONDS, "timeout": STATEMENT_SECONDS}
    now = "SELECT SYSUTCDATETIME()"


class Oracle(Dialect):
    connect_args: ClassVar = {"tcp_connect_timeout": CONNECT_SECONDS}
    now = "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM dual"

    def prepare(self, connection: Driver) -> None:
        connection.call_timeout = STATEMENT_SECONDS * 1000
        super().prepare(connection)


DIALECTS: Mapping[str, type[Dialect]] = {
    "sqlite": SQLite,
    "mysql": MariaDB,
    "mariadb": MariaDB,
    "postgresql": PostgreSQL,
    "mssql": MSSQL,
    "oracle": Oracle,
}


def _text_if_unloadable(loader: Driver, fault: type[Exception]) -> type:
    """A loader that gives the text of what psycopg cannot load: 'infinity', 24:00, years that Python does not have,
    JSON that is too deep or has too long a number. psycopg raises there, and the whole page would be lost. JSON
    objects and lists stay text too, since they are of no use."""

    class TextIfUnloadable:
        format = loader.format

        def __init__(self, oid: int, context: Driver = None) -> None:
            self._load = loader(oid, context).load

        def load(self, value: Any) -> Any:
            text = bytes(value)
            if text.lstrip()[:1] in (b"{", b"["):
                return text.decode(errors="replace")
            try:
                return self._load(value)
            except (fault, ValueError, OverflowError):
                return text.decode(errors="replace")

    return TextIfUnloadable
