"""What polls cost: full compares and polls that find nothing, in time and in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from syncd.pipeline.poll import Poller
from syncd.sources.database.database_source import DatabaseSource
from syncd.state import open_state
from tests.bench.figures import Figure, compared
from tests.bench.shops import QUERY, Shop, open_shop

FEW = 10_000
COMPARE_ROUNDS = 7
POLL_ROUNDS = 300
LOOKBACK = timedelta(minutes=5)


def figures(database: str, orders: int, home: Path) -> Iterator[Figure]:
    """All figures of one kind of database; the state is in SQLite."""
    with open_shop(database, orders, home) as large, open_shop(database, FEW, home) as small:
        yield from _peaks("baseline", large, small, home)
        yield from _peaks("full compare", large, small, home)
        with poller(large, home) as full, poller(small, home) as few:
            yield _full_compare(full, large)
            yield _nothing_new(full, few, large)


@contextmanager
def poller(shop: Shop, home: Path) -> Iterator[Poller]:
    """What polls this shop in the daemon. Its state lasts as long as `home`."""
    source = DatabaseSource(url=shop.url, query=QUERY, timezone=UTC, lookback=LOOKBACK, lookback_rows=1000, batch=1000)
    state = open_state(f"sqlite:///{home}/state-{shop.name}-{shop.size}.db", redact=str)
    try:
        yield Poller(source=source, state=state.polls, action=lambda _code: "push", max_changes=5000, lookback=LOOKBACK)
    finally:
        state.close()
        source.close()


def _full_compare(of: Poller, shop: Shop) -> Figure:
    def compare() -> None:
        found = of.reconcile(datetime.now(UTC))
        assert found.rows == shop.size
        assert not found.found

    ratio = compared(compare, shop.read_bare, COMPARE_ROUNDS)
    facts = ratio.facts(f"{shop.size:,} unchanged orders", "bare driver", COMPARE_ROUNDS)
    return Figure(f"full compare / reading, {shop.name}", ratio.ratio, facts, at_most=2.0)


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
