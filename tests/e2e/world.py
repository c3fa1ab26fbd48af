"""A shop in SQLite, the sandbox as IMSHOP, and `syncd` as a process: everything a merchant's server has."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from syncd.sandbox import Sandbox
from tests.e2e.forked import LANGUAGE, Forked, can_fork
from tests.servers import free_port

QUERY = (
    "SELECT number AS order_id, state AS status, changed AS updated_at, track AS tracking_url, app AS imshop_uuid,"
    " paid, pay_ref AS payment_id FROM orders"
)
SYNCD = [sys.executable, "-m", "syncd"]
Process: TypeAlias = subprocess.Popen[bytes] | Forked


class Shop:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(
            "CREATE TABLE orders"
            " (number TEXT PRIMARY KEY, state TEXT, changed TEXT, track TEXT, app TEXT, paid INTEGER, pay_ref TEXT)"
        )
        self._db.execute("CREATE INDEX changed ON orders (changed, number)")

    def put(self, number: str, state: str | None, **columns: object) -> None:
        """Place or change an order, as a shop does: the time of the change is now, unless it is given."""
        values = {"changed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"), **columns, "state": state}
        self._db.execute("INSERT OR IGNORE INTO orders (number) VALUES (?)", [number])
        assigned = ", ".join(f"{name} = :{name}" for name in values)
        self._db.execute(f"UPDATE orders SET {assigned} WHERE number = :number", {**values, "number": number})

    def run(self, sql: str) -> None:
        self._db.execute(sql)

    def states(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT number, state FROM orders"))

    def close(self) -> None:
        self._db.close()


class World:
    """One merchant's server. Use `syncd` for a command, `start` for the daemon."""

    def __init__(self, home: Path, sandbox: Sandbox) -> None:
        self.home = home
        self.sandbox = sandbox
        self.fresh = False
        """Whether processes start from nothing: where a test is about that, or about their speed. Others are forked."""
        self.shop = Shop(home / "shop.db")
        self.port = free_port()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": LANGUAGE,
            "SYNCD_IMSHOP__URL": sandbox.url,
            "SYNCD_IMSHOP__API_KEY": "test-key",
            "SYNCD_SOURCE__URL": f"sqlite:///{self.shop.path}",
            "SYNCD_SOURCE__QUERY": QUERY,
            "SYNCD_STATE__URL": f"sqlite:///{home}/state.db",
            "SYNCD_POLL__INTERVAL": "200ms",
            "SYNCD_HTTP__BIND": f"127.0.0.1:{self.port}",
        }
        self._daemons: list[Process] = []

    def syncd(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        environ = {**self.env, **env}
        if not self.fresh and can_fork(environ):
            process = Forked(arguments, env=environ, cwd=self.home)
            printed = process.communicate(60)
            return subprocess.CompletedProcess(process.args, process.wait(), *printed)
        return subprocess.run(
            [*SYNCD, *arguments],
            cwd=self.home,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def forked(self, *arguments: str) -> Forked:
        """A command that goes on while the test does."""
        return Forked(arguments, env=self.env, cwd=self.home)

    def done(self, *arguments: str, **env: str) -> str:
        """Run a command that must succeed; what it printed."""
        ran = self.syncd(*arguments, **env)
        assert ran.returncode == 0, f"{arguments}: {ran.returncode}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.done(*arguments, "--json"))

    def start(self, *prefix: str, **env: str) -> Process:
        """The daemon. `prefix`: a command that runs it, somewhere else say."""
        environ = {**self.env, **env}
        daemon: Process
        with (self.home / "daemon.log").open("ab") as log:
            if not self.fresh and not prefix and can_fork(environ):
                daemon = Forked(["run"], env=environ, cwd=self.home, log=log)
            else:
                daemon = subprocess.Popen(
                    [*prefix, *SYNCD, "run"],
                    cwd=self.home,
                    env=environ,
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                )
        self._daemons.append(daemon)
        return daemon

    def started(self, **env: str) -> Process:
        """A daemon that has polled once."""
        daemon = self.start(**env)
        self.wait(lambda: self.status()["source"]["last_success_at"], "the daemon polls")
        return daemon

    def log(self) -> str:
        return (self.home / "daemon.log").read_text() if (self.home / "daemon.log").exists() else ""

    def get(self, path: str, seconds: float = 5) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=seconds) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def status(self) -> Any:
        return json.loads(self.get("/api/status")[1])

    def metric(self, name: str, labels: Mapping[str, str] | None = None) -> float:
        """The sum of a metric's samples that carry the labels."""
        samples = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        wanted = [f'{label}="{value}"' for label, value in (labels or {}).items()]
        found = [float(value) for have, value in samples if all(label in have for label in wanted)]
        assert found, f"no metric {name} {labels}"
        return sum(found)

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 20) -> None:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            try:
                if condition():
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.02)
        raise AssertionError(f"{what}: not within {seconds:g} s; the log ends: {self.log()[-1500:]}")

    def close(self) -> None:
        for daemon in self._daemons:
            if daemon.poll() is None:
                daemon.kill()
            daemon.wait()
        self.shop.close()


def end(daemon: Process, number: int = signal.SIGTERM) -> int:
    daemon.send_signal(number)
    return daemon.wait(20)
