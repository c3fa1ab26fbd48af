"""`syncd demo` as a newcomer runs it, and the parts it is made of."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import requests

from syncd.cli.demo_command import DemoScreen
from syncd.demo import DemoFigures
from syncd.demo.imshop_side import FAILURES, FIRST_FAILURE, PushRecorder, RandomFailures, RecordedPush
from syncd.demo.simulation import ORDERS_AT_FIRST, QUERY, STATUSES, DemoShop, ShopOrder, move_on, place
from syncd.errors import SyncdError
from syncd.sandbox import PushReceived, Sandbox
from tests.servers import free_port

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LINE = re.compile(r"\d\d:\d\d:\d\d  0\d{7}  +(?:new order|\w.*\w) → \w.*  [a-z_]+ +\d+\.\d\d s")


def environment(folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """As the user has it, with temporary files in `folder`."""
    return {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(Path(__file__).parent.parent), **extra}


@contextmanager
def demo(folder: Path, *arguments: str, cwd: Path | None = None, **extra: str) -> Iterator[subprocess.Popen[str]]:
    # With a port of its own, since several demos that start at once would all take the usual one.
    command = [sys.executable, "-m", "syncd", "demo", "--port", str(free_port()), *arguments]
    with subprocess.Popen(
        command,
        cwd=cwd or folder,
        env=environment(folder, extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finished(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    """What it wrote to stdout, by line, and to stderr, once it has ended well."""
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    return out.splitlines(), err


def lines_until(process: subprocess.Popen[str], pattern: re.Pattern[str]) -> list[str]:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if pattern.match(line):
            return lines
    raise AssertionError(f"it ended without {pattern.pattern}: {lines}")


def told(lines: list[str]) -> list[str]:
    return [line for line in lines if LINE.match(line)]


def test_changes_reach_imshop_and_the_demo_ends_cleanly(tmp_path: Path) -> None:
    """Each change is shown with its lag; no file is left."""
    with demo(tmp_path, "--seconds", "3") as process:
        lines, complaints = finished(process)
    summary = re.fullmatch(r"(\d+) of (\d+) changes reached IMSHOP, median lag (\d+\.\d\d) s, .*", lines[-2])
    assert summary, lines
    assert len(told(lines)) >= int(summary[1]) == int(summary[2]) > 0
    assert float(summary[3]) < 3
    assert lines[-1].startswith("Next: ")
    assert complaints == ""
    assert list(tmp_path.iterdir()) == []


def test_demo_ignores_settings_and_env_file_of_users(tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    (tmp_path / ".env").write_text("SYNCD_SOURCE__URL=not a URL\nSYNCD_TYPO=1\n")
    mine = {
        "SYNCD_IMSHOP__URL": "https://imshop.invalid/secret",
        "SYNCD_STATE__URL": f"sqlite:///{tmp_path / 'mine.db'}",
        "SYNCD_NO_SUCH_THING": "1",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    with demo(folder, "--seconds", "1", cwd=tmp_path, **mine) as process:
        lines, complaints = finished(process)
    assert told(lines)
    assert complaints == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "tmp"]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_demo_with_its_summary(tmp_path: Path, end: signal.Signals) -> None:
    """No file is left."""
    with demo(tmp_path) as process:
        lines_until(process, LINE)
        assert list(tmp_path.iterdir())
        process.send_signal(end)
        lines, _ = finished(process)
    assert re.match(r"\d+ of \d+ changes reached IMSHOP", lines[-2])
    assert list(tmp_path.iterdir()) == []


def test_daemon_status_is_served_at_the_shown_address(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        header = lines_until(process, LINE)
        status, metrics = re.findall(r"http://127\.0\.0\.1:\d+/\S+", "\n".join(header))
        deadline = time.monotonic() + 10
        while not requests.get(status, timeout=5).json()["changes"]["delivered"]:
            assert time.monotonic() < deadline, "IMSHOP heard of it, but it was not acknowledged within 10 s"
            time.sleep(0.05)
        tracked = requests.get(status, timeout=5).json()["orders"]["tracked"]
        counted = requests.get(metrics, timeout=5).text
    assert tracked >= ORDERS_AT_FIRST
    assert re.search(r"^syncd_sync_lag_seconds_count [1-9]", counted, re.MULTILINE)


def test_requested_port_in_use_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        with demo(tmp_path, "--port", port) as process:
            _, complaints = process.communicate(timeout=20)
    assert process.returncode == 2
    assert f"127.0.0.1:{port} is taken" in complaints
    assert "Traceback" not in complaints
    assert list(tmp_path.iterdir()) == []


FINE = DemoFigures(orders=41, changes=2, waiting=0, reached=2, failed=0, median_lag=0.5, longest_lag=0.6)


@pytest.mark.parametrize(("changes", "reached", "failed"), [(2, 2, False), (2, 1, False), (0, 0, False), (2, 0, True)])
def test_demo_fails_if_no_change_reached_imshop(changes: int, reached: int, failed: bool) -> None:
    """A demo in which no change happened does not fail."""
    assert replace(FINE, changes=changes, reached=reached).has_failed == failed


def test_failed_demo_ends_with_the_complaints_of_syncd(capsys: pytest.CaptureFixture[str]) -> None:
    DemoScreen().end(replace(FINE, reached=0), ["12:00:00  error  delivery_paused"])
    shown = capsys.readouterr().out.splitlines()
    assert shown == ["0 of 2 changes reached IMSHOP", "12:00:00  error  delivery_paused"]


def test_unwritable_shop_is_reported_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(SyncdError, match=rf"shop {tmp_path}/no/shop.db cannot be written"):
        DemoShop(tmp_path / "no" / "shop.db", Random(1), lambda: NOON).open()


@pytest.fixture
def shop(tmp_path: Path) -> DemoShop:
    """At a time of its own, that moves on by ten seconds whenever it is asked for."""
    times = iter(NOON + timedelta(seconds=10 * step) for step in range(100_000))
    opened = DemoShop(tmp_path / "shop.db", Random(7), lambda: next(times))
    opened.open()
    return opened


def rows(tmp_path: Path, query: str = QUERY) -> dict[str, str]:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        return {row[0]: row[1] for row in database.execute(query)}


def test_database_holds_the_orders_of_the_shop(shop: DemoShop, tmp_path: Path) -> None:
    for _ in range(100):
        shop.step()
    assert rows(tmp_path) == {order.number: order.status for order in shop.orders()}


def test_long_lived_shop_always_has_orders_that_move(shop: DemoShop) -> None:
    for _ in range(300):
        before = shop.changes
        shop.step()
        assert shop.changes > before
        assert any(not order.is_over for order in shop.orders())


def lives(count: int) -> Iterator[list[ShopOrder]]:
    random = Random(3)
    for number in range(count):
        life = [place(number, random)]
        while not life[-1].is_over:
            life.append(move_on(life[-1], random))
        yield life


def test_parcel_has_a_tracking_number_once_shipped() -> None:
    for life in lives(100):
        statuses = [order.status for order in life]
        shipped = statuses.index("shipped") if "shipped" in statuses else len(life)
        assert [order.track is not None for order in life] == [place >= shipped for place in range(len(life))]


def test_finished_orders_are_paid_and_cancelled_ones_refunded() -> None:
    ends = [life[-1] for life in lives(300)]
    assert {order.status for order in ends} == {"delivered", "done", "cancelled"}
    assert all((order.payment_id is None) == (order.status == "cancelled") for order in ends)


def push(sandbox: Sandbox, order: ShopOrder, timeout: float = 5, **more: object) -> None:
    body = {"id": order.number, "code": order.status, "message": STATUSES[order.status], **more}
    requests.post(sandbox.url, json=body, timeout=timeout)


def pushes_of(recorder: PushRecorder) -> list[RecordedPush]:
    return list(recorder.pushes(within=0))


def test_push_is_shown_with_previous_status_and_lag(tmp_path: Path) -> None:
    now = [NOON]
    shop = DemoShop(tmp_path / "shop.db", Random(1), lambda: now[0])
    shop.open()
    recorder = PushRecorder(shop)
    now[0] += timedelta(seconds=60)
    shop.step()
    (order,) = [order for order in shop.orders() if shop.changed_at(order.number, order.status) == now[0]]
    assert recorder.waiting() == 1
    with Sandbox(on_request=recorder.record, clock=lambda: NOON + timedelta(seconds=60.5)) as sandbox:
        push(sandbox, order, payment={"paid": True, "paymentId": "p"}, trackingUrl="https://a.ru/?id=12")
        push(sandbox, order, trackingUrl="https://a.ru/?id=12")
    first, second = pushes_of(recorder)
    assert (first.order_id, first.status, first.lag) == (order.number, STATUSES[order.status], 0.5)
    assert (first.track, first.paid, first.attempt, first.failure) == ("12", True, 1, None)
    assert (second.previous, second.track, second.paid, second.attempt) == (first.status, None, None, 2)
    assert (recorder.waiting(), recorder.lags) == (0, [0.5])  # one change, in two pushes


def test_failed_request_is_shown_and_changes_no_status(shop: DemoShop) -> None:
    recorder = PushRecorder(shop)
    order = next(order for order in shop.orders() if order.status == "new")
    moved = move_on(order, Random(1))
    failures = iter([*FAILURES, None])
    with Sandbox(on_request=recorder.record, behave=lambda _received: next(failures)) as sandbox:
        push(sandbox, moved)
        with pytest.raises(requests.Timeout):
            push(sandbox, moved, timeout=0.1)
        push(sandbox, moved)
    told = pushes_of(recorder)
    assert [(push.attempt, push.failure) for push in told] == [(1, "503"), (2, "no answer"), (3, None)]
    assert {push.previous for push in told} == {STATUSES["new"]}
    assert (recorder.failed, len(recorder.lags)) == (2, 1)


def request(number: int, order_id: str) -> PushReceived:
    return PushReceived(number, NOON, "POST", "/", {}, b"", None, None, order_id, "new")


def test_failures_alternate_and_never_hit_an_order_twice() -> None:
    behave = RandomFailures(Random(5))
    met = [behave(request(number, str(number % 3))) for number in range(200)]
    failed = [number for number, failure in enumerate(met) if failure]
    assert [met[number] for number in failed] == [FAILURES[turn % 2] for turn in range(len(failed))]
    assert failed[0] == FIRST_FAILURE - 1
    assert all(FIRST_FAILURE <= later - sooner <= 3 * FIRST_FAILURE + 3 for sooner, later in pairwise(failed))
    assert not any(met[number + 3] for number in failed[:-1])


def test_no_request_fails_once_failures_are_over() -> None:
    behave = RandomFailures(Random(5))
    behave.over = True
    assert not any(behave(request(number, str(number))) for number in range(200))
