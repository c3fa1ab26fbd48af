from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from syncd.cli.commands import syncd
from tests.servers import DROP_MARIADB, execute, mariadb_url, throw_away_database

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`syncd init`, without a terminal. The file is `out.env` in the test's folder."""
    for name in [name for name in os.environ if name.startswith(("SYNCD_", "LC_", "LANG"))]:
        monkeypatch.delenv(name)

    def called(*arguments: str | Path, **env: str) -> Result:
        command = ["init", "--output", str(tmp_path / "out.env"), *map(str, arguments)]
        return CliRunner(env=env).invoke(syncd, command)

    return called


@pytest.fixture
def shop_database() -> Iterator[str]:
    """An empty database, whose name belongs to the test; and afterwards no login that `syncd init` created for it."""
    with throw_away_database(mariadb_url(), drop=DROP_MARIADB) as url:
        yield url
        drop_logins(url)


def logins(url: str) -> list[tuple[str, str]]:
    """Name and host of the logins that may read a table of this database, and no more."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT DISTINCT User, Host FROM mysql.tables_priv WHERE Db = :db"), {"db": make_url(url).database}
        )
        return [(str(user), str(host)) for user, host in rows]


def drop_logins(url: str) -> None:
    for user, host in logins(url):
        with suppress(SQLAlchemyError):
            execute(url, f"DROP USER '{user}'@'{host}'")
