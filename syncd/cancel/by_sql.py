"""Cancels by an UPDATE, for shops whose status is nothing but a column. Rows changed: accepted; none: refused.

Databases compare loosely: MariaDB and SQLite find the order 2 by `2-1`, ` 2` or `2e0`, and a collation finds `A1` by
`a1`. So each identifier is looked up first. The UPDATE is run only if the column holds exactly that text, and with the
value that the column holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from threading import Lock
from time import monotonic
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, TextClause, create_engine, make_url, text
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError

from syncd.cancel.interface import NO_SUCH_ORDER, known_identifiers, values_of, without_identifiers
from syncd.errors import CancelError
from syncd.model import CancelDecision, Cancellation
from syncd.sources.columns import text_or_none
from syncd.sources.database.dialects import DIALECTS
from syncd.sql import Comparison, comparisons, grammar_of
from syncd.templates import NAMES

_RECYCLE_SECONDS = 1800
DATABASES_SHARE = 0.8
"""Of the time there is. So the database gives up first, and it is certain that nothing was done."""
_LIMITS: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "sqlite": lambda seconds: {"timeout": seconds},
    "mysql": lambda seconds: {"connect_timeout": seconds, "read_timeout": seconds, "write_timeout": seconds},
    "postgresql": lambda seconds: {
        "connect_timeout": max(2, seconds),
        "tcp_user_timeout": seconds * 1000,
        "options": f"-c statement_timeout={seconds}s -c lock_timeout={seconds}s",
        "prepare_threshold": None,
    },
    "mssql": lambda seconds: {"login_timeout": seconds, "timeout": seconds},
    "oracle": lambda seconds: {"tcp_connect_timeout": seconds},
}
_LIMITS = {**_LIMITS, "mariadb": _LIMITS["mysql"]}
_FAULTS = (SQLAlchemyError, OSError, RuntimeError)
"""RuntimeError: PyMySQL lacks a package to log in with."""
_INCOMPARABLE = frozenset({1267, 1270, 1271, 3854, 3988, 245, 248, 8114, 8115, 1722, 1426})
"""Codes of the errors that a value cannot be compared with a column: in MariaDB and MySQL, the column's charset lacks a
character of it; in SQL Server and Oracle, it is no number. PostgreSQL raises DataError."""


class SqlCanceller:
    """A Canceller. Nothing is connected before the first cancellation. `seconds`: what one wait for the database may
    take."""

    def __init__(self, url: str, statement: str, seconds: float, redact: Callable[[str], str]) -> None:
        self._url = make_url(url)
        self._grammar = grammar_of(url)
        self._comparisons = comparisons(statement, self._grammar)
        self._statement = self._prepared(statement)
        self._names = set(self._statement.compile().params)
        self._seconds = max(1, int(seconds * DATABASES_SHARE))
        self._redact = redact
        self._engine: Engine | None = None
        self._opening = Lock()

    @property
    def wants_shop_id(self) -> bool:
        return "shop_id" in self._names

    @property
    def names_number(self) -> bool:
        """Whether the order is named to the shop by its public number."""
        return "order_id" in self._names

    def cancel(self, cancellation: Cancellation, seconds: float) -> CancelDecision:
        compared = {comparison.parameter for comparison in self._comparisons}
        if not known_identifiers(cancellation, compared):
            return without_identifiers(cancellation, compared, "SYNCD_CANCEL__SQL")
        ends_at = monotonic() + seconds
        try:
            held = self._exact_values(cancellation)
            if not held:
                return NO_SUCH_ORDER
            return CancelDecision("accepted" if self._update(cancellation, held, ends_at) else "refused")
        except _FAULTS as error:
            raise self._fault(error) from None

    def log_in(self) -> None:
        """Connect, try each look-up, and change nothing. CancelError: that is not possible, with what to do."""
        try:
            with self._opened().connect() as connection:
                for comparison in self._comparisons:
                    connection.execute(*self._look_up(comparison, {}, none=True)).all()
        except _FAULTS as error:
            raise self._fault(error) from None

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()

    def _exact_values(self, cancellation: Cancellation) -> dict[str, Any]:
        """For each identifier that the database holds exactly, the value in its column."""
        wanted = values_of(cancellation)
        held: dict[str, Any] = {}
        for comparison in self._comparisons:
            value = wanted[comparison.parameter]
            with self._opened().connect() as connection:
                found = self._looked_up(connection, comparison, value) if value else []
            exact = [held for held, shown in found if _is_exactly(shown, value, comparison.parameter)]
            if len(exact) < len(found) and exact:
                raise CancelError(
                    f"SYNCD_CANCEL__SQL: to the database other orders have the {comparison.parameter} {value!r} too, "
                    "so none is cancelled. Give that column a binary collation"
                )
            if exact:
                held[comparison.parameter] = exact[0]
        return held

    def _update(self, cancellation: Cancellation, held: Mapping[str, Any], ends_at: float) -> int:
        compared = {comparison.parameter for comparison in self._comparisons}
        texts = {name: value or None for name, value in values_of(cancellation).items()}
        values = {name: held.get(name) if name in compared else texts[name] for name in self._names}
        with self._opened().begin() as connection:
            changed = connection.execute(self._statement, values).rowcount
            if monotonic() > ends_at:  # whoever waited has gone, and was told that nothing was decided
                raise CancelError("the shop's database took too long, and the UPDATE was undone")
        return changed

    def _prepared(self, statement: str) -> TextClause:
        return text(self._grammar.for_sqlalchemy(statement, NAMES))

    def _look_up(
        self, comparison: Comparison, values: Mapping[str, object], *, none: bool = False
    ) -> tuple[TextClause, dict[str, object]]:
        statement = self._prepared(f"{comparison.lookup}{' AND 1 = 0' if none else ''}")
        return statement, {name: values.get(name) or None for name in statement.compile().params}

    def _looked_up(
        self, connection: Connection, comparison: Comparison, value: str
    ) -> list[tuple[Any, Collection[str]]]:
        """The values of the column that the database finds equal to the identifier, and the texts that each is known
        by; none: it cannot compare them."""
        raw_values = DIALECTS[self._url.get_backend_name()].raw_values(value, value)
        look_ups = (self._look_up(comparison, {comparison.parameter: raw}) for raw in raw_values)
        found = (self._with_texts(connection.execute(*look_up)) for look_up in look_ups)
        try:
            return next(filter(None, found), [])
        except DataError:
            return []
        except DBAPIError as error:
            reason = error.orig.args[0] if error.orig is not None and error.orig.args else None
            if getattr(reason, "code", reason) in _INCOMPARABLE:
                return []  # pragma: no cover - which server says so depends on its version
            raise

    def _with_texts(self, result: CursorResult[Any]) -> list[tuple[Any, Collection[str]]]:
        """An order is known with the zeros of ZEROFILL, or without them where the query takes them off."""
        digits = DIALECTS[self._url.get_backend_name()].digits_shown(result.cursor)
        values = ((held, text_or_none(held)) for held in result.scalars())
        return [(held, {written, written.zfill(digits)} if written else ()) for held, written in values]

    def _opened(self) -> Engine:
        with self._opening:
            if self._engine is None:
                backend = self._url.get_backend_name()
                limits = _LIMITS[backend](self._seconds)
                self._engine = create_engine(
                    DIALECTS[backend].driver_url(self._url),
                    connect_args=limits,
                    paramstyle=DIALECTS[backend].paramstyle,
                    pool_pre_ping=True,
                    pool_recycle=_RECYCLE_SECONDS,
                    pool_timeout=self._seconds,
                    hide_parameters=True,
                )
            return self._engine

    def _fault(self, error: Exception) -> CancelError:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        said = str(cause.args[-1] if cause.args else cause).strip().partition("\n")[0]
        advice = "Check SYNCD_CANCEL__SQL and SYNCD_CANCEL__DATABASE_URL, and that the login may read and write"
        cut = isinstance(error, DBAPIError) and error.connection_invalidated
        what = self._redact(f"the shop's database did not take the UPDATE: {said}. {advice}.")
        return CancelError(what, in_doubt=cut)


def _is_exactly(shown: Collection[str], value: str, name: str) -> bool:
    if name == "uuid":
        return value.lower() in {text.lower() for text in shown}
    return value in shown
