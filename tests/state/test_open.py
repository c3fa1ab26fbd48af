"""A state is opened, made and upgraded; where it cannot be, a person learns what to do."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import syncd.state
from syncd.errors import StateError
from syncd.state import State, migrate, open_state
from syncd.state.engine import connect, place
from syncd.state.migrate import REVISIONS
from syncd.state.schema import whole_schema
from syncd.state.store import LOCK_CLASS, Store
from tests.made import NOON, check_counts
from tests.servers import execute, postgresql_without_encoding
from tests.state.made import adopted, another, decision, stage

MIGRATIONS = Path(syncd.state.__file__).parent / "migrations"


_CANCELLED = text(
    "INSERT INTO cancellations (token, generation, order_id, state, received_at, asked, attempts, claimed_until, "
    "decided_at, status, in_doubt, order_status) VALUES ('', 'current', :order, :state, 1, 1, 1, 1, 1, :answered, "
    "false, :before)"
)
_CHANGE = text(
    "INSERT INTO changes (order_id, revision, status, content, with_payment, detected_at, found_by, state, hold, "
    "ended_at) VALUES (:order, 1, 'packed', '{}', false, 1, 'cursor', :state, :hold, :ended)"
)
_SEEN = text(
    "INSERT INTO seen (order_id, content, revision, first_seen_at, changed_at, compared_in) "
    "VALUES (:order, :content, 1, 1, 1, 1)"
)


def refusal(url: str, *, create: bool = True) -> str:
    with pytest.raises(StateError) as caught:
        open_state(url, redact=str, create=create, wait_seconds=0.2)
    return str(caught.value)


def test_migrations_make_the_tables_of_new_state(url: str) -> None:
    store = Store(connect(url, create=True), place(url), str, 5)
    with store.write() as connection:
        migrate.upgrade(connection)
        made, declared = MigrationContext.configure(connection), whole_schema(connection.dialect.name)
        assert compare_metadata(made, declared) == []
        checks = {check["name"] for check in inspect(connection).get_check_constraints("changes")}
    store.close()
    assert checks == {"changes_wait_or_ended"}
    with another(url) as state:
        stage(state, adopted("1"))


def test_upgrade_is_refused_while_older_daemon_leads(postgresql_state: str) -> None:
    """It would neither see a lease nor keep one, so two would lead."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    store = Store(connect(postgresql_state, create=True), place(postgresql_state), str, 5)
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "cancellations")
    with store.engine.connect() as session:
        session.execute(text(f"SELECT pg_advisory_lock({LOCK_CLASS + 1}, hashtext(current_schema()))"))
        assert "end all daemons of the older version first" in refusal(postgresql_state)
    store.close()
    with another(postgresql_state) as state:
        assert state.lease().acquire()


def test_older_decisions_hold_if_statuses_agree(url: str) -> None:
    """A decision of an older version holds where the order still has the status it had then."""
    store = Store(connect(url, create=True), place(url), str, 5)
    decided: list[tuple[str, str, str | None, str, str]]
    decided = [("1", "accepted", "cancelled", "new", "cancelled"), ("2", "accepted", "cancelled", "new", "packed")]
    decided += [("3", "refused", None, "sent", "sent"), ("4", "refused", None, "sent", "new")]
    decided += [("5", "accepted", None, "new", "new")]
    with store.write() as connection:
        migrate.upgrade(connection, "cancellations")
        for order, state, answered, before, now in decided:
            connection.execute(_CANCELLED, {"order": order, "state": state, "answered": answered, "before": before})
            connection.execute(_SEEN, {"order": order, "content": json.dumps({"status": now})})
        migrate.upgrade(connection)
        stand = connection.execute(text("SELECT order_id FROM cancellations WHERE stands ORDER BY 1")).scalars().all()
    store.close()
    assert stand == ["1", "3"]


def test_upgrade_counts_the_changes_there_are(url: str) -> None:
    store = Store(connect(url, create=True), place(url), str, 5)
    with store.write() as connection:
        migrate.upgrade(connection, "unpaid")
        for order, state, hold, ended in (
            ("1", "pending", None, None),
            ("2", "held", "guard", None),
            ("3", "dead", "guard", 1),
        ):
            connection.execute(_CHANGE, {"order": order, "state": state, "hold": hold, "ended": ended})
    store.close()
    with another(url) as opened:
        check_counts(opened)
        assert opened.reports.summary().changes["dead"] == 1
        stage(opened, decision("4"))
        opened.operator.discard([], held=True, all_dead=True, now=NOON)
        opened.prune(NOON + timedelta(days=1), timedelta())
        check_counts(opened)


def test_upgrade_notes_payments_in_doubt(url: str) -> None:
    """Of orders of which it is unknown what IMSHOP knows."""
    store = Store(connect(url, create=True), place(url), str, 5)
    with store.write() as connection:
        migrate.upgrade(connection, "by_order")
        for order, in_doubt, told in (("1", True, "null"), ("2", False, "null"), ("3", True, None)):
            connection.execute(_SEEN, {"order": order, "content": '{"status":"packed"}'})
            connection.execute(_CHANGE, {"order": order, "state": "dead", "hold": None, "ended": 1})
            of_order = {"order": order, "in_doubt": in_doubt, "told": told}
            connection.execute(
                text("UPDATE changes SET with_payment = true, in_doubt = :in_doubt WHERE order_id = :order"), of_order
            )
            connection.execute(text("UPDATE seen SET told = :told WHERE order_id = :order"), of_order)
    store.close()
    with another(url) as opened:
        flags = {order_id: one.payment_in_doubt for order_id, one in opened.polls.load(["1", "2", "3"]).items()}
    assert flags == {"1": True, "2": False, "3": False}


def test_new_state_matches_the_codes_tables(state: State) -> None:
    with state.store.read() as connection:
        made, declared = MigrationContext.configure(connection), whole_schema(connection.dialect.name)
        assert compare_metadata(made, declared) == []


def test_state_just_made_elsewhere_is_left_unchanged(state: State) -> None:
    stage(state, adopted("1"))
    with state.store.write() as connection:
        migrate._create(connection, state.place)
    assert state.polls.tracked() == 1


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop:
        shop.execute("CREATE TABLE orders (id)")
        with pytest.raises(StateError, match=r"shop\.db is another program's \(it has a table orders\)"):
            open_state(f"sqlite:///{tmp_path}/shop.db", redact=str)
        assert [name for (name,) in shop.execute("SELECT name FROM sqlite_master")] == ["orders"]


def test_all_migrations_are_known() -> None:
    known = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    assert tuple(reversed(known)) == REVISIONS


def test_state_persists_when_opened_again(state: State, url: str) -> None:
    stage(state, adopted("1"))
    with another(url) as again:
        assert again.polls.tracked() == 1


def test_state_is_made_and_opened_without_alembic(url: str) -> None:
    look = "import sys; from syncd.state import open_state; open_state(sys.argv[1], redact=str); print(*sys.modules)"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", look, url], check=True, capture_output=True, text=True)
        assert "alembic" not in done.stdout.split()


def test_a_state_of_a_newer_version_is_refused(state: State, url: str) -> None:
    with state.store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert refusal(url).endswith("was written by a newer syncd; install that version or restore a backup")


def test_missing_state_is_not_made_unless_asked(url: str) -> None:
    assert "there is no state yet at " in refusal(url, create=False)
    assert "start the daemon or run syncd once first" in refusal(url, create=False)


def test_existing_state_is_opened_without_create(state: State, url: str) -> None:
    with closing(open_state(url, redact=str, create=False)) as again:
        assert again.polls.tracked() == 0


def test_two_processes_make_one_state(url: str) -> None:
    make = "import sys; from syncd.state import open_state; open_state(sys.argv[1], redact=str).polls.set_cursor('x')"
    both = [subprocess.Popen([sys.executable, "-c", make, url]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]


def test_only_the_owner_may_read_the_files(sqlite_state: str, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with another(sqlite_state) as state:
            stage(state, adopted("1"))
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"syncd.db": 0o600, "syncd.db-wal": 0o600, "syncd.db-shm": 0o600}


def test_what_is_committed_survives_a_power_cut(sqlite_state: str) -> None:
    with another(sqlite_state) as state, state.store.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2


def test_file_may_be_named_as_sqlite_uri(tmp_path: Path) -> None:
    with another(f"sqlite:///file:{tmp_path}/a%2520state.db?uri=true") as state:
        stage(state, adopted("1"))
    assert (tmp_path / "a state.db").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    message = refusal(f"sqlite:///{tmp_path}/nowhere/syncd.db")
    assert (
        message == f"the state {tmp_path}/nowhere/syncd.db cannot be made: its directory does not exist; make it first"
    )


def test_directory_in_place_of_file_is_reported(tmp_path: Path) -> None:
    assert f"the state {tmp_path} cannot be opened" in refusal(f"sqlite:///{tmp_path}")


@contextmanager
def nobody_special() -> Iterator[Path]:
    """A directory, and a process that may not do everything, as root may."""
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        me = os.geteuid()
        if me == 0:
            os.seteuid(65534)
        try:
            yield Path(directory)
        finally:
            os.seteuid(me)


def test_directory_without_write_access_is_reported() -> None:
    with nobody_special() as directory:
        (directory / "inner").mkdir(mode=0o555)
        message = refusal(f"sqlite:///{directory}/inner/syncd.db")
    assert "cannot be made: Permission denied; let syncd's user write its directory" in message


def test_file_without_read_access_is_reported() -> None:
    with nobody_special() as directory:
        file = directory / "syncd.db"
        file.touch(mode=0)
        assert f"the state {file} cannot be opened; let syncd's user read and write" in refusal(f"sqlite:///{file}")


def test_file_without_write_access_is_reported() -> None:
    with nobody_special() as directory:
        inner = directory / "inner"
        inner.mkdir()
        url = f"sqlite:///{inner}/syncd.db"
        open_state(url, redact=str).close()
        (inner / "syncd.db").chmod(0o400)
        inner.chmod(0o555)
        assert "make the file, its directory and the disk writable" in refusal(url)
        inner.chmod(0o777)


def test_a_file_that_is_no_database_is_named(sqlite_state: str, tmp_path: Path) -> None:
    (tmp_path / "syncd.db").write_text("order_id;status\n" * 500)
    assert "is not a SQLite database; name another file in SYNCD_STATE__URL" in refusal(sqlite_state)


def test_a_damaged_file_is_named(sqlite_state: str, tmp_path: Path) -> None:
    with another(sqlite_state) as state:
        stage(state, *(adopted(str(number)) for number in range(500)))
    with (tmp_path / "syncd.db").open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)
    assert "is damaged; restore a backup, or move the file away" in refusal(sqlite_state)


def test_a_file_that_another_process_locks_is_named(sqlite_state: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "syncd.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        message = refusal(sqlite_state)
    assert f"the state {tmp_path}/syncd.db is locked by another process; end that process" in message


def test_unreachable_server_is_reported_without_password() -> None:
    message = refusal("postgresql+psycopg://syncd:hunter22@127.0.0.1:1/shop")
    assert (
        "postgresql+psycopg://syncd:***@127.0.0.1:1/shop cannot be reached; see that the PostgreSQL server" in message
    )
    assert "hunter22" not in message


def test_a_database_that_does_not_exist_is_named(postgresql: str) -> None:
    assert "is not there; create the database" in refusal(postgresql + "_not")


def test_schema_with_tables_of_same_name_is_refused(postgresql: str, postgresql_state: str) -> None:
    schema = postgresql_state.rpartition("%3D")[2]
    execute(postgresql, f"CREATE TABLE {schema}.changes (id int)")
    assert "give syncd a database or a schema of its own" in refusal(postgresql_state)


def test_secrets_are_taken_out_of_every_message(postgresql: str) -> None:
    with pytest.raises(StateError) as caught:
        open_state(postgresql + "_secret", redact=lambda message: message.replace("_secret", "***"))
    assert "_secret" not in str(caught.value)


def test_database_without_encoding_holds_a_state() -> None:
    with postgresql_without_encoding() as url, closing(open_state(url, redact=str)) as state:
        stage(state, adopted("Ж7", "собран"))
        assert state.lease().acquire()
