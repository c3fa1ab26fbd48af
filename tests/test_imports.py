"""A command loads what it uses, and nothing else: imports are most of what a short command costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import execute

PROGRAM = """
import sys
from syncd.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
DAEMON = ("flask", "waitress", "apscheduler", "prometheus_client")
OTHER_STATES = ("alembic", "psycopg", "sqlalchemy.dialects.postgresql")
UNTOLD = ("apprise", "syncd.runtime.notifier")
OTHER_SHOPS = ("pymysql", "jmespath", "syncd.sources.api", "syncd.cancel")
UNUSED = {
    "--help": ("pydantic", "sqlalchemy", "rich", "requests", "syncd.settings", "syncd.state"),
    "status --json": (
        *DAEMON,
        *UNTOLD,
        *OTHER_STATES,
        *OTHER_SHOPS,
        "requests",
        "rich",
        "syncd.pipeline.staging",
        "syncd.imshop.push",
    ),
    "status": (*DAEMON, *UNTOLD, *OTHER_STATES, *OTHER_SHOPS, "requests", "syncd.sources.database"),
    "changes --json": (*DAEMON, *UNTOLD, *OTHER_STATES, *OTHER_SHOPS, "requests", "rich", "syncd.sources.database"),
    "once": (*DAEMON, *UNTOLD, *OTHER_STATES, *OTHER_SHOPS, "rich", "charset_normalizer.api"),
}


@pytest.mark.parametrize("command", UNUSED)
def test_command_loads_only_what_it_uses(command: str, tmp_path: Path) -> None:
    """`once` runs twice: to make a state takes no more than to open one."""
    execute(f"sqlite:///{tmp_path}/shop.db", "CREATE TABLE orders (order_id TEXT, status TEXT)")
    loaded = _modules("once", tmp_path), _modules(command, tmp_path)
    for modules in loaded if command == "once" else loaded[1:]:
        assert not modules & {*UNUSED[command]}


def _modules(command: str, home: Path) -> set[str]:
    environ = os.environ | {
        "SYNCD_IMSHOP__URL": "http://127.0.0.1:9/statuses/sync/some-token",
        "SYNCD_SOURCE__URL": f"sqlite:///{home}/shop.db",
        "SYNCD_SOURCE__QUERY": "SELECT order_id, status FROM orders",
        "SYNCD_STATE__URL": f"sqlite:///{home}/syncd.db",
    }
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command.split()], check=False, env=environ, cwd=home, capture_output=True
    )
    assert ran.returncode == 0, ran.stderr
    return {*ran.stderr.decode().split()}
