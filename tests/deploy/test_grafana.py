"""The dashboard in deploy/grafana: judged by Grafana's own schema, and every query asked of a real Prometheus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from pydantic import ConfigDict, TypeAdapter, ValidationError

from tests.deploy.prometheus import Prometheus, prometheus
from tests.deploy.tools import DEPLOY
from tests.e2e.world import World

DASHBOARD = json.loads((DEPLOY / "grafana" / "syncd.json").read_text(encoding="utf-8"))
PANELS: list[Any] = DASHBOARD["panels"]


TITLE_OF_ANNOTATION = "/annotations/list/0/titleFormat"
"""Prometheus's own, which the schema of dashboards leaves to data sources."""


def faults(dashboard: Any) -> set[str]:
    """Where a dashboard does not follow Grafana's schema: names that it does not have, values that are not of its
    types."""
    register_default_plugins()
    read = Dashboard.from_json(dashboard)
    return {*unknown(dashboard, json.loads(JSONEncoder().encode(read))), *mistyped(read)}


def unknown(given: Any, understood: Any, path: str = "") -> Iterator[str]:
    """What is gone or another after it was read into the schema's types and written again."""
    if isinstance(given, dict) and isinstance(understood, dict):
        for name, value in given.items():
            yield from unknown(value, understood.get(name), f"{path}/{name}")
    elif isinstance(given, list) and isinstance(understood, list) and len(given) == len(understood):
        for nth, (value, back) in enumerate(zip(given, understood, strict=True)):
            yield from unknown(value, back, f"{path}/{nth}")
    elif given != understood:
        yield path


def mistyped(read: Any, path: str = "") -> Iterator[str]:
    """What is not of the type that the schema gives it: reading takes every value as it comes."""
    if isinstance(read, list):
        for nth, value in enumerate(read):
            yield from mistyped(value, f"{path}/{nth}")
    elif type(read).__module__.startswith("grafana_foundation_sdk"):
        for name, kind in get_type_hints(type(read)).items():
            value = getattr(read, name)
            try:
                TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True)).validate_python(value)
            except ValidationError:
                yield f"{path}/{name}"
            yield from mistyped(value, f"{path}/{name}")


def test_dashboard_follows_the_schema_of_grafana() -> None:
    assert faults(DASHBOARD) == {TITLE_OF_ANNOTATION}


@pytest.mark.parametrize(
    ("right", "wrong", "where"),
    [
        ('"colorMode": "background"', '"colorMode": "backdrop"', "/options/color_mode"),
        ('"graphMode"', '"graphModus"', "/options/graphModus"),
        ('"schemaVersion": 38', '"schemaVersion": "late"', "/schema_version"),
        ('"legendFormat"', '"legend"', "/targets/0/legend"),
    ],
)
def test_a_slip_in_the_dashboard_is_found(right: str, wrong: str, where: str) -> None:
    spoilt = json.dumps(DASHBOARD).replace(right, wrong)

    assert any(fault.endswith(where) for fault in faults(json.loads(spoilt)))


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
