"""The dashboard in deploy/grafana: Grafana is not asked here, but every query is, of a real Prometheus."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.deploy.prometheus import Prometheus, prometheus
from tests.deploy.tools import DEPLOY
from tests.e2e.world import World

DASHBOARD = json.loads((DEPLOY / "grafana" / "syncd.json").read_text(encoding="utf-8"))
PANELS: list[Any] = DASHBOARD["panels"]


def queries() -> list[str]:
    """What the panels ask, for all shops."""
    return [
        target["expr"].replace("$shop", ".*")
        for panel in PANELS
        if panel["type"] != "row"
        for target in panel["targets"]
    ]


def unanswered(watching: Prometheus) -> list[str]:
    return [query for query in queries() if not watching.query(query)]


def test_each_panels_query_has_an_answer(tmp_path: Path, world: World) -> None:
    world.shop.put("1", "new")
    world.started()
    with prometheus(tmp_path, world) as watching:
        world.wait(lambda: watching.query('up{job="syncd"} == 1'), "the daemon is scraped", 30)
        world.shop.put("1", "packed")
        world.wait(lambda: watching.query("syncd:sync_lag_seconds:p95_1h >= 0"), "a delivery is scraped", 30)
        world.wait(lambda: not unanswered(watching), "each panel has an answer", 30)
        watching.query(DASHBOARD["annotations"]["list"][0]["expr"].replace("$shop", ".*"))  # an error if it is wrong


def test_dashboard_shows_delivery_first_then_its_obstacles() -> None:
    """The first row says whether statuses reach buyers, the second what is in the way."""
    rows = [panel["title"] for panel in PANELS if panel["type"] == "row"]

    assert rows == ["Are statuses reaching buyers?", "What is in the way?"]
    assert PANELS[0]["title"] == rows[0]
    assert [panel["gridPos"]["y"] for panel in PANELS] == sorted(panel["gridPos"]["y"] for panel in PANELS)


def test_panels_do_not_overlap_and_each_is_described() -> None:
    cells = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for at in (panel["gridPos"] for panel in PANELS)
    ]

    assert not any(one & other for one, other in combinations(cells, 2))
    assert all(x < 24 for cell in cells for x, _ in cell)
    assert all(panel["description"] for panel in PANELS if panel["type"] != "row")


def test_dashboard_takes_its_datasource_from_a_variable() -> None:
    """No data source is fixed, so that the dashboard fits any Grafana."""
    sources = {target["datasource"]["uid"] for panel in PANELS for target in panel.get("targets", [])}

    assert sources == {"${datasource}"}
    assert DASHBOARD["uid"] == "syncd"
