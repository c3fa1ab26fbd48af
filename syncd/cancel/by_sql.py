"""An UPDATE that cancels, for shops whose status is nothing but a column. Rows changed: accepted; none: refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from time import monotonic
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from syncd.cancel.desk import Verdict
from syncd.cancel.filling import IDENTIFIERS, names_an_order
from syncd.cancel.words import NOT_KNOWN
from syncd.errors import CancelError
from syncd.model import Cancellation

_RECYCLE_SECONDS = 1800
DATABASES_SHARE = 0.8
"""Of the time there is: so the database gives up first, and it is certain that nothing was done."""
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


class SqlShop:
    """Nothing is connected until the first cancellation. `seconds`: what one wait for the database may take."""

    def __init__(self, url: str, statement: str, seconds: float, redact: Callable[[str], str]) -> None:
        self._url = make_url(url)
        self._statement = text(statement)
        self._wanted = set(self._statement.compile().params) & IDENTIFIERS
        self._seconds = max(1, int(seconds * DATABASES_SHARE))
        self._redact = redact
        self._engine: Engine | None = None
        self._opening = Lock()

    def cancel(self, cancellation: Cancellation, seconds: float) -> Verdict:
        if not names_an_order(cancellation, self._wanted):
            return Verdict(accepted=False, message=NOT_KNOWN)
        try:
            return Verdict(accepted=self._update(cancellation, monotonic() + seconds) > 0)
        except (SQLAlchemyError, OSError) as error:
            raise self._fault(error) from None

    def log_in(self) -> None:
        """Connect, and change nothing. CancelError: that is not possible, with what to do."""
        try:
            self._opened().connect().close()
        except (SQLAlchemyError, OSError) as error:
            raise self._fault(error) from None

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()

    def _update(self, cancellation: Cancellation, ends_at: float) -> int:
        known = {
            "order_id": cancellation.order_id,
            "uuid": cancellation.imshop_uuid,
            "reason": cancellation.reason,
        }
        values = {name: known[name] for name in self._statement.compile().params}
        with self._opened().begin() as connection:
            changed = connection.execute(self._statement, values).rowcount
            if monotonic() > ends_at:  # whoever waited has gone, and was told that nothing was decided
                raise CancelError("the shop's database took too long, and the UPDATE was undone")
        return changed

    def _opened(self) -> Engine:
        with self._opening:
            if self._engine is None:
                limits = _LIMITS[self._url.get_backend_name()](self._seconds)
                self._engine = create_engine(
                    self._url,
                    connect_args=limits,
                    pool_pre_ping=True,
                    pool_recycle=_RECYCLE_SECONDS,
                    pool_timeout=self._seconds,
                    hide_parameters=True,
                )
            return self._engine

    def _fault(self, error: Exception) -> CancelError:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        said = str(cause.args[-1] if cause.args else cause).strip().partition("\n")[0]
        advice = "Check SYNCD_CANCEL__SQL and SYNCD_CANCEL__DATABASE_URL, and that the login may write"
        cut = isinstance(error, DBAPIError) and error.connection_invalidated
        what = self._redact(f"the shop's database did not take the UPDATE: {said}. {advice}.")
        return CancelError(what, in_doubt=cut)
