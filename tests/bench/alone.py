"""One full compare in a process of its own: `python -m tests.bench.alone NAME URL SIZE HOME` prints its peak memory in
MB and its seconds."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from syncd.cli.commands import collect_seldom
from tests.bench import apis
from tests.bench.figures import memory, timed
from tests.bench.polls import poller, state_url
from tests.bench.shops import Shop


def main(name: str, url: str, size: str, home: str) -> None:
    collect_seldom()
    shop, state = Shop(name, url, int(size)), Path(home)
    with (
        apis.poller(url, state / f"state-{size}.db") if name == "api" else poller(shop, state_url(shop, state))
    ) as alone:
        took = timed(lambda: alone.reconcile(datetime.now(UTC)))
    click.echo(json.dumps([memory(os.getpid(), "VmHWM"), took]))


if __name__ == "__main__":
    main(*sys.argv[1:])
