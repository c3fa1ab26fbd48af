"""How long the shop's own writers wait for syncd: as long as its orders are read, not until they are compared.

In SQLite (without WAL) and MyISAM nobody writes while somebody reads; in PostgreSQL nobody alters a table.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from sqlalchemy import NullPool, create_engine, make_url, text

from tests.bench.figures import Figure, Ratio, timed
from tests.bench.polls import alone
from tests.bench.shops import Shop, open_shop
from tests.servers import execute

ORDERS = 100_000
ROUNDS = 5
AT_MOST = {"sqlite": 2.0, "mariadb": 2.0}  # of PostgreSQL nothing is asked: there only who alters the table waits
BETWEEN_WRITES = 0.002
WRITES = {
    "sqlite": "UPDATE orders SET said = said WHERE number = 0",
    "mariadb": "UPDATE orders SET said = said WHERE number = 0",
    "postgresql": "ALTER TABLE orders ALTER said DROP NOT NULL",  # its readers keep no row from being written
}
KINDS = {"sqlite": "SQLite", "mariadb": "MyISAM", "postgresql": "ALTER"}


def figures(home: Path) -> Iterator[Figure]:
    """For each kind of database: while a baseline is taken, and while everything is compared again."""
    for name, kind in KINDS.items():
        with open_shop(name, ORDERS, home) as shop:
            if name == "mariadb":
                execute(shop.url, "ALTER TABLE orders ENGINE=MyISAM")
            baselines, compares = [], []
            for _ in range(ROUNDS):
                with TemporaryDirectory(dir=home) as state:
                    baselines.append(_round(shop, Path(state), whole=True))
                    compares.append(_round(shop, Path(state), whole=False))
            yield _figure(f"wait for a baseline / reading, {kind}", baselines, AT_MOST.get(name))
            yield _figure(f"wait for a compare / reading, {kind}", compares, AT_MOST.get(name))


def _round(shop: Shop, state: Path, *, whole: bool) -> tuple[float, float]:
    """The longest that a writer waits for a process that compares, and the seconds that the bare driver reads."""
    shop.read_bare(whole=whole)
    bare = timed(lambda: shop.read_bare(whole=whole))
    with _writer(shop) as longest:
        alone(shop, state)
        return longest(), bare


@contextmanager
def _writer(shop: Shop) -> Iterator[Callable[[], float]]:
    """Writes to the shop all the time; gives what tells the longest that one write took."""
    over, waits = Event(), [0.0]
    write = _writing(shop)

    def work() -> None:
        while not over.wait(BETWEEN_WRITES):
            waits.append(timed(write))

    thread = Thread(target=work)
    thread.start()
    try:
        yield lambda: max(waits)
    finally:
        over.set()
        thread.join()


def _writing(shop: Shop) -> Callable[[], None]:
    statement = WRITES[shop.name]
    if shop.name != "sqlite":
        engine = create_engine(shop.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)

        def write() -> None:
            with engine.connect() as connection:
                connection.execute(text(statement))

        return write

    def write_file() -> None:
        """SQLite's own patience looks again ever more seldom, and would tell a longer wait than there was."""
        file = sqlite3.connect(make_url(shop.url).database or "", timeout=0, isolation_level=None)
        try:
            while not _is_done(file, statement):
                time.sleep(BETWEEN_WRITES)
        finally:
            file.close()

    return write_file


def _is_done(file: sqlite3.Connection, statement: str) -> bool:
    try:
        file.execute(statement)
    except sqlite3.OperationalError:  # it is locked
        return False
    return True


def _figure(name: str, rounds: list[tuple[float, float]], at_most: float | None) -> Figure:
    waited = Ratio.of(rounds)
    facts = waited.facts(f"of {ORDERS:,} orders the longest", "bare driver", len(rounds))
    return Figure(name, waited.ratio, facts, at_most=at_most)
