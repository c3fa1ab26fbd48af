"""The state: whether a daemon can work with it, and what in it needs an operator.

It is read without being created, repaired or upgraded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Literal

from sqlalchemy import Connection, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from syncd.doctor.clock_checks import PolledChange, PollHistory
from syncd.doctor.findings import Finding, fault, ok, warning
from syncd.errors import StateError
from syncd.state import State, another_file, loss, open_state
from syncd.state.engine import WAIT_SECONDS, connect, connect_alone, place, sqlite_file
from syncd.state.migrate import REVISIONS
from syncd.state.store import state_error
from syncd.verdict import Situation, judge

QUICK_CHECK_SECONDS = 6.0
CHANGES_READ = 500
_MAY_CREATE = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")


@dataclass(frozen=True, slots=True)
class StateInspection:
    """What is at `place`: nothing yet, tables of another program, a state that the next start upgrades, or one of this
    version. `may_create`: whether this login may create tables in PostgreSQL."""

    place: str
    contents: Literal["absent", "foreign", "older", "current"]
    may_create: bool = True


def check_state(
    url: str, redact: Callable[[str], str], known: Callable[[State], Situation], now: datetime
) -> Iterator[Finding]:
    """What is there, whether it can be written, whether a daemon runs on it, and what is `known` of its work."""
    file = state_file(url)
    found = inspect_state(url, redact)
    shown = str(file.absolute() if file else found.place)
    match found.contents:
        case "current":
            yield ok("state", f"{shown} is there, and of this version")
        case "older":
            yield ok("state", f"{shown} is there; the next start upgrades it to this version")
        case "foreign":
            advice = "Name a file or a database of its own in SYNCD_STATE__URL"
            yield warning("state", f"{shown} has the tables of another program, and syncd's would be added", advice)
        case "absent" if lost := loss(url):
            yield fault("state", lost)
        case "absent":
            yield ok("state", f"{shown} is not there yet; the first start creates it")
    if not found.may_create:
        yield fault("state", f"the login may not create tables in {shown}", "Grant it CREATE on the schema")
    if file:
        yield from _permissions(file)
    if found.contents == "current":
        with closing(open_state(url, redact=redact, create=False)) as state:
            holder = state.lease().holder()
            yield ok("state", f"a daemon works with it ({holder})" if holder else "no daemon works with it now")
            yield from _progress(known(state), now)


def check_state_file(url: str, redact: Callable[[str], str]) -> Iterator[Finding]:
    """Whether a SQLite state is damaged."""
    file = state_file(url)
    if file is None or not file.exists():
        return
    try:
        found = find_damage(url, redact, QUICK_CHECK_SECONDS)
    except TimeoutError:
        yield ok("state", f"{file} is too large to be checked for damage within {QUICK_CHECK_SECONDS:g} s")
        return
    if found:
        advice = "Restore a backup, or move the file away to start again with a new baseline"
        yield fault("state", f"{file} is damaged: {found}", advice)
    else:
        yield ok("state", f"{file} is not damaged")


def daemon_runs(url: str, redact: Callable[[str], str]) -> bool:
    """Whether a daemon works with this state now. StateError."""
    if inspect_state(url, redact).contents != "current":
        return False
    with closing(open_state(url, redact=redact, create=False)) as state:
        return state.lease().holder() is not None


def poll_history(url: str, redact: Callable[[str], str], interval: timedelta) -> PollHistory:
    """The last changes that incremental polls found. Empty if the state cannot be read: `check_state` reports that."""
    with suppress(StateError):
        if inspect_state(url, redact).contents == "current":
            with closing(open_state(url, redact=redact, create=False)) as state:
                changes = [
                    PolledChange(one.order_id, one.detected_at, one.source_updated_at)
                    for one in state.reports.changes(limit=CHANGES_READ)
                    if one.found_by == "cursor" and one.source_updated_at
                ]
            return PollHistory(changes, interval)
    return PollHistory()


def inspect_state(url: str, redact: Callable[[str], str]) -> StateInspection:
    """StateError: it cannot be read, or a newer syncd wrote it."""
    file = state_file(url)
    if file and not file.exists():
        return StateInspection(place(url), "absent")
    with _read_only(url, redact) as connection:
        tables = inspect(connection).get_table_names()
        if "alembic_version" not in tables:
            may_create = file is not None or bool(connection.execute(_MAY_CREATE).scalar())
            return StateInspection(place(url), "foreign" if tables else "absent", may_create)
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision not in REVISIONS:
        what = f"the state {place(url)} was written by a newer syncd"
        raise StateError(f"{what}; install that version or restore a backup")
    return StateInspection(place(url), "current" if revision == REVISIONS[-1] else "older")


def find_damage(
    url: str, redact: Callable[[str], str], seconds: float, wait_seconds: float = WAIT_SECONDS
) -> str | None:
    """What SQLite finds wrong with the file, which is there; None: nothing.

    StateError: it cannot be read, or is locked for `wait_seconds`. TimeoutError: the check takes more than `seconds`.
    """
    ends_at = monotonic() + seconds
    with _read_only(url, redact, wait_seconds) as connection:
        driver_connection = connection.connection.driver_connection
        assert driver_connection is not None
        driver_connection.set_progress_handler(lambda: monotonic() > ends_at, 10_000)
        try:
            found = str(connection.execute(text("PRAGMA quick_check(1)")).scalar())
        except OperationalError as error:
            if "interrupted" in str(error.orig):
                raise TimeoutError from None
            raise
    return None if found == "ok" else found


def state_file(url: str) -> Path | None:
    """The file of a SQLite state; None: the state is in PostgreSQL."""
    return sqlite_file(make_url(url))


@contextmanager
def _read_only(url: str, redact: Callable[[str], str], wait_seconds: float = WAIT_SECONDS) -> Iterator[Connection]:
    """A connection that, unlike opening a state, does not switch the file to WAL: it may be another program's."""
    is_file = state_file(url) is not None
    arguments = {"timeout": wait_seconds}
    if is_file:
        alone = another_file(url) is not None
        engine = connect_alone(url) if alone else create_engine(url, poolclass=NullPool, connect_args=arguments)
    else:
        engine = connect(url, create=False)
    try:
        with engine.connect() as connection:
            if is_file:
                connection.exec_driver_sql("PRAGMA query_only = ON")
            yield connection
    except SQLAlchemyError as error:
        raise state_error(error, place(url), redact) from None
    finally:
        engine.dispose()


def _permissions(file: Path) -> Iterator[Finding]:
    directory = file.absolute().parent
    if not directory.is_dir():
        yield fault("state", f"there is no directory {directory}", "Create it, and give it to syncd's user")
    elif not os.access(directory, os.W_OK | os.X_OK):
        yield fault("state", f"this user may not write in {directory}", "Give it to syncd's user")
    if not file.exists():
        return
    if not os.access(file, os.R_OK | os.W_OK):
        yield fault("state", f"this user may not read and write {file}", "Give it to syncd's user")
    elif file.stat().st_mode & 0o077:
        yield warning("state", f"other users may read {file}, and it contains orders", f"Run: chmod 600 {file}")


def _progress(known: Situation, now: datetime) -> Iterator[Finding]:
    """How polls and delivery are doing, and what of it needs an operator."""
    summary = known.summary
    assert summary
    yield ok("state", f"{summary.tracked} orders are tracked, {summary.changes['pending']} changes wait to be pushed")
    for reason in judge(known, now).reasons:
        if known.is_run or reason.kind not in ("first", "late"):
            say = fault if reason.severity == "bad" else warning
            yield say("state", reason.headline_and_detail.rstrip("."), reason.advice)
