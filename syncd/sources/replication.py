"""Whether the shop's database is a replica, and how far behind its primary: what a poll reads is that old."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text

from syncd.errors import SourceError
from syncd.sources.connection import Database
from syncd.sources.dialects import Dialect, MariaDB, PostgreSQL

_STANDBY = text("""
    SELECT pg_is_in_recovery() AS replica,
        CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
             ELSE EXTRACT(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END AS behind
""")
_REPLICA = ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS")
"""As newer servers call it, and as older ones do."""


@dataclass(frozen=True, slots=True)
class Replication:
    """`behind` None: it does not follow its primary now, or does not say how far."""

    is_replica: bool
    behind: timedelta | None = None


def replication(database: Database) -> Replication | None:
    """None: it cannot be asked, since the kind of database is another one or the login may not know. SourceError."""
    asker = _ASKERS.get(type(database.dialect))
    return asker(database) if asker else None


def _postgresql(database: Database) -> Replication:
    (row,) = database.ask(_STANDBY)
    return Replication(bool(row["replica"]), _span(row["behind"]))


def _mariadb(database: Database) -> Replication | None:
    for statement in _REPLICA:
        try:
            rows = database.ask(text(statement))
        except SourceError:  # a word of another version, or a right that the login does not have
            continue
        behind = [row.get("Seconds_Behind_Source", row.get("Seconds_Behind_Master")) for row in rows]
        return Replication(bool(rows), None if None in behind else _span(max(behind, default=None)))
    return None


def _span(seconds: object) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=float(str(seconds)))


_ASKERS: Mapping[type[Dialect], Callable[[Database], Replication | None]] = {
    MariaDB: _mariadb,
    PostgreSQL: _postgresql,
}
