"""One full compare in a process of its own: `python -m tests.bench.alone NAME URL SIZE HOME` prints its peak memory in
MB and its seconds."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from tests.bench import apis
from tests.bench.figures import memory, timed
from tests.bench.polls import poller
from tests.bench.shops import Shop


def main(name: str, url: str, size: str, home: str) -> None:
    shop = Shop(name, url, int(size))
    with apis.poller(url, Path(home) / f"state-{size}.db") if name == "api" else poller(shop, Path(home)) as alone:
        took = timed(lambda: alone.reconcile(datetime.now(UTC)))
    click.echo(json.dumps([memory(os.getpid(), "VmHWM"), took]))


if __name__ == "__main__":
    main(*sys.argv[1:])
