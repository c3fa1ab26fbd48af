"""A connection to PostgreSQL on which every wait has a limit.

The server's time-outs help only while the server works and can be reached. If its process is frozen, or a proxy in
between is, its host still answers keepalives, and a driver would wait for an answer for ever.
"""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic
from typing import Any, TypeVar

import psycopg
from sqlalchemy.engine.interfaces import DBAPIConnection

T = TypeVar("T")
_HAS_BOTH_SETTINGS = 120_000
"""The first version of PostgreSQL that can give up a connection whose client acknowledges nothing, and plan each
execution anew."""


class _SilentError(Exception):
    """The server did not answer in time."""


class _Limited(psycopg.Connection[Any]):
    seconds = 0.0

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **options: Any) -> T:
        """psycopg waits here for every answer of the server. After a time-out the connection is closed, because it is
        unknown what will still arrive on it."""
        try:
            return super().wait(_limited(gen, self.seconds or None), *args, **options)
        except _SilentError:
            self.close()
            raise psycopg.OperationalError(f"the connection is lost: no answer within {self.seconds:g} s") from None


def connected(params: dict[str, Any], seconds: float, silent_seconds: float) -> DBAPIConnection:
    """A new connection. `seconds`: the longest wait for one answer. `silent_seconds`: how long the server waits until
    what it sent is acknowledged."""
    connection = _Limited.connect(**params)
    connection.seconds = seconds
    if connection.info.server_version >= _HAS_BOTH_SETTINGS:  # pragma: no branch - the tests have no older server
        connection.execute(f"SET tcp_user_timeout = {int(silent_seconds * 1000)}")
        # A plan that is kept from when the tables were small reads them whole when they are large.
        connection.execute("SET plan_cache_mode = force_custom_plan")
        connection.commit()
    return connection  # type: ignore[return-value]  # SQLAlchemy's name for any driver's connection


def _limited(gen: Generator[Any, Any, T], seconds: float | None) -> Generator[Any, Any, T]:
    """psycopg resumes the generator whenever something can be read or written, and else a few times a second."""
    ends_at = None if seconds is None else monotonic() + seconds
    try:
        waits_for = next(gen)
        while True:
            ready = yield waits_for
            if not ready and ends_at is not None and monotonic() > ends_at:
                raise _SilentError
            waits_for = gen.send(ready)
    except StopIteration as done:
        result: T = done.value
        return result
