"""Leases: the right to deliver from a state, and the right to poll. One process at a time holds each of them.

    free ──acquire: token + 1──► held ──renew──► held ──release, or its end passes──► free

On PostgreSQL a lease is a row with a holder, a token and an end (`RowLease`):

**The row.** `ends_at` is on the database's clock, which all daemons share, so in the database's time two processes
never hold a lease. Each acquisition gives a new token. Each writing transaction of the holder compares its token with
the row (`check`), and fails if another process has acquired the lease. So a process that was frozen or cut off can
write nothing after its successor has begun.

**The deadline.** The holder does not compare its clock with the server's. It reads its own clock, then asks the server,
and may act until DURATION - MARGIN after that reading: the server counts DURATION from a later moment. Its clock is
CLOCK_BOOTTIME, which runs on while the process is frozen and the machine sleeps. `held` is this comparison alone,
without a query: any thread may call it at any time.

**Which clocks may differ.** The times that they show, by any amount. They only must run equally fast for one DURATION:
MARGIN is a twelfth of it, and clocks that an NTP daemon slews differ by a two-thousandth at most. If the server's clock
is set back, ends lie far ahead: so a process that sees the same row for more than DURATION on its own clock acquires
the lease, because a living holder would have renewed it. If the server's clock is set forward, a lease ends early: two
daemons may then believe that they lead, but only until the first of them renews, and only the newer one can write. What
the other one pushes until then is noticed when its outcomes are recorded, and corrected (`syncd.state.outcomes`).

On SQLite a lease is a lock on a file beside the state (`file_lease.FileLease`). The system releases the lock when the
process ends, however it ends, and not before: a frozen process keeps it. So it has no end, and the token only says that
it is held.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock, Timer
from typing import Any, Protocol

from sqlalchemy import BindParameter, Connection, Engine, Executable, Row, bindparam, literal, or_, select, update

from syncd.errors import LeaseLostError
from syncd.state.engine import LEASE_SECONDS, Sockets, this_process
from syncd.state.schema import database_time, from_now, leases
from syncd.state.store import EXPECTED, Store, state_error

DURATION = timedelta(seconds=6)
MARGIN = timedelta(milliseconds=500)
"""The holder stops acting this long before the end: for clocks that run unequally, and for the time between the check
and the action."""

_LENGTH: BindParameter[Any] = bindparam("length")
_ROW = select(leases.c.holder, leases.c.token, leases.c.ends_at, (leases.c.ends_at <= database_time()).label("is_over"))
_LOOK = _ROW.where(leases.c.name == bindparam("lease"))
_RENEW = (
    update(leases)
    .where(leases.c.name == bindparam("lease"), leases.c.token == bindparam("mine"), leases.c.holder.is_not(None))
    .values(ends_at=from_now(_LENGTH))
    .returning(leases.c.token)
)
_RELEASE = (
    update(leases)
    .where(leases.c.name == bindparam("lease"), leases.c.token == bindparam("mine"))
    .values(holder=None, ends_at=database_time())
)


def boottime() -> float:
    """CLOCK_BOOTTIME in seconds: a clock that runs on while the process is frozen and the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease(Protocol):
    """The right to deliver from a state, or to poll for it. `name` is `deliver` or `poll`."""

    @property
    def name(self) -> str: ...

    def acquire(self) -> bool:
        """Acquire the lease if no other process holds it. True: it is held. StateError: who holds it is unknown."""

    def renew(self) -> bool:
        """Hold it for another DURATION. False: it is not held any more. StateError: that is unknown."""

    def held(self) -> bool:
        """Whether this process may act now. It needs no query and never waits."""

    @property
    def token(self) -> int | None:
        """A number that grows with each acquisition by any process. None: this process does not hold the lease, as
        far as it knows."""

    def check(self, connection: Connection) -> None:
        """In a transaction that writes: LeaseLostError if another process holds the lease."""

    def release(self) -> None:
        """Release the lease. StateError: the database was not reached; there the lease lasts until its end."""

    def holder(self) -> str | None:
        """Who holds it now, for a message: "process 1234 on host". None: nobody. StateError."""

    def last_holder(self) -> str | None:
        """Who held it when `acquire` or `renew` last failed, without a query."""

    def note_fault(self, fault: str | None) -> None:
        """Leave, for other processes, why this one cannot write the state while it holds the lease; None: it can. Where
        that cannot be left, nothing happens."""

    def holders_fault(self) -> str | None:
        """What the process that holds the lease now has left by `note_fault`. StateError."""


class RowLease:
    """A lease in the table `leases`. Thread-safe. `engine` runs each statement in a transaction of its own; `boottime`
    is CLOCK_BOOTTIME in seconds."""

    def __init__(
        self, store: Store, engine: Engine, name: str, boottime: Callable[[], float], duration: timedelta = DURATION
    ) -> None:
        self.name = name
        self._store = store
        self._engine = engine
        self._sockets = Sockets(engine) if engine.dialect.name == "postgresql" else None
        self._boottime = boottime
        self._duration = duration
        self._one_thread = Lock()
        self._token: int | None = None
        self._until = float("-inf")
        self._leader: str | None = None
        self._watched: tuple[int, datetime, float] | None = None

    def acquire(self) -> bool:
        """See Lease. It reads before it writes, so that a standby daemon costs the server almost nothing."""
        with self._one_thread:
            if self._token is not None and self._renewed():
                return True
            row = self._ask(_LOOK)
            if row is not None and not self._is_free(row):
                self._leader = row.holder
                return False
            began_at = self._boottime()
            taken = self._ask(
                self._acquisition(row),
                holder=this_process(),
                length=self._duration // timedelta(microseconds=1),
            )
            if taken is None:
                return False
            self._token, self._watched = taken.token, None
            self._extend(began_at)
            return True

    def renew(self) -> bool:
        with self._one_thread:
            return self._token is not None and self._renewed()

    def held(self) -> bool:
        return self._boottime() < self._until

    @property
    def token(self) -> int | None:
        return self._token

    def check(self, connection: Connection) -> None:
        row = connection.execute(_LOOK, {"lease": self.name}).first()
        if row is None or row.holder is None or row.token != self._token:
            holder = row.holder if row is not None and row.token != self._token else None
            raise LeaseLostError(f"the right to {self.name} is now held by {holder or 'nobody'}", holder)

    def release(self) -> None:
        with self._one_thread:
            mine, self._token, self._until = self._token, None, float("-inf")
            if mine is not None:
                self._ask(_RELEASE, mine=mine)

    def holder(self) -> str | None:
        with self._store.read() as connection:
            row = connection.execute(_LOOK, {"lease": self.name}).first()
        return None if row is None or row.is_over else row.holder

    def last_holder(self) -> str | None:
        return self._leader

    def note_fault(self, fault: str | None) -> None:
        """A server that cannot be written renews no lease either, so that nobody holds it soon."""

    def holders_fault(self) -> str | None:
        return None

    def _renewed(self) -> bool:
        """A lease that ended meanwhile is renewed too, if no other process acquired it since."""
        began_at = self._boottime()
        if self._ask(_RENEW, mine=self._token, length=self._duration // timedelta(microseconds=1)) is not None:
            self._extend(began_at)
            return True
        self._token, self._until = None, float("-inf")
        row = self._ask(_LOOK)
        self._leader = None if row is None or row.is_over else row.holder
        return False

    def _extend(self, began_at: float) -> None:
        self._until = began_at + (self._duration - MARGIN).total_seconds()
        self._leader = None

    def _is_free(self, row: Row[Any]) -> bool:
        """Whether the end has passed, or the row was unchanged for so long that the holder must be gone."""
        now = self._boottime()
        if self._watched is None or self._watched[:2] != (row.token, row.ends_at):
            self._watched = row.token, row.ends_at, now
        return row.is_over or now - self._watched[2] > (self._duration + MARGIN).total_seconds()

    def _acquisition(self, found: Row[Any] | None) -> Executable:
        """Acquire the lease if the row is still as it was found: of several processes, one succeeds."""
        from sqlalchemy.dialects import postgresql, sqlite  # noqa: PLC0415 - a state in SQLite does not need them

        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        as_found = literal(value=False) if found is None else leases.c.token == found.token
        unrenewed = leases.c.ends_at == (None if found is None else found.ends_at)
        first = insert(leases).values(
            name=bindparam("lease"), holder=bindparam("holder"), token=1, ends_at=from_now(_LENGTH)
        )
        next_one = {"holder": first.excluded.holder, "token": leases.c.token + 1, "ends_at": first.excluded.ends_at}
        return first.on_conflict_do_update(
            index_elements=[leases.c.name], set_=next_one, where=as_found & or_(unrenewed, leases.c.holder.is_(None))
        ).returning(leases.c.token)

    def _ask(self, statement: Executable, **values: Any) -> Row[Any] | None:
        parameters: Mapping[str, Any] = {"lease": self.name, **values}
        try:
            with self._time_limit(), self._engine.begin() as connection:
                result = connection.execute(statement, parameters)
                return result.first() if result.returns_rows else None
        except EXPECTED as error:
            raise state_error(error, self._store.place, self._store.redact) from None

    @contextmanager
    def _time_limit(self) -> Iterator[None]:
        """Limits the wait for an answer, whatever the network does."""
        if self._sockets is None:
            yield
            return
        timer = Timer(LEASE_SECONDS + 1, self._sockets.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
