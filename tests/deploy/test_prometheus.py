"""The files in deploy/prometheus: promtool's judgement, the runbook, and an alert that a real Prometheus fires."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from syncd.runtime.metrics import Metrics
from syncd.sandbox import Failure
from tests.deploy.prometheus import prometheus
from tests.deploy.tools import DEPLOY, program, ran
from tests.docs.documents import DOCS, named, text
from tests.docs.test_metrics_and_logs import metrics
from tests.e2e.world import World

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

        world.sandbox.behave = None
        world.syncd("retry", "--refused", "1h")
        world.wait(lambda: "SyncdAllRefused" not in watching.firing(), "the alert ends", 40)
