"""What a command's start reads of a shop whose history is long: an OpenCart of 450,000 lines, as MariaDB counts.

The count is that of the shop's tables alone, so that whoever else uses the server does not matter.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text

from tests.bench.daemon import SYNCD
from tests.bench.figures import Figure
from tests.bench.shops import database
from tests.presets.platforms import OPENCART
from tests.servers import execute

ORDERS = 100_000
HISTORY = 450_000
AT_MOST = 10_000
COMMANDS = ("check", "status", "statuses", "once", "reconcile", "explain 7", "resync 7")
FILL = (
    f"INSERT INTO oc_order SELECT seq, 0, 0, '', 1, '', 1, '2026-01-01', '2026-01-01' FROM seq_1_to_{ORDERS}",
    f"INSERT INTO oc_order_history SELECT seq, 1 + seq % {ORDERS}, 1, 0, '', '2026-01-01' FROM seq_1_to_{HISTORY}",
)
_ROWS_READ = text(
    "SELECT table_name, rows_read FROM information_schema.table_statistics WHERE table_schema = DATABASE()"
)


def figures(home: Path) -> Iterator[Figure]:
    """Each command once, when the baseline is taken and nothing changed since."""
    with database("mariadb", home) as url, _counting(url):
        execute(url, *OPENCART.tables, *OPENCART.dictionary, *FILL, "ANALYZE TABLE oc_order, oc_order_history")
        environ = {
            "SYNCD_SOURCE__URL": url,
            "SYNCD_SOURCE__PRESET": OPENCART.preset,
            "SYNCD_STATE__URL": f"sqlite:///{home}/starts.db",
            "SYNCD_IMSHOP__URL": "http://127.0.0.1:9/statuses/sync/some-token",
        }
        _run("once", environ, home)
        for command in COMMANDS:
            before = _rows_read(url)
            _run(command, environ, home)
            read = {table: rows - before.get(table, 0) for table, rows in _rows_read(url).items()}
            facts = f"of {HISTORY:,}; of all tables {sum(read.values()):,}"
            history = read.get("oc_order_history", 0)
            yield Figure(f"history read by syncd {command}", history, facts, at_most=AT_MOST, unit="row")


def _run(command: str, environ: Mapping[str, str], home: Path) -> None:
    """1: there is no IMSHOP here, which some commands say."""
    ran = subprocess.run([*SYNCD, *command.split()], check=False, env=environ, cwd=home, capture_output=True, text=True)
    assert ran.returncode in (0, 1), ran.stderr


def _rows_read(url: str) -> dict[str, int]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return {table: int(rows) for table, rows in connection.execute(_ROWS_READ)}


@contextmanager
def _counting(url: str) -> Iterator[None]:
    """MariaDB counts for each table only where it is asked to; the login needs the right to ask."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        before = connection.execute(text("SELECT @@GLOBAL.userstat")).scalar_one()
    execute(url, "SET GLOBAL userstat = 1")
    try:
        yield
    finally:
        execute(url, f"SET GLOBAL userstat = {before}")
