"""What a merchant would run instead, side by side: the script that everyone writes, and dlt with a custom destination.

Each is a process from start to end that pushes what changed in the same shop to the same endpoint, in turns. dlt comes
with `pip install '.[bench]'`; its telemetry is off, so that nothing leaves the machine.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pytest

from tests.bench.daemon import SYNCD
from tests.bench.endpoint import endpoint
from tests.bench.figures import Figure, timed
from tests.bench.measured import Measured, measured
from tests.bench.pushes import _pipeline, environment
from tests.bench.script import IN_FLIGHT
from tests.bench.shops import Shop, open_shop

ROUNDS = 3
CASES = (("1,000 changes, 5 ms", 1000, 0.005), ("10,000 changes, 0 ms", 10_000, 0), ("nothing changed", 0, 0))
"""A name; how many orders the shop has, which all change; the endpoint's latency in seconds."""
UNCHANGED = 1000


@dataclass(frozen=True, slots=True)
class Tool:
    """`reports`: the line that it prints when it pushed so many changes; `{}` is their number."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    reports: str = "{}"

    def run(self, changes: int) -> Measured:
        ran = measured(self.command, os.environ | self.environ)
        assert self.reports.format(changes) in ran.output.splitlines() or not changes, ran.output
        return ran


def figures(home: Path) -> Iterator[Figure]:
    for case, changes, latency in CASES:
        with TemporaryDirectory(dir=home) as own:
            yield from _case(case, changes, latency, Path(own))
    if not find_spec("dlt"):
        pytest.skip("dlt is not installed; it comes with: pip install '.[bench]'")


def _case(case: str, changes: int, latency: float, home: Path) -> Iterator[Figure]:
    with open_shop("sqlite", changes or UNCHANGED, home) as shop, endpoint(latency) as url:
        tools = [*_tools(shop, url, home)]
        for tool in tools:
            tool.run(0)
        with _pipeline(_settings(shop, url, home, "daemon")) as pipeline:

            def poll_and_deliver() -> None:
                pipeline.poll(changes)
                pipeline.deliver()

            ran, daemon = [], []
            for turn in range(ROUNDS):
                if changes:
                    shop.change_all(f"stage {turn}")
                ran.append([tool.run(changes) for tool in tools])
                daemon.append(timed(poll_and_deliver))
    ours = median(once.seconds for once, *_ in ran)
    for tool, rounds in zip(tools, zip(*ran, strict=True), strict=True):
        took = median(one.seconds for one in rounds)
        facts = f"{took / ours:.2f} of syncd once; peak {max(one.peak for one in rounds):.0f} MB, {ROUNDS} rounds"
        yield Figure(f"{case}: {tool.name}", took, facts, unit="s")
    yield Figure(f"{case}: in the daemon", median(daemon), "one poll and its deliveries, without the start", unit="s")


def _tools(shop: Shop, url: str, home: Path) -> Iterator[Tool]:
    """syncd first."""
    file = shop.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as connection:
        ((newest,),) = connection.execute("SELECT max(changed) FROM orders")
    yield Tool("syncd once", [*SYNCD, "once"], _settings(shop, url, home, "once"), "pushes: {} delivered")
    module = [sys.executable, "-m"]
    for how, name in (("post", "script"), ("session", "script, a session")):
        yield Tool(name, [*module, "tests.bench.script", file, url, newest, str(home / how), how], {})
    if find_spec("dlt"):
        per_call = -(-shop.size // IN_FLIGHT)
        quiet = {"DLT_DATA_DIR": str(home / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false"}
        tuned = {
            "LOAD__WORKERS": str(IN_FLIGHT),
            "NORMALIZE__DATA_WRITER__BUFFER_MAX_ITEMS": str(per_call),
            "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": str(per_call),
            "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
        }
        for name, batch, own in (("dlt", 0, {}), ("dlt, tuned", per_call, tuned)):
            memory = str(home / name)
            command = [*module, "tests.bench.dlt_pipeline", file, url, newest, memory, str(batch)]
            yield Tool(name, command, quiet | own)


def _settings(shop: Shop, url: str, home: Path, state: str) -> dict[str, str]:
    own = {"STATE__URL": f"sqlite:///{home}/{state}.db", "IMSHOP__CONCURRENCY": IN_FLIGHT, "GUARD__MAX_CHANGES": 0}
    return environment(shop, url, home, **own)
