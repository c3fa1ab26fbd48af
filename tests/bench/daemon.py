"""What the daemon costs while nothing happens, and what a short command costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.bench.endpoint import endpoint
from tests.bench.figures import Figure, cpu_of, memory, seconds
from tests.bench.pushes import environment
from tests.bench.shops import database, open_shop

SYNCD = [sys.executable, "-m", "syncd"]
ORDERS = 1000
COMMAND_ROUNDS = 5
POLL_SECONDS = 5
IDLE_SECONDS = 20
START_SECONDS = 30
BIND = "127.0.0.1:19469"


def figures(home: Path) -> Iterator[Figure]:
    with open_shop("sqlite", ORDERS, home) as shop, endpoint(0) as url:
        environ = os.environ | environment(shop, url, home, HTTP__BIND=BIND, POLL__INTERVAL=f"{POLL_SECONDS}s")
        with _idle(environ, home) as daemon:
            yield _memory(daemon, "SQLite")
            yield _cpu(daemon)
        yield _command(environ, "--help", at_most=0.3)
        yield _command(environ, "status", "--json")
        with database("postgresql", home) as state, _idle(environ | {"SYNCD_STATE__URL": state}, home) as daemon:
            yield _memory(daemon, "PostgreSQL")


@contextmanager
def _idle(environ: dict[str, str], home: Path) -> Iterator[int]:
    """The process id of a daemon that has polled a few times and was asked for its metrics."""
    with (home / "daemon.log").open("ab") as log:
        daemon = subprocess.Popen([*SYNCD, "run"], env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait_for("/readyz")
        time.sleep(2.5 * POLL_SECONDS)
        assert b'syncd_polls_total{kind="incremental",result="ok"} 2' in _wait_for("/metrics")
        yield daemon.pid
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()


def _wait_for(path: str) -> bytes:
    ends_at = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://{BIND}{path}", timeout=5) as answer:
                body: bytes = answer.read()
                return body
        except OSError:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.1)


def _memory(daemon: int, state: str) -> Figure:
    peak = memory(daemon, "VmHWM")
    resident = memory(daemon, "VmRSS")
    return Figure(f"idle daemon, state in {state}", resident, f"peak {peak:.1f} MB", at_most=80, unit="MB")


def _cpu(daemon: int) -> Figure:
    before = _cpu_seconds(daemon)
    time.sleep(IDLE_SECONDS)
    an_hour = (_cpu_seconds(daemon) - before) * 3600 / IDLE_SECONDS
    return Figure("CPU of the idle daemon in an hour", an_hour, f"a poll every {POLL_SECONDS} s", unit="s")


def _cpu_seconds(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def _command(environ: dict[str, str], *arguments: str, at_most: float | None = None) -> Figure:
    took = [cpu_of([*SYNCD, *arguments], environ) for _ in range(COMMAND_ROUNDS + 1)][1:]
    facts = f"{seconds(min(took))} to {seconds(max(took))}, {COMMAND_ROUNDS} rounds"
    return Figure(f"CPU of syncd {' '.join(arguments)}", median(took), facts, at_most=at_most, unit="s")
