"""Each incident: caused, seen in all places, cured as printed, over."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.reasons import KINDS
from syncd.sandbox import Failure
from syncd.state import open_state
from syncd.verdict import Patience
from tests.cancel.shops import HttpServer, served
from tests.docs.documents import DOCS, named
from tests.e2e.incidents.night import DELIVERIES, POLLS, BusyShop, Night, statuses_file
from tests.e2e.test_cancel import KEY, ask
from tests.e2e.world import end
from tests.imshop.conftest import self_signed
from tests.imshop.stub import Stub

ORDERS = [f"{number:02}" for number in range(10)]


def in_shop(ago: timedelta) -> str:
    return (datetime.now(UTC) - ago).strftime("%Y-%m-%d %H:%M:%S.%f")


def test_every_push_is_refused(duty: Night) -> None:
    duty.start()
    duty.world.sandbox.behave = lambda _: Failure("refuse")
    duty.put(*ORDERS[:7])
    duty.world.wait(lambda: "the last 7 of 7" in duty.world.get("/readyz")[1], "all are counted")
    reason = duty.shows("refusals", "bad")
    duty.checked(reason)
    duty.world.sandbox.behave = None
    duty.cured(reason)
    duty.is_green(told=7)


def test_a_code_is_not_in_the_statuses_file(duty: Night) -> None:
    write = statuses_file(duty.world.home, 'unknown = "hold"\n[new]\n')
    duty.start(SYNCD_STATUSES__FILE=str(duty.world.home / "statuses.toml"))
    duty.put("01", "02", status="courier_wait")
    reason = duty.shows("unlisted")
    assert f"{duty.world.home}/statuses.toml: courier_wait (2)" in reason["do"]
    duty.checked(reason)
    said = duty.command("release").stdout
    assert "still held: 2 changes, whose codes are not in" in said
    write('unknown = "hold"\n[new]\n[courier_wait]\n')
    duty.is_green(told=2)


def test_imshop_shows_another_status(duty: Night) -> None:
    write = statuses_file(duty.world.home, '[packed]\nimshop = "delivered"\n')
    duty.start(SYNCD_STATUSES__FILE=str(duty.world.home / "statuses.toml"))
    duty.put("01", "02")
    duty.world.wait(lambda: duty.world.status()["changes"]["delivered"] == 2, "both are told")
    reason = duty.shows("mismatch")
    duty.checked(reason)
    assert duty.log.names.count("status_mismatch") == 1
    assert duty.world.metric("syncd_status_mismatch", {"status": "packed"}) == 1
    write("[packed]\n")
    duty.cured(reason)
    duty.is_green()


def test_imshop_says_that_another_code_is_in_force(duty: Night) -> None:
    duty.start()
    duty.world.sandbox.behave = lambda _: Failure("othercode", code="sent")
    duty.put("01")
    reason = duty.shows("mismatch")
    assert "IMSHOP says that 'sent' is in force" in reason["detail"]
    duty.world.sandbox.behave = None
    duty.cured(reason)
    duty.is_green()
    assert "status_matches" in duty.log.names


def test_the_states_disk_is_full(duty: Night) -> None:
    duty.start()
    with closing(sqlite3.connect(duty.world.home / "state.db", isolation_level=None, timeout=20)) as state:
        for event in ("INSERT", "UPDATE"):
            full = "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            state.execute(f"CREATE TRIGGER full_{event} BEFORE {event} ON facts {full}")
        duty.world.wait(lambda: duty.world.metric("syncd_state_up") == 0, "it is counted")
        reason = duty.shows("state", "bad")
        assert "free some space" in reason["detail"]
        for event in ("INSERT", "UPDATE"):
            state.execute(f"DROP TRIGGER full_{event}")
    duty.is_green()
    assert [name for name in duty.log.names if name.startswith("state_")] == ["state_failed", "state_recovered"]
    assert "source_recovered" not in duty.log.names


def test_the_states_file_is_deleted(duty: Night) -> None:
    """Under the daemon. The new baseline is a reason of its own, until it is accepted."""
    duty.start()
    for suffix in ("", "-wal", "-shm"):
        (duty.world.home / f"state.db{suffix}").unlink(missing_ok=True)
    duty.world.wait(lambda: "state: " in duty.world.get("/readyz")[1], "it is noticed")
    said = duty.command("status")
    assert (said.exit_code, "was deleted or moved away while a daemon works with it" in str(said.exception)) == (
        1,
        True,
    )
    assert "start the daemon" not in str(said.exception)
    duty.world.wait(lambda: "state_lost" in duty.log.names, "it is logged")
    duty.restart()
    reason = duty.shows("lost")
    duty.checked(reason)
    cure = reason["do"].rpartition("syncd ")[2]
    assert duty.command(*cure.split()).stdout == "the new baseline is accepted; nothing is released\n"
    duty.is_green()


def test_the_states_file_is_replaced(duty: Night) -> None:
    """Under the daemon, by a backup: nobody writes it before the restart."""
    duty.start()
    file, copy = duty.world.home / "state.db", duty.world.home / "backup.db"
    with closing(sqlite3.connect(file)) as state, closing(sqlite3.connect(copy)) as backup:
        state.backup(backup)
    copy.rename(file)
    backup_as_it_was = file.read_bytes()
    duty.world.wait(lambda: "state: " in duty.world.get("/readyz")[1], "it is noticed")
    assert "deleted or replaced" in duty.world.done("status")
    assert "deleted or replaced" in duty.world.syncd("check").stdout
    released = duty.world.syncd("release")
    assert (released.returncode, "restart syncd, then try again" in released.stderr) == (1, True)
    assert file.read_bytes() == backup_as_it_was
    assert "state_lost" in duty.log.names  # and state_failed, with the same cause, if a write was under way
    duty.restart()
    duty.is_green()


def test_the_shop_cannot_be_read(duty: Night) -> None:
    duty.start()
    duty.world.wait(lambda: duty.world.get("/readyz")[0] == 200, "it is well")
    duty.world.shop.run("ALTER TABLE orders RENAME TO away")
    duty.checked(duty.shows("source"))
    duty.world.shop.run("ALTER TABLE away RENAME TO orders")
    duty.is_green()
    assert [name for name in duty.log.names if name in ("poll_failed", "source_recovered")] == [
        "poll_failed",
        "source_recovered",
    ]


def test_the_zone_is_wrong(duty: Night) -> None:
    """The shop's time is three hours behind."""
    for number in ORDERS:
        duty.put(number, status="new", changed=in_shop(timedelta(hours=3)))
    duty.start()
    for number in ORDERS[:6]:
        duty.put(number, changed=in_shop(timedelta(hours=3)))
        duty.world.wait(lambda number=number: number in duty.world.sandbox.orders, "it is told")  # type: ignore[misc]
    reason = duty.shows("zone")
    assert "Changes are found 3:00 h after the time" in reason["what"]
    duty.restart(SYNCD_SOURCE__TIMEZONE="-03:00")
    duty.put(ORDERS[7], changed=in_shop(timedelta(hours=3)))
    duty.is_green()


def test_rows_are_dated_in_the_future(duty: Night) -> None:
    duty.start()
    duty.put("01", changed=in_shop(timedelta(hours=-3)))
    reason = duty.shows("future")
    assert "by up to 3:00 h: 1" in reason["what"]
    duty.put("01")
    duty.is_green()


def test_settings_are_mended_but_the_daemon_is_not_restarted(duty: Night) -> None:
    """A wrong key, corrected in the file: the daemon goes on with the wrong one."""
    duty.start(SYNCD_IMSHOP__API_KEY="wrong-key")
    duty.put("01")
    reason = duty.shows("paused", "bad")
    assert reason["do"].endswith("then restart syncd")
    duty.world.env["SYNCD_IMSHOP__API_KEY"] = "test-key"
    for command in ("status", "check"):
        assert "The daemon works with other settings than are written now" in duty.command(command).stdout
    duty.restart()
    duty.is_green()
    assert "other settings" not in duty.command("status").stdout


def test_changes_are_held_by_the_guard(duty: Night) -> None:
    duty.start(SYNCD_GUARD__MAX_CHANGES="3")
    duty.world.shop.run(f"UPDATE orders SET state = 'packed', changed = '{in_shop(timedelta())}'")
    reason = duty.shows("held")
    duty.checked(reason)
    duty.cured(reason)
    duty.is_green(told=10)


def test_changes_are_given_up(duty: Night) -> None:
    duty.start(SYNCD_IMSHOP__GIVE_UP_AFTER="1s")
    duty.world.sandbox.behave = lambda _: Failure("http", status=503)
    duty.put("01")
    reason = duty.shows("dead")
    duty.checked(reason)
    duty.world.sandbox.behave = None
    duty.cured(reason)
    duty.is_green()


def test_a_row_cannot_be_read(duty: Night) -> None:
    duty.start()
    duty.world.shop.put("01", None)
    reason = duty.shows("skipped")
    assert duty.log.names.count("row_skipped") == 1
    duty.put("01")
    duty.cured(reason)
    duty.is_green()
    assert duty.log.names.count("row_skipped") == 1


def test_orders_are_missing_from_the_shop(duty: Night) -> None:
    duty.put("10", "11", status="new")
    duty.start(SYNCD_SOURCE__QUERY="SELECT number AS order_id, state AS status FROM orders")
    duty.world.shop.run("DELETE FROM orders WHERE number < '11'")
    reason = duty.shows("missing")
    duty.cured(reason)
    duty.is_green()


def test_a_second_daemon_on_a_file_does_not_start(duty: Night) -> None:
    """Its log is JSON, as that of the first."""
    duty.start()
    ran = duty.world.syncd("run", SYNCD_HTTP__BIND="")
    assert ran.returncode == 1
    assert '"event": "not_started"' in ran.stderr or '"event":"not_started"' in ran.stderr
    assert "runs on this state" in ran.stderr


def test_polls_take_longer_than_their_interval(duty: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.symptoms.FEW_SECONDS", 0.0)
    many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000) SELECT i FROM n"
    quick = duty.world.env["SYNCD_SOURCE__QUERY"]
    duty.start(SYNCD_POLL__INTERVAL="100ms", SYNCD_SOURCE__QUERY=f"{quick} WHERE (SELECT count(*) FROM ({many})) > 0")
    duty.world.wait(lambda: "slow: Polls take longer" in duty.world.get("/readyz")[1], "it is found")
    reason = duty.shows("slow")
    assert "each 0.1 s" in reason["what"]
    duty.restart(SYNCD_POLL__INTERVAL="20s", SYNCD_SOURCE__QUERY=quick)
    duty.is_green()


def test_nothing_is_delivered_though_changes_wait(duty: Night) -> None:
    duty.start()
    duty.world.sandbox.behave = lambda _: Failure("http", status=503)
    duty.put("01")
    duty.world.wait(lambda: duty.world.status()["changes"]["pending"], "it waits")
    with closing(sqlite3.connect(duty.world.home / "state.db", isolation_level=None, timeout=20)) as state:
        state.execute("UPDATE changes SET detected_at = detected_at - 16 * 60 * 1000000")
    reason = duty.shows("waiting", "bad")
    duty.checked(reason)
    assert "HTTP 503" in duty.command("changes", "--state", "pending").stdout
    duty.world.sandbox.behave = None
    duty.is_green()


def test_who_stands_by_says_who_leads(duty: Night, postgresql_database: str) -> None:
    """And leads, once that one is gone."""
    duty.world.env["SYNCD_STATE__URL"] = postgresql_database
    leader = duty.world.start(SYNCD_HTTP__BIND="")
    with closing(open_state(postgresql_database, redact=str)) as state:
        duty.world.wait(lambda: state.reports.summary().source.last_success_at, "the leader polls")
    duty.start()
    line = f"This daemon stands by: process {leader.pid} on "
    code, said = duty.world.get("/readyz")
    assert (code, said.startswith("ready\nstandby: This daemon"), f"stands by: process {leader.pid} on " in said) == (
        200,
        True,
        True,
    )
    assert "Statuses reach buyers" in duty.world.get("/")[1]
    duty.world.wait(lambda: line in duty.service_line(), "systemd shows it")
    end(leader)
    duty.world.wait(lambda: duty.world.get("/readyz") == (200, "ready\n"), "it leads")
    duty.world.wait(lambda: duty.service_line() == "polls and pushes", "systemd shows it")


def test_a_cancellation_is_not_decided(duty: Night) -> None:
    """The shop's server fails."""
    with served(HttpServer()) as shop:
        shop.status = 500
        duty.start(SYNCD_CANCEL__API_KEY=KEY, SYNCD_CANCEL__URL=f"{shop.url}/orders/{{order_id}}")
        assert ask(duty.world, "01")[0] == 503
        reason = duty.shows("cancellations")
        duty.checked(reason)
        assert "Orders: 01." in str(duty.receiver.notices)
        listed = duty.command("cancellations").stdout
        assert "500" in listed
        shop.status = 200
        (number,) = re.findall(r"^ *([0-9]+) +01 ", listed, re.MULTILINE)
        assert "accepted" in duty.cured(reason, ID=number)[-1]
        duty.is_green()


def test_imshops_certificate_ends_soon(
    duty: Night, certificate: Path, monkeypatch: pytest.MonkeyPatch, tls_stub: Stub
) -> None:
    """In two days, until it is renewed."""
    monkeypatch.setattr("syncd.runtime.certificate.LOOK_AGAIN", timedelta(seconds=1))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    duty.start(SYNCD_IMSHOP__URL=tls_stub.url)
    reason = duty.shows("certificate")
    assert reason["what"] in ("IMSHOP's certificate ends in 2 d", "IMSHOP's certificate ends in 47:59 h")
    duty.checked(reason)
    assert tls_stub.tls
    renewed = self_signed(certificate.with_name("renewed.pem"), days=90)
    certificate.write_bytes(certificate.read_bytes() + renewed.read_bytes())
    tls_stub.tls.load_cert_chain(renewed, renewed.with_suffix(".key"))
    duty.is_green()


def test_the_first_poll_takes_long(duty: Night, busy_shop: BusyShop) -> None:
    duty.patience = Patience(source=timedelta(milliseconds=100))
    with busy_shop.locked():
        duty.begin(**busy_shop.env)
        duty.shows("first")
    duty.is_green()


def test_a_poll_does_not_end(duty: Night, busy_shop: BusyShop) -> None:
    """It is late, and red after two hours; and so is a shop that nobody polls any more."""
    duty.start(**busy_shop.env)
    with busy_shop.locked():
        duty.world.wait(busy_shop.is_waited_for, "a poll hangs")
        duty.passes(timedelta(minutes=11), POLLS)
        duty.shows("late")
        duty.passes(timedelta(minutes=110), POLLS)
        duty.shows("late", "bad")
        assert duty.receiver.notices[-1][0] == "syncd: worse now: The last poll was long ago"
    duty.is_green()
    duty.stop()
    duty.passes(timedelta(minutes=11), POLLS)
    said = duty.command("status").stdout
    assert "Statuses do not reach buyers" in said
    assert "The last poll was long ago" in said
    assert "sudo systemctl start syncd" in said
    duty.start()
    duty.is_green()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of a cursor that was cut off
def test_a_thread_of_the_daemon_is_stuck(duty: Night, busy_shop: BusyShop, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("jobs", "daemon"):
        monkeypatch.setattr(f"syncd.runtime.{module}.QUIET_SECONDS", 0.5)
    duty.start(**busy_shop.env)
    with busy_shop.locked():
        reason = duty.shows("daemon", "bad")
        assert reason["detail"].startswith("stuck: poll, overdue by ")
        assert duty.world.get("/healthz")[0] == 503
    duty.world.wait(lambda: duty.world.get("/healthz")[0] == 200, "the poll is over")
    monkeypatch.undo()
    duty.restart()
    duty.is_green()


def test_nothing_is_delivered_for_weeks(duty: Night) -> None:
    """In a shop that never was quiet for longer than a week."""
    duty.start()
    for number in ORDERS[:3]:
        duty.put(number)
        duty.world.wait(lambda number=number: number in duty.world.sandbox.orders, "it is told")  # type: ignore[misc]
        duty.world.wait(lambda: duty.world.status()["changes"]["pending"] == 0, "that is written")
        duty.passes(timedelta(days=7), DELIVERIES)
    duty.passes(timedelta(days=7, hours=1), DELIVERIES)
    reason = duty.shows("quiet")
    assert "Nothing was delivered for 14 d; before, this shop changed nothing for 7 d" in reason["what"]
    duty.checked(reason)
    duty.world.shop.run("UPDATE orders SET state = 'packed' WHERE number = '05'")  # its timestamp does not move
    duty.cured(reason)
    duty.is_green()


def test_each_reason_has_an_incident_or_cannot_be_caused() -> None:
    """And its row on the operations page, in both languages."""
    caused = set(re.findall(r"duty\.shows\(\"(\w+)\"", Path(__file__).read_text(encoding="utf-8")))
    elsewhere = {"standby", "settings", "hangs"}
    assert caused | elsewhere == set(KINDS)
    assert not caused & elsewhere
    assert named(DOCS / "operations.md", "kind") == named(DOCS / "ru" / "operations.md", "вид")
    assert sorted(named(DOCS / "operations.md", "kind")) == sorted(KINDS)
