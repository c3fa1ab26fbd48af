"""The script that merchants write instead: orders that changed since the last run, one POST each.

`python -m tests.bench.script SHOP URL SINCE MEMORY post|session` prints how many it pushed. SHOP is a SQLite file;
MEMORY is the file that keeps how far the last run came, SINCE holds for the first.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import requests

from tests.bench.endpoint import KEY

CHANGED = "SELECT number, state, said, track, changed FROM orders WHERE changed > ? ORDER BY changed"
ROWS_AT_ONCE = 1000
IN_FLIGHT = 16
"""Of tools that push several orders at once."""
TIMEOUT_SECONDS = 10


def main(shop: str, url: str, since: str, memory: str, how: str) -> None:
    last, pushed = Path(memory), 0
    post = requests.Session().post if how == "session" else requests.post
    newest = last.read_text() if last.exists() else since
    for rows in changed(shop, newest):
        for row in rows:
            push(post, url, row)
            newest, pushed = row["changed"], pushed + 1
    last.write_text(newest)
    click.echo(pushed)


def changed(shop: str, since: str) -> Iterator[list[dict[str, Any]]]:
    with closing(sqlite3.connect(shop)) as connection:
        connection.row_factory = sqlite3.Row
        cursor = connection.execute(CHANGED, (since,))
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield [dict(row) for row in rows]


def push(post: Callable[..., requests.Response], url: str, row: dict[str, Any]) -> None:
    body = {"id": str(row["number"]), "code": row["state"], "message": row.get("said"), "trackingUrl": row.get("track")}
    sent = {name: value for name, value in body.items() if value is not None}
    answer = post(url, json=sent, headers={"Authorization": f"Bearer {KEY}"}, timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    assert answer.json()["success"]


if __name__ == "__main__":
    main(*sys.argv[1:])
