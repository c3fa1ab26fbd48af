"""The same with dlt and a custom destination: `python -m tests.bench.dlt_pipeline SHOP URL SINCE MEMORY BATCH` prints
how many changes it pushed. MEMORY is the folder of the pipeline's state, BATCH how many rows a call of the destination
gets; 0: as many as dlt says. All else is set by dlt's own variables, in `others.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click
import dlt
import requests
from requests.adapters import HTTPAdapter

from tests.bench import script


def main(shop: str, url: str, since: str, memory: str, batch: str) -> None:
    session, pushed = requests.Session(), []
    session.mount("http://", HTTPAdapter(pool_maxsize=script.IN_FLIGHT))
    newest = dlt.sources.incremental("changed", initial_value=since, range_start="open")

    def orders(cursor: Any = newest) -> Iterator[list[dict[str, Any]]]:
        yield from script.changed(shop, cursor.last_value)

    def push(rows: Any, _table: Any) -> None:
        for row in rows:
            script.push(session.post, url, row)
        pushed.append(len(rows))

    settings: dict[str, Any] = {"batch_size": int(batch)} if int(batch) else {}
    destination = dlt.destination(push, name="imshop", **settings)
    pipeline = dlt.pipeline("orders", destination=destination(), pipelines_dir=memory)
    pipeline.run(dlt.resource(orders, name="orders"))
    click.echo(sum(pushed))


if __name__ == "__main__":
    main(*sys.argv[1:])
