"""Whether a database is a replica: what real servers say, and what a replica's answers mean."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from syncd.doctor.database_inspection import Replication, replication
from syncd.errors import SourceError
from syncd.sources.database.connection import Database
from syncd.sources.database.dialects import MariaDB, Oracle, PostgreSQL


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_a_primary_is_no_replica(database_url: Callable[[str], str], kind: str) -> None:
    database = Database(database_url(kind), None, str)
    found = replication(database)
    database.close()
    assert found
    assert not found.is_replica


class Replica:
    """Answers as servers do that follow another one."""

    def __init__(self, dialect: type, answer: Callable[[str], list[dict[str, Any]]]) -> None:
        self.dialect = dialect(None)
        self._answer = answer

    def named_rows(self, statement: object) -> list[dict[str, Any]]:
        return self._answer(str(statement))


def asked(dialect: type, answer: Callable[[str], list[dict[str, Any]]]) -> Replication | None:
    return replication(cast("Database", Replica(dialect, answer)))


@pytest.mark.parametrize(("behind", "told"), [(0, timedelta()), (12.5, timedelta(seconds=12.5)), (None, None)])
def test_a_standby_says_how_far_it_is_behind(behind: float | None, told: timedelta | None) -> None:
    assert asked(PostgreSQL, lambda _: [{"replica": True, "behind": behind}]) == Replication(True, told)


def test_slowest_or_stopped_primary_counts() -> None:
    """A primary from which nothing comes counts before the slowest one."""

    def rows(*behind: int | None) -> Replication | None:
        return asked(MariaDB, lambda _: [{"Seconds_Behind_Master": seconds} for seconds in behind])

    assert rows(3, 40) == Replication(is_replica=True, behind=timedelta(seconds=40))
    assert rows(3, None) == Replication(is_replica=True)


def test_older_server_is_asked_in_older_syntax() -> None:
    def old(statement: str) -> list[dict[str, Any]]:
        if "REPLICA" in statement:
            raise SourceError("You have an error in your SQL syntax")
        return [{"Seconds_Behind_Master": 5}]

    def new(_: str) -> list[dict[str, Any]]:
        return [{"Seconds_Behind_Source": 5}]

    assert asked(MariaDB, old) == asked(MariaDB, new) == Replication(is_replica=True, behind=timedelta(seconds=5))


def test_login_without_the_right_gives_no_answer() -> None:
    def forbidden(_: str) -> list[dict[str, Any]]:
        raise SourceError("Access denied; you need the REPLICATION CLIENT privilege")

    assert asked(MariaDB, forbidden) is None
    assert asked(Oracle, forbidden) is None
