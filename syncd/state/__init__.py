"""The state: what was seen of orders, what must be pushed, and the results. One code for SQLite and PostgreSQL.

    State           the parts below, over one Store; leases, retention
    .polls          polls.py: cursor, staging, full compares, held changes   (seen, missing, identifiers)
    .outbox         outbox.py: claims of due changes, outcomes               (outcomes)
    .inbox          inbox.py: buyers' cancellations                          (identifiers)
    .operator       operator_actions.py: retry, discard, release, resync
    .notices        notice_record.py: what people were told of troubles
    .reports        reports.py: what people, scripts and metrics read        (read_models)

    schema.py       the tables             transitions.py   how changes end or are released without a push
    store.py        transactions           engine.py, postgresql.py          connections and their limits
    counts.py       changes in each state  told.py         what IMSHOP knows of an order
    migrate.py      new versions           lease.py, file_lease.py           who may deliver, who may poll

A transaction is whole or nothing, and never open while anything but the database is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import make_url

from syncd.errors import StateError
from syncd.state.engine import WAIT_SECONDS, connect, connect_alone, place, sqlite_file, wall_clock
from syncd.state.file_lease import FileLease
from syncd.state.inbox import StoredInbox
from syncd.state.lease import Lease, RowLease, boottime
from syncd.state.migrate import bring_up_to_date
from syncd.state.notice_record import StoredNotices
from syncd.state.operator_actions import OperatorActions
from syncd.state.outbox import StoredOutbox
from syncd.state.polls import StoredPolls
from syncd.state.read_models import (
    AttemptView,
    ChangeView,
    ChangeWithAttempt,
    HalfHour,
    OperatorResult,
    PollView,
    Pruned,
    PushView,
    Recent,
    Released,
    SeenView,
    SourceStatus,
    Story,
    Summary,
)
from syncd.state.reports import Reports
from syncd.state.retention import prune
from syncd.state.store import Store, file_mark, get_fact, instant, put_fact

__all__ = [
    "AttemptView",
    "ChangeView",
    "ChangeWithAttempt",
    "HalfHour",
    "Lease",
    "OperatorResult",
    "PollView",
    "Pruned",
    "PushView",
    "Recent",
    "Released",
    "SeenView",
    "SourceStatus",
    "State",
    "Story",
    "Summary",
    "another_file",
    "boottime",
    "loss",
    "open_state",
]


LOCK = ".lock"
"""What the file of the right to deliver has behind the name of a SQLite state."""


class State:
    """One state, in its parts. Thread-safe. Every method of a part may raise StateError; then nothing was written."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.polls = StoredPolls(store)
        self.outbox = StoredOutbox(store)
        self.inbox = StoredInbox(store)
        self.operator = OperatorActions(store)
        self.notices = StoredNotices(store)
        self.reports = Reports(store)

    def under(self, lease: Lease) -> State:
        """The same state for the holder of this lease: each transaction that writes fails with LeaseLostError once
        another process holds it. The parts are new ones: the outbox does not know earlier claims."""
        return State(self.store.under(lease))

    def lease(self) -> Lease:
        """The right to deliver from this state: one daemon at a time."""
        return self._lease("deliver", LOCK)

    def poll_lease(self) -> Lease:
        """The right to poll: one poll at a time, in all processes. A page that is read before another poll's page and
        staged after it would push an older status after a newer one."""
        return self._lease("poll", ".poll.lock")

    def _lease(self, name: str, suffix: str) -> Lease:
        file = sqlite_file(self.store.engine.url)
        if file is None:
            return RowLease(self.store, self.store.lease_engine(), name, boottime)
        return FileLease(_beside(file, suffix), name, self.store.file_mark)

    def told_troubles(self) -> Mapping[str, tuple[str, str]]:
        """What a person was told to be wrong, and not yet that it is over: a text and a severity for each kind. Earlier
        versions kept the text alone: that counts as told with the worst."""
        with self.store.read() as connection:
            told = get_fact(connection, "told_troubles") or {}
            return {kind: (one, "bad") if isinstance(one, str) else (one[0], one[1]) for kind, one in told.items()}

    def set_told_troubles(self, told: Mapping[str, tuple[str, str]]) -> None:
        with self.store.write() as connection:
            put_fact(connection, "told_troubles", {**told})

    def certificate(self) -> tuple[datetime | None, datetime | None]:
        """When IMSHOP's certificate ends (None: not known, or no TLS), and when it was looked at last."""
        with self.store.read() as connection:
            known = get_fact(connection, "certificate") or {}
            return instant(known.get("ends")), instant(known.get("seen_at"))

    def note_certificate(self, ends: datetime | None, seen_at: datetime) -> None:
        with self.store.write() as connection:
            ended = ends.isoformat() if ends else None
            put_fact(connection, "certificate", {"ends": ended, "seen_at": seen_at.isoformat()})

    def settings_mark(self) -> Mapping[str, str] | None:
        """What the daemon that led last noted of its settings; see `note_settings`."""
        with self.store.read() as connection:
            mark: Mapping[str, str] | None = get_fact(connection, "settings")
            return mark

    def note_settings(self, mark: Mapping[str, str]) -> None:
        """Note a mark by which others know whether the daemon works with the settings that they read."""
        with self.store.write() as connection:
            put_fact(connection, "settings", {**mark})

    def file_fault(self) -> str | None:
        """See `Store.file_fault`."""
        return self.store.file_fault()

    @property
    def place(self) -> str:
        """The state's name in messages."""
        return self.store.place

    def prune(self, now: datetime, retention: timedelta) -> Pruned:
        """Delete changes that ended, cancellations that were decided and orders that went missing more than `retention`
        ago. An order with a change that waits is kept. Returns how many changes and orders were deleted."""
        return prune(self.store, now, retention)

    def cut_connections(self) -> None:
        """See `Store.cut_connections`."""
        self.store.cut_connections()

    def end_silent_writers(self) -> int:
        """See `Store.end_silent_writers`."""
        return self.store.end_silent_writers()

    def close(self) -> None:
        self.store.close()


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)


def loss(url: str) -> str | None:
    """What to say of a SQLite state that is not there, though the lock beside it shows that there was one. None: it is
    there, or there was none. StateError."""
    file = sqlite_file(make_url(url))
    if file is None or file.exists() or not _beside(file, LOCK).exists():
        return None
    if holder := FileLease(_beside(file, LOCK), "deliver").holder():
        return (
            f"the state {file} was deleted or moved away while a daemon works with it ({holder}): put it back, from a "
            "backup if need be, then restart syncd; without one, the restart takes a new baseline"
        )
    return (
        f"the state {file} was lost: its lock {_beside(file, LOCK)} shows that it was there. If there is a backup, "
        "restore it first. Starting the daemon, or syncd once, without it takes a new baseline: nobody is told what "
        "changed meanwhile"
    )


def another_file(url: str) -> str | None:
    """What to say of a SQLite state whose file was put where a daemon works with the one that was there before. None:
    that is not so. StateError."""
    file = sqlite_file(make_url(url))
    if file is None or not file.exists():
        return None
    lock = FileLease(_beside(file, LOCK), "deliver")
    if (works_with := lock.holders_file()) in (None, file_mark(file.stat())):
        return None
    assert works_with
    return (
        f"the file {file} was put where a daemon ({lock.holder()}) works with the one that was there before: "
        "restart syncd, then try again"
    )


def open_state(
    url: str,
    *,
    redact: Callable[[str], str],
    create: bool = True,
    wait_seconds: float = WAIT_SECONDS,
    clock: Callable[[], datetime] = wall_clock,
) -> State:
    """Open the state at a SQLAlchemy URL of SQLite or PostgreSQL, and bring its schema up to date.

    `redact` removes secrets from messages. `create` False: the state must exist. `wait_seconds` limits each wait for a
    lock or a connection. `clock` is used as the database's clock with SQLite; it returns aware datetimes. StateError
    says what is wrong and what to do: no directory, no rights, locked, damaged, of a newer version, unreachable.

    A lock without its state shows that there was one: it was lost, and that is noted in the new one. Where a daemon
    works with another file than the one that is there now, this one can be read, and not be written.
    """
    file = sqlite_file(make_url(url))
    lost = loss(url)
    if file and lost and (not create or FileLease(_beside(file, LOCK), "deliver").holder()):
        raise StateError(lost)
    other = another_file(url)
    engine = connect_alone(url) if other else connect(url, create=create, wait_seconds=wait_seconds, clock=clock)
    store = Store(engine, place(url), redact, wait_seconds)
    try:
        store.note_file()
        store.open_no_other_file()
        if other:
            store.refuse_writing(other)
        bring_up_to_date(store, create=create)
        if lost:
            with store.write() as connection:
                put_fact(connection, "lost_at", clock().isoformat())
    except BaseException as error:
        store.close()
        if other and isinstance(error, StateError):  # the cause is known, whatever fails
            raise StateError(other) from None
        raise
    return State(store)
