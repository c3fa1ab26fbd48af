"""The files in deploy/prometheus: promtool's judgement, the runbook, and an alert that a real Prometheus fires."""

from __future__ import annotations

import fcntl
import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

from prometheus_client import CollectorRegistry

from syncd.runtime.metrics import Metrics
from syncd.sandbox import Failure
from tests.deploy.prometheus import Prometheus, prometheus
from tests.deploy.tools import DEPLOY, program, ran
from tests.docs.documents import DOCS, named, text
from tests.docs.test_metrics_and_logs import metrics
from tests.e2e.world import World, end
from tests.servers import execute

FILES = DEPLOY / "prometheus"
ALERTS = (FILES / "syncd.alerts.yml").read_text(encoding="utf-8")
RULES = (FILES / "syncd.rules.yml").read_text(encoding="utf-8")
TESTS = (FILES / "syncd.test.yml").read_text(encoding="utf-8")
RUNBOOK = text(DOCS / "runbook.md")
NAMES = re.findall(r"^ +- alert: (\w+)$", ALERTS, re.MULTILINE)


def test_promtool_finds_nothing_wrong() -> None:
    promtool = program("promtool", "prometheus")

    for checked in (
        ("config", FILES / "prometheus.yml"),
        ("rules", FILES / "syncd.rules.yml", FILES / "syncd.alerts.yml"),
    ):
        found = ran(promtool, "check", *checked)
        assert found.returncode == 0, found.stdout + found.stderr


def test_promtool_test_cases_of_the_alerts_pass() -> None:
    """Each alert fires when it should and is silent when it should."""
    tested = ran(program("promtool", "prometheus"), "test", "rules", FILES / "syncd.test.yml")

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_each_alert_has_silent_and_firing_cases() -> None:
    cases = re.split(r"^  - name: ", TESTS, flags=re.MULTILINE)

    for alert in NAMES:
        own = "".join(case for case in cases if case.startswith(f"{alert} fires"))
        assert "exp_samples: []" in own, alert
        assert "exp_samples: [{" in own, alert


def test_each_alert_links_to_its_runbook_section() -> None:
    """Each section says what the alert means for buyers, where to look and what to do."""
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
    linked = re.findall(r"^ +runbook: docs/runbook.md#(\w+)$", ALERTS, re.MULTILINE)

    assert list(sections) == NAMES
    assert linked == [name.lower() for name in NAMES]
    for alert, section in sections.items():
        assert re.findall(r"^\*\*([\w ]+):\*\*", section, re.MULTILINE) == ["For buyers", "Look", "Do"], alert


def test_each_alert_names_the_command_that_shows_its_cause() -> None:
    """And the runbook, under what to look at, in both languages."""
    looks = dict(re.findall(r"alert: (\w+)\n(?:(?! +- ).*\n)*? +look: \"(.*)\"", ALERTS))
    assert list(looks) == NAMES
    for page, heading in ((RUNBOOK, "Look"), (text(DOCS / "ru" / "runbook.md"), "Посмотрите")):
        for alert, look in looks.items():
            section = page.partition(f"## {alert}\n")[2].partition("\n## ")[0]
            paragraph = section.partition(f"**{heading}:**")[2].partition("\n\n")[0]
            assert f"`{look}`" in " ".join(paragraph.split()), alert


def test_operations_lists_each_alert_critical_ones_first() -> None:
    critical = re.findall(r"alert: (\w+)\n(?:(?! +- ).*\n)*? +labels: {severity: critical}", ALERTS)

    assert named(DOCS / "operations.md", "alert") == NAMES
    assert NAMES[:8] == critical


def test_alerts_and_rules_use_only_existing_metrics() -> None:
    known = set(metrics())
    registry = CollectorRegistry()
    Metrics(registry)
    known |= {sample.name for metric in registry.collect() for sample in metric.samples}

    assert set(re.findall(r"(?<![:\w])syncd_\w+", ALERTS + RULES)) <= known


def test_alerts_use_only_series_that_rules_record() -> None:
    recorded = set(re.findall(r"record: (\S+)", RULES))

    assert set(re.findall(r"\bsyncd:[\w:]+", ALERTS)) <= recorded


def test_prometheus_fires_and_ends_the_right_alert(tmp_path: Path, world: World) -> None:
    """A real Prometheus fires the alert when IMSHOP goes away and ends it when IMSHOP is back."""
    world.shop.put("1", "new")
    world.started()
    with prometheus(tmp_path, world) as watching:
        world.wait(lambda: watching.query("syncd:delivery_paused == 0") and not watching.firing(), "all is well", 30)

        world.sandbox.stop()
        world.shop.put("1", "packed")
        world.wait(lambda: watching.firing() == {"SyncdDeliveryPaused"}, "the alert fires", 30)
        assert "IMSHOP cannot be reached" in looked(watching, world, "SyncdDeliveryPaused")

        world.sandbox.start()
        world.wait(lambda: world.status()["delivery"]["state"] == "flowing", "it flows again", 40)
        world.wait(lambda: not watching.firing(), "the alert ends", 30)


def test_prometheus_fires_while_imshop_refuses_all(tmp_path: Path, world: World) -> None:
    """And not for the one order of a new shop that was not placed in the app."""
    orders = [str(number) for number in range(6)]
    for order in orders:
        world.shop.put(order, "new")
    world.started()
    world.sandbox.behave = lambda _: Failure("refuse")
    world.shop.put(orders[0], "packed")
    with prometheus(tmp_path, world) as watching:
        world.wait(lambda: watching.query('syncd_reason{kind="refusals"} == 1'), "one refusal is known", 30)
        for order in orders[1:]:
            world.shop.put(order, "packed")
        world.wait(lambda: "SyncdAllRefused" in watching.firing(), "the alert fires", 40)
        assert watching.query('syncd_reason{kind="refusals"} == 2')
        assert "Заказ не найден" in looked(watching, world, "SyncdAllRefused")

        world.sandbox.behave = None
        world.syncd("retry", "--refused", "1h")
        world.wait(lambda: "SyncdAllRefused" not in watching.firing(), "the alert ends", 40)


def test_prometheus_fires_for_each_trouble(tmp_path: Path, world: World, postgresql_database: str) -> None:
    """Many at once, and then those that hide others; each names a command that shows what was caused. Left out:
    SyncdRefusals, which takes an hour."""
    shop, state = postgresql_database, world.home / "state.db"
    execute(
        shop,
        "CREATE TABLE orders (number text PRIMARY KEY, state text)",
        "INSERT INTO orders SELECT n::text, 'new' FROM generate_series(1, 9) n",
    )
    (world.home / "statuses.toml").write_text(
        'unknown = "hold"\n[new]\n[packed]\nimshop = "delivered"\n[sent]\nimshop = "delivered"\n'
    )
    world.env |= {
        "SYNCD_SOURCE__URL": shop,
        "SYNCD_SOURCE__QUERY": "SELECT number AS order_id, state AS status FROM orders, pg_sleep(1.05)",
        "SYNCD_STATUSES__FILE": str(world.home / "statuses.toml"),
        "SYNCD_IMSHOP__GIVE_UP_AFTER": "1s",
    }
    world.sandbox.behave = lambda push: {"3": Failure("http", status=503), "4": Failure("refuse")}.get(push.order_id)
    end(world.started())
    for file in world.home.glob("state.db*"):
        if file.suffix != ".lock":
            file.unlink()
    daemon = world.started()
    with prometheus(tmp_path, world) as watching, closing(sqlite3.connect(state, isolation_level=None)) as known:
        known.execute("PRAGMA busy_timeout = 20000")
        world.wait(lambda: watching.query("syncd_source_rows_skipped_total == 0"), "it watches", 30)
        execute(
            shop,
            "UPDATE orders SET state = 'packed' WHERE number IN ('1', '3', '4')",
            "UPDATE orders SET state = 'sent' WHERE number = '2'",
            "UPDATE orders SET state = 'courier_wait' WHERE number = '5'",
            "UPDATE orders SET state = NULL WHERE number = '6'",
        )
        world.wait(lambda: world.status()["changes"]["pending"] == world.status()["changes"]["dead"] == 1, "all failed")
        known.execute("UPDATE changes SET detected_at = detected_at - 16 * 60 * 1000000 WHERE state = 'pending'")
        causes = {
            "SyncdStatusMismatch": "IMSHOP maps 'sent'",
            "SyncdStateLost": "because the state was lost",
            "SyncdPollsSlow": "Polls take longer than their interval",
            "SyncdRowsSkipped": "order 6 has no status",
            "SyncdChangesHeld": "courier_wait",
            "SyncdChangesDead": "503",
            "SyncdChangeWaits": "Заказ не найден",
        }
        world.wait(lambda: watching.firing() >= {*causes}, "they fire", 60)
        codes = {alert["labels"].get("status") for alert in watching.alerts()}
        assert {"packed", "sent"} <= codes
        for alert, cause in causes.items():
            assert cause in looked(watching, world, alert)

        execute(shop, "ALTER TABLE orders RENAME TO away")
        world.wait(lambda: world.status()["source"]["last_error"], "a poll fails")
        long_ago = "json_set(value, '$.last_success_at', '2026-01-01T00:00:00+00:00')"
        known.execute(f"UPDATE facts SET value = {long_ago} WHERE name = 'source'")
        world.wait(lambda: "SyncdPollsFail" in watching.firing(), "it fires", 30)
        assert "does not exist" in looked(watching, world, "SyncdPollsFail")
        execute(shop, "ALTER TABLE away RENAME TO orders")

        known.execute("UPDATE facts SET value = '\"broken\"' WHERE name = 'compare'")
        world.wait(lambda: "SyncdJobErrors" in watching.firing(), "it fires", 30)
        assert "ValueError" in looked(watching, world, "SyncdJobErrors")

        full = "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        known.execute(f"CREATE TRIGGER full BEFORE UPDATE ON facts {full}")
        world.wait(lambda: "SyncdStateUnreadable" in watching.firing(), "it fires", 30)
        assert "free some space" in looked(watching, world, "SyncdStateUnreadable")

        lock = state.with_name("state.db.lock")
        lock.unlink()
        with lock.open("w") as taken:
            fcntl.flock(taken, fcntl.LOCK_EX)
            world.wait(lambda: "SyncdNoLeader" in watching.firing(), "it fires", 30)
            assert "lease_lost" in looked(watching, world, "SyncdNoLeader")

        daemon.kill()
        world.wait(lambda: "SyncdDown" in watching.firing(), "it fires", 30)
        assert "lease_lost" in looked(watching, world, "SyncdDown")


def looked(watching: Prometheus, world: World, alert: str) -> str:
    """What the command prints that the alert names. The journal is the daemon's log."""
    look = next(one["annotations"]["look"] for one in watching.alerts() if one["labels"]["alertname"] == alert)
    command, _, search = look.partition(" | ")
    program, *arguments = shlex.split(command.removeprefix("sudo "))
    if program == "syncd":
        return world.syncd(*arguments).stdout + world.syncd(*arguments).stderr
    assert program == "journalctl"
    pattern = re.compile(shlex.split(search)[-1] if search else "")
    return "\n".join(line for line in world.log().splitlines() if pattern.search(line))
