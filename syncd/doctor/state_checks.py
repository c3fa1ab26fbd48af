"""The state: whether a daemon could work with it, and what waits in it for an operator.

A look at the state that makes, mends and upgrades nothing, for the doctor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Literal

from sqlalchemy import Connection, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from syncd.doctor.clock_checks import PolledChange, PollHistory
from syncd.doctor.findings import Finding, fault, ok, warning
from syncd.errors import StateError
from syncd.state import State, Summary, open_state
from syncd.state.engine import WAIT_SECONDS, connect, place, sqlite_file
from syncd.state.migrate import REVISIONS
from syncd.state.read_models import ChangeView
from syncd.state.store import state_error

_MAY_CREATE = text("SELECT has_schema_privilege(current_schema(), 'CREATE')")


@dataclass(frozen=True, slots=True)
class StateInspection:
    """What is there at `place`: nothing yet, tables of somebody else, a state that the next start upgrades, or one of
    this version. `may_create`: whether this login may make tables in PostgreSQL."""

    place: str
    standing: Literal["absent", "foreign", "older", "current"]
    may_create: bool = True


def inspect_state(url: str, redact: Callable[[str], str]) -> StateInspection:
    """StateError: it cannot be read, or a newer syncd wrote it."""
    file = sqlite_file(make_url(url))
    if file and not file.exists():
        return StateInspection(place(url), "absent")
    with _opened(url, redact) as connection:
        tables = inspect(connection).get_table_names()
        if "alembic_version" in tables:
            return StateInspection(place(url), _age(connection, place(url)))
        may_create = file is not None or bool(connection.execute(_MAY_CREATE).scalar())
        return StateInspection(place(url), "foreign" if tables else "absent", may_create)


def find_damage(
    url: str, redact: Callable[[str], str], seconds: float, wait_seconds: float = WAIT_SECONDS
) -> str | None:
    """What SQLite finds wrong with the file that is there; None: nothing.

    StateError: it cannot be read, or is locked for `wait_seconds`. TimeoutError: not done within `seconds`.
    """
    ends_at = monotonic() + seconds
    with _opened(url, redact, wait_seconds) as connection:
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
    """The file that a SQLite state is kept in; None: it is kept in PostgreSQL."""
    return sqlite_file(make_url(url))


def _age(connection: Connection, name: str) -> Literal["older", "current"]:
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision not in REVISIONS:
        raise StateError(f"the state {name} was written by a newer syncd; install that version or restore a backup")
    return "current" if revision == REVISIONS[-1] else "older"


@contextmanager
def _opened(url: str, redact: Callable[[str], str], wait_seconds: float = WAIT_SECONDS) -> Iterator[Connection]:
    """Without the switch to WAL that opening a state begins with: the file may be somebody else's."""
    is_file = state_file(url) is not None
    arguments = {"timeout": wait_seconds}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments) if is_file else connect(url, create=False)
    try:
        with engine.connect() as connection:
            if is_file:
                connection.exec_driver_sql("PRAGMA query_only = ON")
            yield connection
    except SQLAlchemyError as error:
        raise state_error(error, place(url), redact) from None
    finally:
        engine.dispose()


QUICK_CHECK_SECONDS = 6.0
CHANGES_LOOKED_AT = 500


def check_state(url: str, redact: Callable[[str], str]) -> Iterator[Finding]:
    """What is there, whether it can be written, and whether a daemon runs on it. Nothing is made or upgraded."""
    file = state_file(url)
    found = inspect_state(url, redact)
    yield from _standing(found, str(file.absolute() if file else found.place))
    if file:
        yield from _permissions(file)
    if found.standing == "current":
        with closing(open_state(url, redact=redact, create=False)) as state:
            yield _daemon(state)
            yield from _waiting(state.reports.summary())


def check_state_file(url: str, redact: Callable[[str], str]) -> Iterator[Finding]:
    """Whether a SQLite state is sound."""
    file = state_file(url)
    if file is None or not file.exists():
        return
    try:
        found = find_damage(url, redact, QUICK_CHECK_SECONDS)
    except TimeoutError:
        yield ok("state", f"{file} is too large to be checked for damage within {QUICK_CHECK_SECONDS:g} s")
        return
    if found:
        advice = "Restore a backup, or move the file away to start over with a new baseline"
        yield fault("state", f"{file} is damaged: {found}", advice)
    else:
        yield ok("state", f"{file} is not damaged")


def daemon_runs(url: str, redact: Callable[[str], str]) -> bool:
    """Whether a daemon works with this state now. StateError."""
    if inspect_state(url, redact).standing != "current":
        return False
    with closing(open_state(url, redact=redact, create=False)) as state:
        return state.lease().holder() is not None


def poll_history(url: str, redact: Callable[[str], str], interval: timedelta) -> PollHistory:
    """The last changes that polls found by what the shop says of their time. None where the state cannot be read: that
    is told elsewhere."""
    with suppress(StateError):
        if inspect_state(url, redact).standing == "current":
            with closing(open_state(url, redact=redact, create=False)) as state:
                return PollHistory([*_by_cursor(state.reports.changes(limit=CHANGES_LOOKED_AT))], interval)
    return PollHistory()


def _by_cursor(changes: Iterable[ChangeView]) -> Iterator[PolledChange]:
    for one in changes:
        if one.found_by == "cursor" and one.source_updated_at:
            yield PolledChange(one.order_id, one.detected_at, one.source_updated_at)


def _standing(found: StateInspection, place: str) -> Iterator[Finding]:
    match found.standing:
        case "current":
            yield ok("state", f"{place} is there, and of this version")
        case "older":
            yield ok("state", f"{place} is there; the next start brings it up to this version")
        case "foreign":
            text = f"{place} holds the tables of another program, and syncd's would be added"
            yield warning("state", text, "Name a file or a database of its own in SYNCD_STATE__URL")
        case "absent":
            yield ok("state", f"{place} is not there yet; the first start makes it")
    if not found.may_create:
        yield fault("state", f"the login may not make tables in {place}", "Grant it CREATE on the schema")


def _permissions(file: Path) -> Iterator[Finding]:
    directory = file.absolute().parent
    if not directory.is_dir():
        yield fault("state", f"there is no directory {directory}", "Make it, and give it to syncd's user")
    elif not os.access(directory, os.W_OK | os.X_OK):
        yield fault("state", f"this user may not write in {directory}", "Give it to syncd's user")
    if not file.exists():
        return
    if not os.access(file, os.R_OK | os.W_OK):
        yield fault("state", f"this user may not read and write {file}", "Give it to syncd's user")
    elif file.stat().st_mode & 0o077:
        yield warning("state", f"other users may read {file}, and it holds orders", f"Run: chmod 600 {file}")


def _daemon(state: State) -> Finding:
    holder = state.lease().holder()
    return ok("state", f"a daemon works with it ({holder})" if holder else "no daemon works with it now")


def _waiting(summary: Summary) -> Iterator[Finding]:
    """What the state says about the work so far, and what of it needs a hand."""
    changes = summary.changes
    yield ok("state", f"{summary.tracked} orders are tracked, {changes['pending']} changes wait to be pushed")
    if failures := summary.source.consecutive_failures:
        why = (summary.source.last_error or "").rstrip(".")
        text = f"the last {failures} polls failed: {why}"
        yield warning("state", text, "If the source is well now, the next poll mends it")
    if summary.missing_refused:
        text = f"the last full compare missed {summary.missing_refused} orders, and forgot none of them"
        yield warning("state", text, "If they are really gone, run: syncd release")
    if summary.pause:
        text = f"delivery is paused ({summary.pause.reason}): {summary.pause.detail}"
        yield warning("state", text, "A running daemon tries again by itself")
    if held := changes["held"]:
        why = ", ".join(f"{count} by {reason}" for reason, count in summary.held.items())
        advice = "Look: syncd changes --state held. Then let them go (syncd release), or not (syncd discard --held)"
        yield warning("state", f"{held} changes are held ({why})", advice)
    if dead := changes["dead"]:
        advice = "Look: syncd changes --state dead. Then: syncd retry --all-dead, or syncd discard --all-dead"
        yield warning("state", f"{dead} changes are dead: IMSHOP was never told", advice)
