"""What changes that were delivered, and are kept for a while, take on the state's disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bench.endpoint import endpoint
from tests.bench.figures import Figure
from tests.bench.pushes import _pipeline, environment
from tests.bench.shops import bytes_on_disk, database, open_shop

ORDERS = 5000
CHANGES_OF_EACH = 4


def figures(home: Path) -> Iterator[Figure]:
    for name in ("sqlite", "postgresql"):
        with open_shop("sqlite", ORDERS, home) as shop, endpoint(0) as url, database(name, home) as state:
            with _pipeline(environment(shop, url, home, STATE__URL=state)) as pipeline:
                before = bytes_on_disk(state)
                for turn in range(CHANGES_OF_EACH):
                    shop.change_all(f"stage {turn}")
                    pipeline.poll(ORDERS)
                    pipeline.deliver()
                each = (bytes_on_disk(state) - before) / (ORDERS * CHANGES_OF_EACH)
            facts = f"{ORDERS:,} orders, {CHANGES_OF_EACH} changes of each, with their attempts"
            yield Figure(f"disk of a delivered change, {name}", each, facts, unit="B")
