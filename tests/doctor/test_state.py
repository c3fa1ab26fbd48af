"""What the doctor says of the state."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pytest

from syncd.doctor.state_checks import find_damage
from syncd.errors import StateError
from syncd.model import Change, Content, Decision, Outcome, Pause, Seen
from syncd.state import State, open_state
from syncd.state.migrate import REVISIONS
from tests.doctor.installation import Installation
from tests.made import NOON
from tests.servers import execute, new_login

CONTENT: Content = {"status": "packed"}
BOUND = 20.0


def a_state(installation: Installation) -> State:
    return open_state(installation.env["SYNCD_STATE__URL"], redact=str)


def filled_state(installation: Installation) -> None:
    """A state that takes more than an instant to read."""
    a_state(installation).close()
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
    execute(installation.env["SYNCD_STATE__URL"], f"INSERT INTO facts {numbers} SELECT 'fact ' || i, '1' FROM n")


def a_change(order_id: str) -> Decision:
    change = Change(
        order_id=order_id,
        revision=0,
        content=CONTENT,
        previous_status="new",
        message=None,
        tracking_url=None,
        user_id=None,
        imshop_uuid=None,
        with_payment=False,
        source_updated_at=None,
        found_by="cursor",
    )
    return Decision(Seen(order_id, CONTENT, None), change)


def test_missing_state_is_ok_and_not_created(installation: Installation) -> None:
    found = installation.found("state").splitlines()
    assert found[0] == f"ok: {installation.home}/state.db is not there yet; the first start creates it"
    assert "MB free" in found[1]
    assert [*installation.home.iterdir()] == []


def test_lost_state_is_a_fault(installation: Installation) -> None:
    with closing(a_state(installation)) as state:
        lease = state.lease()
        lease.acquire()
        lease.release()
    (installation.home / "state.db").unlink()
    found = installation.found("state", "fault").splitlines()
    assert "state.db was lost" in found[0]
    assert "restore it first" in found[0]


def test_missing_directory_is_a_fault(installation: Installation) -> None:
    found = installation.found("state", "fault", SYNCD_STATE__URL=f"sqlite:///{installation.home}/lib/state.db")
    assert f"there is no directory {installation.home}/lib Create it" in found


def test_a_state_of_this_version_is_well(installation: Installation) -> None:
    a_state(installation).close()
    *found, _room = installation.found("state").splitlines()
    assert found == [
        f"ok: {installation.home}/state.db is there, and of this version",
        "ok: no daemon works with it now",
        "ok: 0 orders are tracked, 0 changes wait to be pushed",
        f"ok: {installation.home}/state.db is not damaged",
    ]


def test_a_state_is_left_as_it_is(installation: Installation) -> None:
    a_state(installation).close()
    before = {path.name: path.read_bytes() for path in installation.home.iterdir()}
    installation.examined()
    assert {path.name: path.read_bytes() for path in installation.home.iterdir()} == before


def test_a_state_in_postgresql_is_well(postgresql_database: str, installation: Installation) -> None:
    installation.env["SYNCD_STATE__URL"] = postgresql_database
    assert "is not there yet; the first start creates it" in installation.found("state")
    a_state(installation).close()
    assert "is there, and of this version" in installation.found("state")
    assert installation.found("state", "fault") == ""


def test_login_without_create_right_is_a_fault(postgresql_database: str, installation: Installation) -> None:
    with new_login(postgresql_database) as (_, mine):
        assert "the login may not create tables in" in installation.found("state", "fault", SYNCD_STATE__URL=mine)


def test_running_daemon_is_reported(installation: Installation) -> None:
    with closing(a_state(installation)) as state:
        lease = state.lease()
        assert lease.acquire()
        assert "ok: a daemon works with it (process " in installation.found("state")
        lease.release()


def test_another_programs_file_is_warned_and_unchanged(installation: Installation) -> None:
    file = installation.home / "state.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE goods (id INTEGER)")
    before = file.read_bytes()
    assert "has the tables of another program" in installation.found("state", "warning")
    assert file.read_bytes() == before


def test_state_of_newer_version_is_a_fault(installation: Installation) -> None:
    a_state(installation).close()
    execute(installation.env["SYNCD_STATE__URL"], "UPDATE alembic_version SET version_num = '9999'")
    assert "was written by a newer syncd" in installation.found("state", "fault")


def test_state_of_older_version_is_not_upgraded(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    a_state(installation).close()
    monkeypatch.setattr("syncd.doctor.state_checks.REVISIONS", (*REVISIONS, "next"))
    assert "ok: " + str(installation.home / "state.db") + " is there; the next start upgrades it" in installation.found(
        "state"
    )


def test_file_that_is_no_database_is_fault(installation: Installation) -> None:
    (installation.home / "state.db").write_text("not a database, but long enough to be taken for one" * 100)
    assert "is not a SQLite database" in installation.found("state", "fault")


def test_damage_is_a_fault(installation: Installation) -> None:
    a_state(installation).close()
    file = installation.home / "state.db"
    whole = bytearray(file.read_bytes())
    whole[-4096:] = b"\xff" * 4096
    file.write_bytes(whole)
    assert "damaged" in installation.found("state", "fault")


def test_file_too_large_to_check_is_no_fault(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.doctor.state_checks.QUICK_CHECK_SECONDS", -1)
    filled_state(installation)
    assert "is too large to be checked for damage within" in installation.found("state", "ok")


def test_locked_file_is_not_reported_as_damaged(installation: Installation) -> None:
    a_state(installation).close()
    url = installation.env["SYNCD_STATE__URL"]
    with closing(sqlite3.connect(installation.home / "state.db", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StateError, match="locked by another process"):
            find_damage(url, str, BOUND, wait_seconds=0)


def test_a_state_that_others_may_read_is_told(installation: Installation) -> None:
    a_state(installation).close()
    file = installation.home / "state.db"
    file.chmod(0o644)
    assert f"other users may read {file}, and it contains orders Run: chmod 600 {file}" in installation.found(
        "state", "warning"
    )


def test_directory_without_write_access_is_a_fault(installation: Installation) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    installation.home.chmod(0o500)
    assert f"this user may not write in {installation.home}" in installation.found("state", "fault")


def test_changes_that_need_a_hand_are_told(installation: Installation) -> None:
    with closing(a_state(installation)) as state:
        with state.polls.staging() as staging:
            staging.store([a_change("1")], NOON, counting=False)
        (push,) = state.outbox.record_and_claim([], 1, None, NOON)
        state.outbox.record_and_claim([Outcome(push, "dead", "dead", NOON, NOON)], 0, None, NOON)
        with state.polls.staging() as staging:
            staging.store([a_change("2"), a_change("3")], NOON, counting=True)
        state.polls.release_or_hold(1, NOON)
    found = installation.found("state", "warning")
    assert "Held changes wait for your decision: 2 See: syncd changes --state held" in found
    assert "Changes were given up, and IMSHOP was never told: 1 See: syncd changes --state dead" in found


def test_polls_and_deliveries_that_fail_are_told(installation: Installation) -> None:
    with closing(a_state(installation)) as state:
        state.outbox.record_and_claim([], 0, Pause("unreachable", NOON, "no route"), NOON)
        state.polls.record_poll(NOON, "the shop is gone")
    found = installation.found("state", "fault")
    assert "The shop cannot be read: what changes there is not seen: the shop is gone" in found
    assert "Delivery is paused: IMSHOP cannot be reached: no route" in found


def test_orders_that_a_full_compare_missed_are_told(installation: Installation) -> None:
    with closing(a_state(installation)) as state:
        with state.polls.staging() as staging:
            staging.store([Decision(Seen(str(number), CONTENT, CONTENT)) for number in range(4)], NOON, counting=False)
        assert state.polls.mark_missing(state.polls.start_compare(), NOON) is None
    found = installation.found("state", "warning")
    assert "Orders missing from the shop, none of them forgotten: 4" in found
    assert "run: syncd release" in found


@pytest.mark.parametrize("served", ["public_html", "site/index.php"])
def test_files_that_a_web_server_serves_are_named(installation: Installation, served: str) -> None:
    """By what hosts call that folder, or by what lies in it."""
    root = installation.home / served.split("/", maxsplit=1)[0]
    home = root / "syncd"
    home.mkdir(parents=True)
    (root / "index.php").touch()
    state = f"sqlite:///{home}/state.db"
    expected = f"{home}/state.db lies within {root}, which looks like a web server's folder"
    assert expected in installation.found("state", "warning", SYNCD_STATE__URL=state)
    secret = home / "SYNCD_IMSHOP__API_KEY"
    secret.write_text("K3Y-K3Y")
    del installation.env["SYNCD_IMSHOP__API_KEY"]
    assert f"{secret} lies within {root}" in installation.found("settings", "warning", SYNCD_SECRETS_DIR=str(home))


def test_files_beside_the_web_servers_folder_are_well(installation: Installation) -> None:
    (installation.home / "public_html").mkdir()
    (installation.home / "public_html" / "index.php").touch()
    assert "web server" not in installation.found("state")
