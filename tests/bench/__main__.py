"""`python -m tests.bench`: one line a figure; exit status 1 where one is missed. About 30 minutes; `--orders 100000`
for a quick look."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest

from tests.bench import apis, daemon, failover, polls, pushes, starts, storm, waits
from tests.bench.figures import Figure
from tests.bench.shops import DATABASES

OTHERS: Mapping[str, Callable[[Path], Iterator[Figure]]] = {
    "waits": waits.figures,
    "starts": starts.figures,
    "api": apis.figures,
    "pushes": pushes.figures,
    "daemon": daemon.figures,
    "failover": failover.figures,
}


@click.command()
@click.option(
    "--orders", type=click.IntRange(min=20_000), default=1_000_000, show_default=True, help="In a large shop."
)
@click.option("--minutes", type=click.FloatRange(min=0.1), default=60, show_default=True, help="How long it storms.")
@click.argument("benches", nargs=-1, type=click.Choice([*DATABASES, *OTHERS, "storm"]))
def main(orders: int, minutes: float, benches: tuple[str, ...]) -> None:
    """Measure. BENCHES: only these; default: all but the storm."""
    known: Mapping[str, Callable[[Path], Iterator[Figure]]] = {
        **{name: partial(polls.figures, name, orders) for name in DATABASES},
        **OTHERS,
    }
    at_will: Mapping[str, Callable[[Path], Iterator[Figure]]] = {"storm": lambda home: storm.figures(home, minutes)}
    missed = False
    with TemporaryDirectory(prefix="syncd-bench-") as home:
        for name in benches or known:
            try:
                for figure in {**known, **at_will}[name](Path(home)):
                    click.echo(figure)
                    missed |= figure.missed
            except pytest.skip.Exception as missing:
                click.echo(f"{name} is left out: {missing}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
