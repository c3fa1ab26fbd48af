"""Brings the schema of the state to this version when it is opened.

A new state is created with the present schema. An older one is upgraded by Alembic, which is imported only then: it
takes 0.2 s, and 9 MB that a daemon would keep for as long as it runs.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from syncd.errors import StateError
from syncd.state.counts import begin_counting
from syncd.state.engine import no_state_yet
from syncd.state.schema import whole_schema
from syncd.state.store import Store

REVISIONS = (
    *("0001", "cancellations", "shop_id", "waiting_by_order", "leases", "blanks", "unpaid", "counts", "refusals"),
    *("by_order", "payments"),
)
"""All revisions that this version knows, oldest first. An up-to-date state is recognised by them, without Alembic."""


def bring_up_to_date(store: Store, *, create: bool) -> None:
    """Create the state, or apply the missing migrations. StateError: a newer syncd wrote the state, or there is none
    and `create` is not set."""
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
            upgrade(connection) if revision else _create(connection, store.place)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _create(connection: Connection, place: str) -> None:
    """In the caller's transaction. Another process may have created the state first."""
    if _revision(connection) is None:
        _refuse_others(connection, place)
        schema = whole_schema(connection.dialect.name)
        schema.create_all(connection, checkfirst=False)  # a table of that name may be another program's
        begin_counting(connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": REVISIONS[-1]})


def _refuse_others(connection: Connection, place: str) -> None:
    """A SQLite file with tables belongs to another program, perhaps the shop. A PostgreSQL database may be shared."""
    if connection.dialect.name == "sqlite" and (tables := inspect(connection).get_table_names()):
        raise StateError(
            f"the file {place} is another program's (it has a table {tables[0]}); "
            "name a file of syncd's own in SYNCD_STATE__URL"
        )


def upgrade(connection: Connection, revision: str = "head") -> None:
    """In the caller's transaction, so that the upgrade is done whole or not at all. If another process was first, it
    does nothing."""
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    command.upgrade(config, revision)
