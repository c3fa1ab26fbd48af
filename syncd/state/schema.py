"""The state's tables, one definition for SQLite and PostgreSQL.

seen ─── segments      what was observed of each order, and digests that save work in a full compare
former_numbers         the numbers that an order had before the shop gave it another one
changes ─── attempts   what IMSHOP must be told, and each attempt to push it
change_counts          how many changes are in each state, see counts.py
cancellations          what buyers want cancelled, and what was decided
leases                 who may deliver, and who may poll
facts                  single values by name: cursor, baseline, pause, ...

The conditions below the tables say in which state a change is. Indexes and queries share them, because SQLite uses a
partial index only for a query with the same condition.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, Self

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    and_,
    bindparam,
    literal_column,
    or_,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from typing_extensions import override

from syncd.model import ChangeState, Content, Hold

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode
_decoded = lru_cache(maxsize=1024)(_decode)
"""Most orders show the same as many others."""
SHORT = 1000
"""Characters of JSON that is kept decoded at most."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SQLITE_TIME = "syncd_time"


def clean(text: str) -> str:
    """The text as both databases can hold it: PostgreSQL takes no NUL, and neither takes half a surrogate pair."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def canonical(content: Content) -> str:
    """Content as JSON: equal content is equal text. Non-ASCII characters are escaped, so every character is kept."""
    return _encode(dict(content)) if "message" in content else _canonical(tuple(content.items()))


@lru_cache(maxsize=1024)
def _canonical(items: tuple[tuple[str, str | bool | None], ...]) -> str:
    """Most orders show the same as many others. No value is a number, so equal items are the same items. Messages may
    be long, and are not kept."""
    return _encode(dict(items))


def content_of(text: str) -> Content:
    """The reverse of `canonical`."""
    content: Content = (_decoded if len(text) <= SHORT else _decode)(text)[0]
    return content


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 in UTC: exact, sortable, and the same in both databases."""

    impl = BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else microseconds(value)

    @override
    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


class database_time(FunctionElement[datetime]):  # noqa: N801 - named like a function of SQL
    """Now, on the clock that all processes share: that of the PostgreSQL server. SQLite has no clock of its own, so it
    calls a function that `syncd.state.engine` registers."""

    type = Instant()
    inherit_cache = True


@compiles(database_time, "postgresql")
def _postgresql_time(_element: database_time, _compiler: SQLCompiler, **_options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"


@compiles(database_time, "sqlite")
def _sqlite_time(_element: database_time, _compiler: SQLCompiler, **_options: Any) -> str:
    return f"{SQLITE_TIME}()"


def from_now(length: timedelta | BindParameter[Any]) -> ColumnElement[datetime]:
    """The time on the database's clock after `length` from now, which is a timedelta or a parameter in microseconds."""
    micros = length // MICROSECOND if isinstance(length, timedelta) else length
    return type_coerce(type_coerce(database_time(), BigInteger) + micros, Instant())


def microseconds(instant: datetime) -> int:
    """An aware datetime as `Instant` stores it."""
    return (instant - EPOCH) // MICROSECOND


class is_listed(FunctionElement[bool]):  # noqa: N801 - named like a function of SQL
    """`is_listed(column, list_parameter(name))`: whether the column has one of the values of a list.

    With `IN (…)` each number of values would be a statement of its own, which SQLAlchemy writes anew: for many values
    that takes longer than the database takes to find them.
    """

    type = Boolean()
    inherit_cache = True

    @override
    def self_group(self, against: object = None) -> Self:
        """SQLAlchemy would add `= 1` for SQLite, which then reads the whole table."""
        return self


def one_of(column: ColumnElement[Any], values: Iterable[Any]) -> is_listed:
    """Whether the column has one of these values, as many as there are. Texts must be `clean`."""
    return is_listed(column, bindparam(None, [*values], type_=_JsonList()))


def list_parameter(name: str) -> BindParameter[Any]:
    """A parameter that is a list of any length, for `is_listed`. Texts must be `clean`."""
    return bindparam(name, type_=_JsonList())


class _JsonList(TypeDecorator[Sequence[Any]]):
    impl = Text
    cache_ok = True

    @override
    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> str | None:
        return json.dumps(value)


@compiles(is_listed, "sqlite")
def _is_listed_in_sqlite(element: is_listed, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - of expressions, and no values


@compiles(is_listed, "postgresql")
def _is_listed_in_postgresql(element: is_listed, compiler: SQLCompiler, **options: Any) -> str:
    """The list is a subquery, which the planner does not look into: so it takes the index, whatever it knows of the
    table."""
    kind = "bigint" if isinstance(element.clauses.clauses[0].type, Integer) else "text"
    column, values = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY (ARRAY(SELECT CAST(json_array_elements_text(CAST({values} AS json)) AS {kind})))"


class CleanText(TypeDecorator[str]):
    """Text that comes from a shop or from IMSHOP, cleaned by `clean`."""

    impl = Text
    cache_ok = True

    @override
    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


class CanonicalJson(TypeDecorator[Content]):
    """Content, as `canonical` writes it."""

    impl = Text
    cache_ok = True

    @override
    def process_bind_param(self, value: Content | None, dialect: Dialect) -> str | None:
        return None if value is None else canonical(value)

    @override
    def process_result_value(self, value: str | None, dialect: Dialect) -> Content | None:
        return None if value is None else content_of(value)


metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")

seen = Table(
    "seen",
    metadata,
    Column("order_id", CleanText, primary_key=True),
    Column("content", CanonicalJson, nullable=False),
    Column("told", Text),
    Column("imshop_uuid", CleanText),
    Column("revision", Integer, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("missing_since", Instant),
    Column("segment", BigInteger),
    Column("compared_in", Integer, nullable=False),
    Column("acknowledged_status", CleanText),
    Column("acknowledged_at", Instant),
    Column("acknowledged_uuid", CleanText),
    Column("shop_id", CleanText),
    Column("unpaid_since", Instant),
    sqlite_with_rowid=False,
)

former_numbers = Table(
    "former_numbers",
    metadata,
    Column("former", CleanText, primary_key=True),
    Column("order_id", CleanText, nullable=False),
    Index("former_numbers_by_order", "order_id"),
    sqlite_with_rowid=False,
)

segments = Table(
    "segments",
    metadata,
    Column("segment", _Id, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary),
    Column("orders", Integer, nullable=False),
    Column("formed_in", Integer, nullable=False),
    Column("confirmed_in", Integer, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("order_id", CleanText, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("status", CleanText, nullable=False),
    Column("previous_status", CleanText),
    Column("content", CanonicalJson, nullable=False),
    Column("message", CleanText),
    Column("tracking_url", CleanText),
    Column("user_id", CleanText),
    Column("imshop_uuid", CleanText),
    Column("with_payment", Boolean, nullable=False),
    Column("source_updated_at", Instant),
    Column("detected_at", Instant, nullable=False),
    Column("found_by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("hold", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("refusals", Integer, nullable=False, server_default="0"),
    Column("failing_since", Instant),
    Column("in_doubt", Boolean, nullable=False, server_default=literal_column("false")),
    Column("claimed_at", Instant),
    Column("claim", Integer, nullable=False, server_default="0"),
    Column("claim_ends_at", Instant),
    Column("next_attempt_at", Instant),
    Column("ended_at", Instant),
    Column("last_error", CleanText),
    Column("answered_uuid", CleanText),
    Column("imshop_status", CleanText),
    CheckConstraint("(state IN ('pending', 'held')) = (ended_at IS NULL)", name="changes_wait_or_ended"),
    sqlite_autoincrement=True,
)

change_counts = Table(
    "change_counts",
    metadata,
    Column("state", Text, primary_key=True),
    Column("hold", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("change_id", BigInteger, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("result", Text, nullable=False),
    Column("http_status", Integer),
    Column("detail", CleanText),
    Index("attempts_by_change", "change_id", "id"),
)

cancellations = Table(
    "cancellations",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("token", Text, nullable=False),
    Column("generation", Text, nullable=False),
    Column("order_id", CleanText),
    Column("imshop_uuid", CleanText),
    Column("reason", CleanText),
    Column("state", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_until", Instant, nullable=False),
    Column("decided_at", Instant),
    Column("status", CleanText),
    Column("message", CleanText),
    Column("error", CleanText),
    Column("in_doubt", Boolean, nullable=False),
    Column("order_status", CleanText),
    Column("shop_id", CleanText),
    Column("stands", Boolean, nullable=False, server_default=literal_column("true")),
    Column("answered_again", Boolean, nullable=False, server_default=literal_column("false")),
    Index("cancellations_by_order", "order_id", "id"),
    Index("cancellations_by_uuid", "imshop_uuid", "id"),
    Index("cancellations_by_shop_id", "shop_id", "id"),
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text),
    Column("token", BigInteger, nullable=False),
    Column("ends_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)


def in_state(*states: ChangeState) -> ColumnElement[bool]:
    """The values are literals, not parameters: SQLite uses a partial index only if the condition is that of the
    index."""
    if len(states) == 1:
        return changes.c.state == literal_column(f"'{states[0]}'")
    return changes.c.state.in_([literal_column(f"'{state}'") for state in states])


def held_as(hold: Hold) -> ColumnElement[bool]:
    return in_state("held") & (changes.c.hold == hold)


WAITING = changes.c.ended_at.is_(None)
"""Pending or held: every other state is final."""
DUE_SOMETIME = in_state("pending") & changes.c.claimed_at.is_(None)
"""Pending, and not being sent: due now or later."""
UNSENT = and_(WAITING, or_(DUE_SOMETIME, in_state("held")))
"""Pending or held, and not being sent."""
CLAIMED = in_state("pending") & changes.c.claimed_at.is_not(None)
"""Being sent, or claimed by a process that is gone. `claim` counts the claims of the change; until `claim_ends_at`, on
the database's clock, the request of the last claim may be under way."""


class PartialIndex(NamedTuple):
    name: str
    condition: ColumnElement[bool]
    columns: Sequence[Column[Any]]


# With `ended_at`, what waits of an order is found without the changes that ended.
Index("changes_by_order", changes.c.order_id, changes.c.ended_at)
PARTIAL_INDEXES = (
    PartialIndex("seen_by_uuid", seen.c.imshop_uuid.is_not(None), [seen.c.imshop_uuid]),
    PartialIndex("seen_by_answered_uuid", seen.c.acknowledged_uuid.is_not(None), [seen.c.acknowledged_uuid]),
    PartialIndex("seen_by_shop_id", seen.c.shop_id.is_not(None), [seen.c.shop_id]),
    PartialIndex("seen_unpaid", seen.c.unpaid_since.is_not(None), [seen.c.unpaid_since]),
    PartialIndex("cancellations_answered_again", cancellations.c.answered_again, [cancellations.c.id]),
    PartialIndex("seen_missing", seen.c.missing_since.is_not(None), [seen.c.missing_since]),
    PartialIndex("changes_due", DUE_SOMETIME, [changes.c.next_attempt_at, changes.c.id]),
    PartialIndex("changes_pending", in_state("pending"), [changes.c.refusals, changes.c.detected_at]),
    PartialIndex("changes_ended", changes.c.ended_at.is_not(None), [changes.c.state, changes.c.ended_at]),
    PartialIndex("changes_held", in_state("held"), [changes.c.hold, changes.c.status, changes.c.detected_at]),
)


def whole_schema(dialect: str) -> MetaData:
    """The tables with all their indexes, for `sqlite` or `postgresql`. SQLAlchemy has no partial index for both: it
    loads what it has for a dialect, drivers of asyncio included, once an index names its condition there."""
    whole = MetaData()
    tables = {table: table.to_metadata(whole) for table in metadata.tables.values()}
    for name, condition, columns in PARTIAL_INDEXES:
        table, where = tables[columns[0].table], {f"{dialect}_where": condition}
        Index(name, *(table.c[column.name] for column in columns), **where)  # type: ignore[arg-type]  # a dialect's own
    return whole
