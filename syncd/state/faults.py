"""What a database's error means to the person who runs syncd: what happened, to which state, and what to do."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from syncd.errors import StateError

EXPECTED = (DBAPIError, PoolTimeoutError)
"""What a database can do to us. SQLAlchemy's other errors are mistakes of ours, and crash."""

_ADVICE = (
    ("database is locked", "is locked by another process; end that process, or wait until it is done"),
    ("database table is locked", "is locked by another process; end that process, or wait until it is done"),
    ("disk is full", "cannot be written, because the disk is full; free some space"),
    ("attempt to write a readonly", "cannot be written; make the file, its directory and the disk writable"),
    ("unable to open database file", "cannot be opened; let syncd's user read and write the file and its directory"),
    ("file is not a database", "is not a SQLite database; name another file in SYNCD_STATE__URL, or restore a backup"),
    ("is malformed", "is damaged; restore a backup, or move the file away to start over with a new baseline"),
    ("authentication failed", "refuses the login; correct user and password in SYNCD_STATE__URL"),
    ("no pg_hba.conf entry", "refuses the login; allow it in the server's pg_hba.conf"),
    (" does not exist", "is not there; create the database and its user, or correct SYNCD_STATE__URL"),
    ("disk I/O error", "cannot be read or written, because the disk fails or is full; look at the disk"),
)
"""By the error's text: SQLite has one code for several of these, and PostgreSQL gives none while connecting."""

_SQLSTATES = {
    "55P03": "is locked by another process; end that process, or wait until it is done",
    "57014": "took too long to answer; look at the load of the PostgreSQL server",
    "53100": "cannot be written, because the disk of the PostgreSQL server is full; free some space there",
    "25006": "cannot be written, because that PostgreSQL server only reads; name the primary in SYNCD_STATE__URL",
    "42501": "may not be used by this login; grant it all rights on the schema",
    "42P07": "shares its schema with tables of the same names; give syncd a database or a schema of its own",
}


def state_error(error: SQLAlchemyError, place: str, redact: Callable[[str], str]) -> StateError:
    """The error to raise instead. `place` names the state and holds no secret."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    return StateError(redact(f"the state {place} {_advice(error, cause, text)} ({text})"))


def _advice(error: SQLAlchemyError, cause: BaseException, text: str) -> str:
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate in _SQLSTATES:
        return _SQLSTATES[sqlstate]
    for sign, advice in _ADVICE:
        if sign in text:
            return advice
    if isinstance(error, PoolTimeoutError):
        return "is too busy; look at what keeps its connections"
    if isinstance(error, DBAPIError) and (error.connection_invalidated or "connection" in text):
        return "cannot be reached; see that the PostgreSQL server runs and that SYNCD_STATE__URL names it"
    return "could not be read or written"
