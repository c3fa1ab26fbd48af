"""A night on duty: the daemon in this process, and all the places in which an operator looks.

An incident is caused; `shows` finds it in each place, and gives the reason; `cured` runs what was printed; `is_green`
sees it end in each place.
"""

from __future__ import annotations

import json
import logging
import re
import shlex
import socket
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from threading import Thread
from typing import Any

import apprise  # noqa: F401 - it takes a second, in which the first notice would count as lost
import psycopg
import pytest
from click.testing import CliRunner, Result

from syncd.cli.commands import syncd
from syncd.logs import AT_ONCE, SECONDS_FOR_ANOTHER, Lines
from syncd.runtime.daemon import Daemon
from syncd.runtime.service_manager import Manager
from syncd.settings import load
from syncd.verdict import Patience
from tests.docs.documents import DOCS, rows
from tests.e2e.world import World
from tests.notify.conftest import Receiver

IMPATIENT = Patience(fault=timedelta(milliseconds=100))
OFTEN = timedelta(milliseconds=50)
POLL_SECONDS = 0.2
"""From one poll to the next here; `A_POLL`: elsewhere."""
A_POLL = timedelta(seconds=30)
A_DAYS_LOG = 1_000_000
SOON = 0.2
"""Seconds from one line for systemd to the next, which are three elsewhere."""
POLLS = (("source", "last_poll_at"), ("source", "last_success_at"))
DELIVERIES = (("last_delivered_at", None), ("quiet", "since"))
"""The facts of the state that say when these were, and where in the fact."""
COMMAND = re.compile(r"syncd [a-z]+(?: --[a-z-]+)?")


class Events(logging.Handler):
    """The names of the events that are logged, and how long their lines are."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.names: list[str] = []
        self.setFormatter(Lines("json", str))
        self._bytes: dict[str, list[int]] = defaultdict(list)
        self._since = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        self.names.append(record.getMessage())
        self._bytes[record.getMessage()].append(len(self.format(record).encode()) + 1)

    def bytes_of_a_day(self) -> float:
        """As many as a day of this would log, where polls are 30 s apart: each event that came again at the rate that
        it had here, and no more often than the log lets it through."""
        days = (time.monotonic() - self._since) / POLL_SECONDS * A_POLL.total_seconds() / 86_400
        most = AT_ONCE + 86_400 / SECONDS_FOR_ANOTHER
        return sum(min((len(lines) - 1) / days + 1, most) * sum(lines) / len(lines) for lines in self._bytes.values())


@dataclass
class Night:
    world: World
    receiver: Receiver
    patience: Patience = IMPATIENT
    log: Events = field(default_factory=Events)
    running: list[tuple[Daemon, Thread]] = field(default_factory=list)

    def start(self, **env: str) -> None:
        """The daemon, until it has polled."""
        self.begin(**env)
        self.world.wait(lambda: self.world.status()["source"]["last_poll_at"], "the daemon polls")

    def begin(self, **env: str) -> None:
        self.world.env |= {"SYNCD_NOTIFY__URLS": self.receiver.url, **env}
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.world.home / "notify"
        path.unlink(missing_ok=True)
        self.ear.bind(str(path))
        self.ear.setblocking(False)
        settings = load(self.world.env, usual_env_files=()).settings
        manager = Manager({"NOTIFY_SOCKET": str(path)}, 1, time.monotonic)
        daemon = Daemon(settings, manager, self.patience, OFTEN)
        thread = Thread(target=daemon.run)
        thread.start()
        self.running.append((daemon, thread))

    def stop(self) -> None:
        while self.running:
            daemon, thread = self.running.pop()
            daemon.stop()
            thread.join(20)
            self.ear.close()

    def restart(self, **env: str) -> None:
        self.stop()
        self.start(**env)

    def command(self, *arguments: str) -> Result:
        """A command as it is typed, in this process."""
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        try:
            return CliRunner().invoke(syncd, arguments, env=self.world.env, catch_exceptions=True)
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)

    def shows(self, kind: str, severity: str = "warning") -> dict[str, Any]:
        """The reason of this kind, once it is there, and that it shows in each place."""
        self.world.wait(lambda: self._reason(self.world.status(), kind), f"{kind} is found")
        reason = self._reason(self.world.status(), kind)
        assert reason
        assert reason["severity"] == severity
        _is_documented(reason)
        self.world.wait(lambda: reason["do"] in self.command("status").stdout, "status prints it")
        status = json.loads(self.command("status", "--json").stdout)
        assert self._reason(status, kind)
        assert status["verdict"]["headline"] in self.command("status").stdout
        page = unescape(re.sub("<[^>]*>", "", self.world.get("/")[1]))
        what = reason["what"].partition(":")[0]  # the figures may change
        assert what in page
        assert reason["do"] in page
        code, said = self.world.get("/readyz")
        assert f"{kind}: {what}" in said
        assert code == (503 if severity == "bad" or not said.startswith("ready") else 200)
        assert self.world.metric("syncd_reason", {"kind": kind}) == (2 if severity == "bad" else 1)
        self.world.wait(lambda: what in self.service_line(), "systemd shows it")
        if severity != "good":
            told = re.sub("[0-9]+", "[0-9]+", re.escape(what))  # at the first sign, when the figures were lower
            self.world.wait(lambda: re.search(told, str(self.receiver.notices)), "a person is told")
        return reason

    def checked(self, reason: Mapping[str, str]) -> None:
        """The doctor says it too. Not where the shop hangs: it gives that 10 s for each check."""
        assert reason["what"].partition(":")[0] in self.command("check").stdout

    def cured(self, reason: Mapping[str, str], **values: str) -> list[str]:
        """Run the commands that were printed. `values`: what the operator puts in."""
        printed = re.findall(
            r"syncd (?:release|reconcile|retry --refused \w+|resync [\w ]+|retry --all-dead|cancellations retry ID)",
            reason["do"],
        )
        assert printed
        return [self._done([values.get(word, word) for word in shlex.split(line)[1:]]) for line in printed]

    def passes(self, span: timedelta, since: Sequence[tuple[str, str | None]]) -> None:
        """Time since the POLLS or DELIVERIES: what the state knows of them was that much earlier."""
        with closing(sqlite3.connect(self.world.home / "state.db", isolation_level=None, timeout=20)) as state:
            state.execute("BEGIN IMMEDIATE")
            known = dict(state.execute("SELECT name, value FROM facts"))
            for name, moment in since:
                fact = json.loads(known.get(name, "null"))
                at = fact.get(moment) if moment and fact else fact
                if at:
                    earlier = (datetime.fromisoformat(at) - span).isoformat()
                    fact = {**fact, moment: earlier} if moment else earlier
                    known[name] = json.dumps(fact)
                    state.execute("UPDATE facts SET value = ? WHERE name = ?", [known[name], name])
            state.execute("COMMIT")

    def is_green(self, told: int | None = None) -> None:
        """`told`: so many pushes reach IMSHOP in all."""
        self.world.wait(lambda: self.world.status()["verdict"]["severity"] == "good", "all is well")
        assert self.world.get("/readyz") == (200, "ready\n")
        assert "Statuses reach buyers" in self.world.get("/")[1]
        self.world.wait(lambda: "over" in self.receiver.notices[-1][0], "it is told that it is over")
        self.world.wait(lambda: self.service_line() == "polls and pushes", "systemd shows it")
        if told is not None:
            self.world.wait(lambda: len(self.world.sandbox.applied) == told, f"{told} changes are told")

    def put(self, *numbers: str, status: str = "packed", **columns: object) -> None:
        for number in numbers:
            self.world.shop.put(number, status, **columns)

    def _done(self, arguments: list[str]) -> str:
        ran = self.command(*arguments)
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    def _reason(self, status: Mapping[str, Any], kind: str) -> dict[str, Any] | None:
        return next((reason for reason in status["verdict"]["reasons"] if reason["kind"] == kind), None)

    def service_line(self) -> str:
        try:
            while True:
                told = self.ear.recv(4096).decode()
                if told.startswith("STATUS="):
                    self.line = told.removeprefix("STATUS=")
        except BlockingIOError:
            return self.line

    line = ""


def _is_documented(reason: Mapping[str, str]) -> None:
    """The operations page has its colour, and every command that is printed, in both languages."""
    for page, heading, colours in (
        (DOCS / "operations.md", "kind", {"bad": "red", "warning": "amber", "good": "green"}),
        (DOCS / "ru" / "operations.md", "вид", {"bad": "красный", "warning": "жёлтый", "good": "зелёный"}),
    ):
        (row,) = [cells for cells in rows(page, heading) if cells[0] == f"`{reason['kind']}`"]
        assert colours[reason["severity"]] in row[1]
        typed = set(COMMAND.findall(row[3]))
        assert set(COMMAND.findall(reason["do"])) <= typed, (reason["do"], row[3])


@contextmanager
def night(world: World, receiver: Receiver, patched: pytest.MonkeyPatch) -> Iterator[Night]:
    on_duty = Night(world, receiver)
    patched.setattr("syncd.runtime.daemon.WATCH_SECONDS", SOON)
    patched.setattr("syncd.runtime.daemon.STATUS_SECONDS", SOON)
    logger = logging.getLogger("syncd")
    level = logger.level
    logger.addHandler(on_duty.log)
    logger.setLevel("INFO")
    try:
        yield on_duty
    finally:
        on_duty.stop()
        logger.removeHandler(on_duty.log)
        logger.setLevel(level)
    assert on_duty.log.bytes_of_a_day() < A_DAYS_LOG


@dataclass(frozen=True)
class BusyShop:
    """A shop in PostgreSQL, whose table may be locked: by a migration, say. Then a poll waits for its end."""

    url: str

    @property
    def env(self) -> dict[str, str]:
        return {"SYNCD_SOURCE__URL": self.url, "SYNCD_SOURCE__QUERY": "SELECT order_id, status FROM orders"}

    @contextmanager
    def locked(self) -> Iterator[None]:
        with closing(psycopg.connect(self._dsn)) as migration:
            migration.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            yield

    def is_waited_for(self) -> bool:
        with closing(psycopg.connect(self._dsn)) as connection:
            waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass AND NOT granted"
            return connection.execute(waiting).fetchone() != (0,)

    @property
    def _dsn(self) -> str:
        return self.url.replace("+psycopg", "")


def statuses_file(home: Path, text: str) -> Callable[[str], None]:
    """Write the statuses file; returns what writes it anew."""
    path = home / "statuses.toml"

    def write(text: str) -> None:
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").rename(path)

    write(text)
    return write
