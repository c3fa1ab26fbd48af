"""`python -m tests.bench`: one line a figure; exit status 1 where one is missed. About 30 minutes; `--orders 100000`
for a quick look."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest

from syncd.cli.commands import collect_seldom
from tests.bench import apis, daemon, disk, failover, others, polls, pushes, reads, staging, starts, storm, waits
from tests.bench.figures import Figure
from tests.bench.shops import DATABASES

BENCHES: Mapping[str, Callable[[Path], Iterator[Figure]]] = {
    "waits": waits.figures,
    "starts": starts.figures,
    "api": apis.figures,
    "pushes": pushes.figures,
    "daemon": daemon.figures,
    "disk": disk.figures,
    "reads": reads.figures,
    "failover": failover.figures,
    "others": others.figures,
}


@click.command()
@click.option(
    "--orders", type=click.IntRange(min=20_000), default=1_000_000, show_default=True, help="In a large shop."
)
@click.option("--minutes", type=click.FloatRange(min=0.1), default=60, show_default=True, help="How long it storms.")
@click.option("--document", type=click.Path(path_type=Path, exists=True), help="Put the lines into its blocks, too.")
@click.argument("benches", nargs=-1, type=click.Choice([*DATABASES, "staging", *BENCHES, "storm"]))
def main(orders: int, minutes: float, document: Path | None, benches: tuple[str, ...]) -> None:
    """Measure. BENCHES: only these; default: all but the storm."""
    known: Mapping[str, Callable[[Path], Iterator[Figure]]] = {
        **{name: partial(polls.figures, name, orders) for name in DATABASES},
        "staging": partial(staging.figures, orders),
        **BENCHES,
    }
    at_will: Mapping[str, Callable[[Path], Iterator[Figure]]] = {"storm": lambda home: storm.figures(home, minutes)}
    collect_seldom()
    missed = False
    with TemporaryDirectory(prefix="syncd-bench-") as home:
        for name in benches or known:
            lines = []
            try:
                for figure in {**known, **at_will}[name](Path(home)):
                    click.echo(figure)
                    lines.append(str(figure).rstrip())
                    missed |= figure.missed
            except pytest.skip.Exception as missing:
                click.echo(f"left out of {name}: {missing}")
            if document:
                _put(name, lines, document)
    sys.exit(1 if missed else 0)


def _put(name: str, lines: Sequence[str], document: Path) -> None:
    """In the place of what stands in the block under `<!-- bench NAME -->`, if there is one."""
    block = re.compile(rf"(?<=^<!-- bench {name} -->\n```text\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
    text = document.read_text(encoding="utf-8")
    document.write_text(block.sub(lambda _: "".join(f"{line}\n" for line in lines), text, count=1), encoding="utf-8")


if __name__ == "__main__":
    main()
