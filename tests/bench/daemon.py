"""What the daemon costs while nothing happens, and what a short command costs.

Before the daemon, `syncd once` takes the baseline, as docs/install.md says. Commands are compared with the import of
the two largest libraries that each of them needs: a ratio holds on any machine.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.endpoint import endpoint
from tests.bench.figures import Figure, compared, cpu_of, memory
from tests.bench.pushes import environment
from tests.bench.shops import database, open_shop

SYNCD = [sys.executable, "-m", "syncd"]
LIBRARIES = [sys.executable, "-c", "import sqlalchemy, pydantic_settings"]
ORDERS = 1000
COMMAND_ROUNDS = 5
POLL_SECONDS = 5
IDLE_SECONDS = 20
START_SECONDS = 30
BIND = "127.0.0.1:19469"


def figures(home: Path) -> Iterator[Figure]:
    with open_shop("sqlite", ORDERS, home) as shop, endpoint(0) as url:
        environ = os.environ | environment(shop, url, home, HTTP__BIND=BIND, POLL__INTERVAL=f"{POLL_SECONDS}s")
        environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed syncd is compiled
        with _idle(environ, home) as daemon:
            yield _memory(daemon, "SQLite", at_most=72)
            yield _cpu(daemon)
        yield _command(environ, "--help", at_most=0.4)
        yield _command(environ, "status", "--json", at_most=1.2)
        yield _command(environ, "once", at_most=1.6)
        with database("postgresql", home) as state, _idle(environ | {"SYNCD_STATE__URL": state}, home) as daemon:
            yield _memory(daemon, "PostgreSQL", at_most=80)


@contextmanager
def _idle(environ: dict[str, str], home: Path) -> Iterator[int]:
    """The process id of a daemon that has polled a few times and was asked for its metrics."""
    subprocess.run([*SYNCD, "once"], env=environ, check=True, capture_output=True)
    with (home / "daemon.log").open("ab") as log:
        daemon = subprocess.Popen([*SYNCD, "run"], env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait_for("/readyz")
        time.sleep(2.5 * POLL_SECONDS)
        assert b'syncd_polls_total{kind="incremental",result="ok"} 3' in _wait_for("/metrics")
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


def _memory(daemon: int, state: str, at_most: float) -> Figure:
    peak = memory(daemon, "VmHWM")
    resident = memory(daemon, "VmRSS")
    return Figure(f"idle daemon, state in {state}", resident, f"peak {peak:.1f} MB", at_most=at_most, unit="MB")


def _cpu(daemon: int) -> Figure:
    before = _cpu_seconds(daemon)
    time.sleep(IDLE_SECONDS)
    an_hour = (_cpu_seconds(daemon) - before) * 3600 / IDLE_SECONDS
    return Figure("CPU of the idle daemon in an hour", an_hour, f"a poll every {POLL_SECONDS} s", unit="s")


def _cpu_seconds(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def _command(environ: dict[str, str], *arguments: str, at_most: float) -> Figure:
    measured = compared(
        lambda: cpu_of([*SYNCD, *arguments], environ), lambda: cpu_of(LIBRARIES, environ), COMMAND_ROUNDS, _of_children
    )
    facts = measured.facts("command", "libraries", COMMAND_ROUNDS)
    return Figure(f"CPU of syncd {' '.join(arguments)}", measured.ratio, facts, at_most=at_most)


def _of_children() -> float:
    """Seconds of CPU that the processes took which this one started, and which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
