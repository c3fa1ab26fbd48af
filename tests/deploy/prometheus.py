"""A real Prometheus that scrapes a real daemon, by the files in deploy/prometheus, only faster."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.deploy.tools import DEPLOY, program
from tests.e2e.world import World
from tests.servers import free_port

MINUTES = re.compile(r"^( +for: )\d+m$", re.MULTILINE)


class Prometheus:
    """What can be asked of it."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **parameters: str) -> Any:
        """What the API answers, OSError while it does not serve yet or finds the query wrong."""
        with urllib.request.urlopen(f"{self._url}{path}?{urllib.parse.urlencode(parameters)}", timeout=5) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        """The samples that an expression has now."""
        found: list[Any] = self.get("/api/v1/query", query=expression)["result"]
        return found

    def alerts(self) -> list[Any]:
        """Those that fire, with their labels and annotations."""
        return [alert for alert in self.get("/api/v1/alerts")["alerts"] if alert["state"] == "firing"]

    def firing(self) -> set[str]:
        return {alert["labels"]["alertname"] for alert in self.alerts()}


@contextmanager
def prometheus(home: Path, world: World) -> Iterator[Prometheus]:
    """It watches the world's daemon by our files, but looks each second, and takes two seconds for each `for:`."""
    binary = program("prometheus", "prometheus")
    for rules in ("syncd.rules.yml", "syncd.alerts.yml"):
        ours = (DEPLOY / "prometheus" / rules).read_text(encoding="utf-8")
        (home / rules).write_text(MINUTES.sub(r"\g<1>2s", ours), encoding="utf-8")
    ours = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    config = home / "prometheus.yml"
    config.write_text(ours.replace(": 15s", ": 1s").replace(":9469", f":{world.port}"), encoding="utf-8")
    port = free_port()
    with (home / "prometheus.log").open("wb") as log:
        server = subprocess.Popen(
            [
                binary,
                f"--config.file={config}",
                f"--storage.tsdb.path={home}/tsdb",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield Prometheus(port)
    finally:
        server.terminate()
        server.wait(20)
