"""The state brought to this version's schema when it is opened.

A new state is made as it is to be. Alembic brings an older one up to date, and only then is it imported: that takes
9 MB, which a daemon would keep for as long as it runs, and 0.2 s.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from syncd.errors import StateError
from syncd.state.engine import no_state_yet
from syncd.state.schema import metadata
from syncd.state.store import Store

REVISIONS = ("0001", "cancellations", "shop_id", "waiting_by_order", "leases", "blanks", "unpaid")
"""All that this version knows, oldest first: to see that nothing is to be done, Alembic need not be asked."""


def bring_up_to_date(store: Store, *, create: bool) -> None:
    """Make the state, or apply the migrations that are missing. StateError: a newer syncd wrote the state, or there is
    none and `create` is not set."""
    with store.read() as connection:
        revision = _revision(connection)
    if revision is None and not create:
        raise no_state_yet(store.place)
    if revision is not None and revision not in REVISIONS:
        raise StateError(
            f"the state {store.place} was written by a newer syncd; install that version or restore a backup"
        )
    if revision != REVISIONS[-1]:
        with store.write() as connection:
            upgrade(connection) if revision else _make(connection, store.place)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _make(connection: Connection, place: str) -> None:
    """In the caller's transaction. Another process may have been first."""
    if _revision(connection) is None:
        _refuse_others(connection, place)
        metadata.create_all(connection, checkfirst=False)  # another program's table of that name must not be taken
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": REVISIONS[-1]})


def _refuse_others(connection: Connection, place: str) -> None:
    """A PostgreSQL database is shared by many; a SQLite file with tables in it is somebody's, the shop's perhaps."""
    if connection.dialect.name == "sqlite" and (tables := inspect(connection).get_table_names()):
        raise StateError(
            f"the file {place} is another program's (it has a table {tables[0]}); "
            "name a file of syncd's own in SYNCD_STATE__URL"
        )


def upgrade(connection: Connection, revision: str = "head") -> None:
    """In the caller's transaction, so that it is done whole or not at all. Another process may have been first: then
    there is nothing left to do."""
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    command.upgrade(config, revision)
