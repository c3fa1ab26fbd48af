"""What polls cost: full compares and polls that find nothing, in time and in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from syncd.pipeline.poll import Poller
from syncd.sources.database.database_source import DatabaseSource
from syncd.state import open_state
from tests.bench.figures import Figure, compared
from tests.bench.shops import QUERY, Shop, open_shop

FEW = 10_000
COMPARE_ROUNDS = 7
POLL_ROUNDS = 300
ONE_OF = 1000
"""One of so many orders changes."""
LOOKBACK = timedelta(minutes=5)


def figures(database: str, orders: int, home: Path) -> Iterator[Figure]:
    """All figures of one kind of database; the state is in SQLite."""
    with open_shop(database, orders, home) as large, open_shop(database, FEW, home) as small:
        yield from _peaks("baseline", large, small, home)
        yield from _peaks("full compare", large, small, home)
        with poller(large, state_url(large, home)) as full, poller(small, state_url(small, home)) as few:
            yield _nothing_new(full, few, large)
            yield _full_compare(full, large, 0, at_most=1.5)
            yield _full_compare(full, large, orders // ONE_OF, at_most=1.6)


def state_url(shop: Shop, home: Path) -> str:
    """Of a state in SQLite that lasts as long as `home`."""
    return f"sqlite:///{home}/state-{shop.name}-{shop.size}.db"


@contextmanager
def poller(shop: Shop, state_url: str, max_changes: int = 5000) -> Iterator[Poller]:
    """What polls this shop in the daemon."""
    source = DatabaseSource(url=shop.url, query=QUERY, timezone=UTC, lookback=LOOKBACK, lookback_rows=1000, batch=1000)
    state = open_state(state_url, redact=str)
    try:
        yield Poller(
            source=source,
            state=state.polls,
            action=lambda _code: "push",
            max_changes=max_changes,
            lookback=LOOKBACK,
        )
    finally:
        state.close()
        source.close()


def _full_compare(of: Poller, shop: Shop, changes: int, at_most: float) -> Figure:
    """`changes` orders, in the same places each round, differ, and only a full compare can find it."""
    turns = count()

    def change() -> None:
        if changes:
            shop.change_unnoticed(changes, f"stage {next(turns)}")

    def compare() -> None:
        found = of.reconcile(datetime.now(UTC))
        assert found.rows == shop.size
        assert found.found["full"] == found.found.total() == changes

    ratio = compared(compare, shop.read_bare, COMPARE_ROUNDS, before=change)
    what = f"{changes:,} changes" if changes else "full compare"
    facts = ratio.facts(f"{shop.size:,} orders, {changes:,} changed:", "bare driver", COMPARE_ROUNDS)
    return Figure(f"{what} / reading, {shop.name}", ratio.ratio, facts, at_most=at_most)


def _nothing_new(large: Poller, small: Poller, shop: Shop) -> Figure:
    def poll(of: Poller) -> None:
        found = of.poll(datetime.now(UTC))
        assert found.kind == "incremental"
        assert not found.found

    ratio = compared(lambda: poll(large), lambda: poll(small), POLL_ROUNDS)
    facts = ratio.facts(f"of {shop.size:,} orders", f"of {FEW:,}", POLL_ROUNDS)
    return Figure(f"poll that finds nothing, {shop.name}", ratio.ratio, facts, at_most=1.2)


def _peaks(what: str, large: Shop, small: Shop, home: Path) -> Iterator[Figure]:
    """The first time that a shop is compared, that is its baseline."""
    (peak, took), (little, _) = (alone(shop, home) for shop in (large, small))
    facts = f"{large.size:,} orders {peak:.1f} MB in {took:.1f} s, {small.size:,} {little:.1f} MB"
    yield Figure(f"peak memory of a {what}, {large.name}", peak / little, facts, at_most=1.2)


def alone(shop: Shop, home: Path) -> tuple[float, float]:
    """The peak memory in MB of a process that compares this shop and nothing else, and the seconds it took."""
    command = [sys.executable, "-m", "tests.bench.alone", shop.name, shop.url, str(shop.size), str(home)]
    peak, took = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return peak, took
