"""What is read of a shop's database is put aside: nobody in the shop waits while it is compared."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, make_url

from syncd.errors import SourceError
from syncd.pipeline.poll import Poller
from syncd.runtime.jobs import StopError
from syncd.sources.database import DatabaseSource
from syncd.spool import IN_MEMORY, Rows, Spool
from syncd.state import State
from tests.sources.shop import NOON, Shop, ids, start

MANY = 9000
LONG = "x" * 500
"""What makes so many orders too many for memory."""


@pytest.fixture
def large(any_shop: Shop) -> Shop:
    """A shop of many orders where SQLite lets nobody write while somebody reads."""
    if any_shop.dating.server == "sqlite":
        with closing(sqlite3.connect(make_url(any_shop.url).database or "")) as file:
            file.execute("PRAGMA journal_mode = DELETE")
    any_shop.add(*((f"{number:04}", "new", NOON) for number in range(MANY)))
    return any_shop


def alter(shop: Shop) -> None:
    """What waits for everybody who reads the table."""
    shop.execute("ALTER TABLE orders ADD COLUMN colour INTEGER")


def test_writers_do_not_wait_for_the_comparing(large: Shop, state: State) -> None:
    """Whenever something is put on disk, the shop lets itself be altered."""
    poller = Poller(large.source(), state.polls, lambda _code: "push", 0, timedelta(minutes=5))
    altered = 0

    def alter_too(connection: Connection) -> None:
        nonlocal altered
        if connection.get_execution_options().get("writes") and altered < 15:
            altered += 1
            large.execute("ALTER TABLE orders RENAME TO others")
            large.execute("ALTER TABLE others RENAME TO orders")

    event.listen(state.store.engine, "commit", alter_too)
    assert poller.poll(NOON).adopted == MANY
    assert altered > 10
    altered = 0
    large.execute("UPDATE orders SET status = 'packed' WHERE order_id < '0100'")
    assert poller.reconcile(NOON + timedelta(hours=1)).found == {"full": 100}
    assert altered


def test_pages_come_when_the_statement_is_over(large: Shop) -> None:
    source = large.source()
    pages = (page for page in source.changed(start(source)) if page.orders)
    first = next(pages)
    alter(large)
    assert [*ids(first.orders), *(name for page in pages for name in ids(page.orders))] == [
        f"{number:04}" for number in range(MANY)
    ]


def test_a_poll_may_be_abandoned_while_it_reads(large: Shop, state: State) -> None:
    def stop(rows: int) -> None:
        assert rows < MANY / 2
        raise StopError

    poller = Poller(large.source(), state.polls, lambda _code: "push", 0, timedelta(minutes=5), progress=stop)
    for poll in (poller.poll, poller.reconcile):
        with pytest.raises(StopError):
            poll(NOON)
    assert state.reports.summary().tracked == 0
    alter(large)


def test_signs_of_life_move_no_cursor(large: Shop) -> None:
    source = large.source()
    pages = [*source.changed(start(source))]
    waiting = [page for page in pages if not page.orders]
    assert len(waiting) == MANY / 1000 - 1
    assert pages[: len(waiting)] == waiting
    assert {(page.cursor, page.last) for page in waiting} == {(None, False)}


def test_few_rows_come_without_a_sign(any_shop: Shop) -> None:
    any_shop.add(("A", "new", NOON))
    source = any_shop.source()
    assert [ids(page.orders) for page in source.changed(start(source))] == [["A"]]
    assert [len(block) for block in source.scan(whole=False).blocks()] == [1]


def test_values_come_back_as_they_were() -> None:
    plain = (1, -(2**80), 1.5, "é\ud800", b"\xff", None, True, [1, {"ru": "да"}])
    others = (Decimal("5.00"), NOON, datetime(2026, 1, 1), date(2026, 1, 1), time(9, 5), timedelta(1), UUID(int=7))  # noqa: DTZ001
    blocks: list[Rows] = [[plain], [plain, others], [others, plain]]
    assert kept(*blocks) == blocks
    assert [type(value) for value in kept([plain])[0][0]] == [type(value) for value in plain]


class Lob:
    """What is read as long as its statement is open, as Oracle's are."""

    def __init__(self) -> None:
        self.is_open = True

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("cannot pickle 'Lob' object")

    def read(self) -> str:
        assert self.is_open
        return "long"


class Unknown:
    __reduce__ = Lob.__reduce__

    def __str__(self) -> str:
        return "in words"


def test_values_that_live_with_their_statement_are_read() -> None:
    lob = Lob()
    with closing(Spool()) as spool:
        spool.put([(NOON, lob, Unknown(), memoryview(b"7"))])
        spool.put([(memoryview(b"8"),)])
        lob.is_open = False
        assert [*spool.blocks()] == [[(NOON, "long", "in words", b"7")], [(b"8",)]]


def test_large_spool_uses_a_private_unnamed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    block = [(number, f"{number:04}{LONG}") for number in range(1000)]
    blocks = [block] * (3 * IN_MEMORY // len(LONG) // len(block))
    with closing(Spool()) as spool:
        assert not files_in(tmp_path)
        for one in blocks:
            spool.put(one)
        (file,) = files_in(tmp_path)
        assert file.st_size > 2 * IN_MEMORY
        assert stat.S_IMODE(file.st_mode) == 0o600
        assert not [*tmp_path.iterdir()]
        assert [*spool.blocks()] == blocks
    assert not files_in(tmp_path)


def test_missing_temporary_folder_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere")
    block = [("x" * IN_MEMORY,)]
    assert kept(block, block) == [block, block]


def test_a_full_disk_ends_the_poll_alone(
    large: Shop, state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    large.execute("CREATE INDEX orders_order_id ON orders (order_id)")  # else SQLite needs room itself, to sort
    source = large.source(f"SELECT order_id, '{LONG}' AS status, updated_at FROM orders")
    poller = Poller(source, state.polls, lambda _code: "push", 0, timedelta(minutes=5))
    advice = rf"cannot be written to a temporary file: File too large\..* room for such files in {tmp_path}, .* TMPDIR"
    with files_hold(2 * IN_MEMORY), pytest.raises(SourceError, match=advice):
        poller.poll(NOON)
    alter(large)
    assert poller.poll(NOON).rows == MANY


def test_sqlite_without_sorting_space_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    orders = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY}) "
    query = f"{orders} SELECT i AS order_id, '{LONG}' || i AS status FROM n"
    sqlite3.connect(tmp_path / "shop.db").close()
    url = f"sqlite:///{tmp_path}/shop.db"
    with closing(
        DatabaseSource(url=url, query=query, timezone=UTC, lookback=timedelta(), lookback_rows=1000, batch=1000)
    ) as source:
        advice = "It sorts in temporary files: make room for them"
        with files_hold(IN_MEMORY // 2), pytest.raises(SourceError, match=advice):
            list(source.scan(whole=False).blocks())


def kept(*blocks: Rows) -> list[Rows]:
    with closing(Spool()) as spool:
        for block in blocks:
            spool.put(block)
        return [*spool.blocks()]


def files_in(folder: Path) -> list[os.stat_result]:
    """The files of this process that are open there."""
    opened = [file for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    return [file.stat() for file in opened if str(file.readlink()).startswith(f"{folder}/")]


@contextmanager
def files_hold(size: int) -> Iterator[None]:
    """No file of this process can grow beyond that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
