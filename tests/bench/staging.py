"""What it costs to write what a poll found: a baseline, and many changes at once; and what it takes on the disk.

Shop and state are in the same kind of database. Autovacuum is off, so that no statement is quick only while the
database knows how its tables are filled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from syncd.pipeline.poll import Poller
from syncd.state.schema import metadata
from tests.bench.figures import Figure, Ratio, compared, timed
from tests.bench.polls import poller
from tests.bench.shops import Shop, bytes_on_disk, database, open_shop
from tests.servers import execute

DATABASES = {"sqlite": (1_000_000, 20), "postgresql": (100_000, 15)}
"""Of how many orders a baseline is taken at most, and how often it may take as long as reading them."""
AT_ONCE = 100_000
FEW = 1000
ROUNDS = 3
WAITING_ROUNDS = 15
WAITING_SINCE = timedelta(minutes=30)  # so that the lookback of later polls holds none of what waits


def figures(orders: int, home: Path) -> Iterator[Figure]:
    for name, (most, at_most) in DATABASES.items():
        with open_shop(name, min(orders, most), home) as shop:
            yield from _baseline(shop, home, at_most)
        size = min(orders, AT_ONCE)
        with open_shop(name, size, home) as shop:
            yield _at_once(shop, home)
        with open_shop(name, size, home) as many, open_shop(name, size, home) as few:
            yield _waiting(many, few, home)


@contextmanager
def _fresh(shop: Shop, home: Path) -> Iterator[tuple[Poller, str]]:
    """A poller without a guard, its state empty; and the state's URL."""
    with database(shop.name, home) as url, poller(shop, url, max_changes=0) as fresh:
        if shop.name == "postgresql":
            execute(url, *(f"ALTER TABLE {table} SET (autovacuum_enabled = off)" for table in metadata.tables))
        yield fresh, url


def _poll(of: Poller, changes: int) -> None:
    found = of.poll(datetime.now(UTC))
    assert found.baseline or found.kind == "incremental"
    assert found.found.total() == changes
    assert not found.held


def _baseline(shop: Shop, home: Path, at_most: float) -> Iterator[Figure]:
    rounds = []
    for _ in range(ROUNDS):
        with _fresh(shop, home) as (fresh, url):
            shop.read_bare(whole=True)
            rounds.append((timed(lambda: _poll(fresh, 0)), timed(lambda: shop.read_bare(whole=True))))
            size = bytes_on_disk(url)
    ratio = Ratio.of(rounds)
    facts = ratio.facts(f"{shop.size:,} orders", "bare driver", ROUNDS)
    yield Figure(f"baseline / reading, {shop.name}", ratio.ratio, facts, at_most=at_most)
    yield Figure(f"disk of an order, {shop.name}", size / shop.size, f"{size / 1e6:.0f} MB in all", unit="B")


def _at_once(shop: Shop, home: Path) -> Figure:
    """Every order changes, and nothing is delivered."""
    rounds = []
    for turn in range(ROUNDS):
        with _fresh(shop, home) as (fresh, _url):
            baseline = timed(lambda: _poll(fresh, 0))
            shop.change_all(f"stage {turn}")
            rounds.append((timed(lambda: _poll(fresh, shop.size)), baseline))
    ratio = Ratio.of(rounds)
    facts = ratio.facts(f"{shop.size:,} changes", "baseline", ROUNDS)
    return Figure(f"changes at once / baseline, {shop.name}", ratio.ratio, facts, at_most=2.5)


def _waiting(many: Shop, few: Shop, home: Path) -> Figure:
    """Orders whose change waits change again; in one state all orders wait, in the other only these."""
    turns = count()
    with ExitStack() as stack:
        pollers = []
        for shop, waiting in ((many, many.size), (few, FEW)):
            fresh, _url = stack.enter_context(_fresh(shop, home))
            _poll(fresh, 0)
            shop.change_first(waiting, "waits", WAITING_SINCE)
            _poll(fresh, waiting)
            pollers.append(fresh)

        def change() -> None:
            status = f"stage {next(turns)}"
            many.change_first(FEW, status)
            few.change_first(FEW, status)

        among_many, among_few = pollers
        ratio = compared(lambda: _poll(among_many, FEW), lambda: _poll(among_few, FEW), WAITING_ROUNDS, before=change)
    facts = ratio.facts(f"{FEW:,} changes while {many.size:,} wait", f"while {FEW:,} wait", WAITING_ROUNDS)
    return Figure(f"staging while many wait / few, {many.name}", ratio.ratio, facts, at_most=1.2)
