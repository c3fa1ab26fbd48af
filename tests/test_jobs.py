"""The daemon's jobs, each within its boundary."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from syncd.errors import StateError
from syncd.model import CancelRequest
from syncd.pipeline.poll import Poller
from syncd.pipeline.statuses_file import StatusesFile
from syncd.runtime.health import Pulses
from syncd.runtime.jobs import QUIET_SECONDS, Jobs, StopError
from syncd.runtime.metrics import Metrics
from syncd.runtime.observer import Observer, Writer
from syncd.state import State
from tests.fakes import LOOKBACK, FakeShop
from tests.made import NOON


@dataclass
class Desk:
    """Jobs on a real state and a fake shop, and what they said of themselves."""

    jobs: Jobs
    shop: FakeShop
    registry: CollectorRegistry
    staged: list[None]
    clock: list[float]

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def desk(memory: State, tmp_path: Path) -> Desk:
    return made(memory, tmp_path)


def made(
    memory: State, folder: Path, progress: Callable[[int], None] = lambda _rows: None, *, leads: bool = True
) -> Desk:
    path = folder / "statuses.toml"
    path.write_text("[new]\n")
    shop, staged, registry, statuses = FakeShop(), list[None](), CollectorRegistry(), StatusesFile(path)
    ticks = [0.0]
    metrics = Metrics(registry)
    jobs = Jobs(
        poller=Poller(shop, memory.polls, statuses.action, max_changes=5, lookback=LOOKBACK, progress=progress),
        state=memory,
        statuses=statuses,
        observer=Observer(metrics, lambda: statuses.now),
        metrics=metrics,
        pulses=Pulses(lambda: ticks[0]),
        interval=timedelta(seconds=30),
        retention=timedelta(days=90),
        clock=lambda: shop.now,
        leading=lambda: leads,
        polling=memory.poll_lease(),
        patience=0.0,
        staged=lambda: staged.append(None),
        pause=lambda _seconds: False,
    )
    return Desk(jobs, shop, registry, staged, ticks)


def test_a_poll_is_counted_and_wakes_delivery(desk: Desk) -> None:
    desk.shop.put("1", "new")
    desk.jobs.poll()
    desk.jobs.poll()
    assert desk.sample("syncd_polls_total", kind="full", result="ok") == 1
    assert desk.sample("syncd_polls_total", kind="incremental", result="ok") == 1
    assert desk.sample("syncd_source_rows_total") == 2
    assert len(desk.staged) == 2


def test_failing_source_and_its_recovery_are_logged_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk.shop.put("1", "new")
    desk.shop.fail_after = 0
    for _ in range(3):
        desk.jobs.poll()
    assert caplog.messages.count("poll_failed") == 1
    assert desk.sample("syncd_polls_total", kind="full", result="error") == 3
    desk.shop.fail_after = None
    desk.jobs.reconcile()
    assert "source_recovered" in caplog.messages


def test_missing_orders_are_logged_once_as_an_error(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Each such poll counts as an error and wakes delivery, for it may have found changes."""
    caplog.set_level(logging.INFO)
    desk.shop.follows = False
    for number in range(12):
        desk.shop.put(f"{number:02d}", "new")
    desk.jobs.poll()
    gone = {f"{number:02d}": desk.shop.rows.pop(f"{number:02d}") for number in range(11)}
    for _ in range(3):
        desk.jobs.poll()
    assert caplog.messages.count("orders_missing") == 1
    assert desk.sample("syncd_polls_total", kind="full", result="error") == 3
    assert len(desk.staged) == 4
    desk.shop.rows.update(gone)
    desk.jobs.poll()
    assert caplog.messages[-2:] == ["orders_missing_over", "polled"]


def test_missing_orders_stay_reported_after_a_cursor_poll(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for number in range(12):
        desk.shop.put(f"{number:02d}", "new")
    desk.jobs.poll()
    for number in range(11):
        del desk.shop.rows[f"{number:02d}"]
    desk.jobs.reconcile()
    desk.jobs.poll()
    assert "orders_missing_over" not in caplog.messages


def test_unexpected_error_is_logged_once_and_polling_continues(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Its traceback is logged, and the next tick runs."""
    desk.shop.put("1", "new")
    desk.shop.rows["1"] = ("1",)
    desk.jobs.poll()
    assert caplog.messages == ["job_crashed"]
    assert "IndexError" in caplog.text
    assert desk.sample("syncd_job_errors_total", job="poll") == 1
    assert desk.sample("syncd_polls_total", kind="full", result="error") == 1
    desk.shop.put("1", "new")
    desk.jobs.poll()
    assert desk.sample("syncd_polls_total", kind="full", result="ok") == 1


def test_only_polling_that_stops_counts_as_stuck(desk: Desk) -> None:
    """A long interval between full compares does not."""
    desk.jobs.poll()
    desk.jobs.reconcile()
    desk.clock[0] = 30 + QUIET_SECONDS
    assert desk.jobs.pulses.stuck() == {}
    desk.clock[0] += 1
    assert desk.jobs.pulses.stuck() == {"poll": 1}


def test_a_baseline_is_loud(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.shop.put("1", "new")
    desk.jobs.poll()
    desk.jobs.poll()
    assert caplog.messages == ["baseline_taken"]


def test_poll_abandoned_at_shutdown_is_no_error(
    memory: State, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def stop(_rows: int) -> None:
        raise StopError

    desk = made(memory, tmp_path, stop)
    desk.shop.put("1", "new")
    desk.jobs.poll()
    assert caplog.messages == ["job_abandoned"]
    assert desk.sample("syncd_job_errors_total", job="poll") == 0


def test_a_daemon_that_does_not_lead_does_nothing(memory: State, tmp_path: Path) -> None:
    desk = made(memory, tmp_path, leads=False)
    desk.shop.put("1", "new")
    desk.jobs.poll()
    desk.jobs.housekeep()
    assert (memory.polls.tracked(), desk.staged) == (0, [])


def test_daemon_leaves_polling_to_a_command_that_polls(
    desk: Desk, memory: State, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    desk.shop.put("1", "new")
    command = memory.poll_lease()
    assert command.acquire()
    desk.jobs.poll()
    assert (memory.polls.tracked(), caplog.messages) == (0, ["poll_left_out"])
    command.release()
    desk.jobs.poll()
    assert memory.polls.tracked() == 1


def test_a_poll_that_fails_leaves_polling_to_others(desk: Desk, memory: State) -> None:
    desk.shop.rows["1"] = ("1",)
    desk.jobs.poll()
    assert memory.poll_lease().holder() is None


def test_housekeeping_gives_up_cancellations_whose_process_is_gone(
    desk: Desk, memory: State, caplog: pytest.LogCaptureFixture
) -> None:
    memory.inbox.receive(CancelRequest("current", "1", None), "token", NOON, NOON)
    desk.jobs.housekeep()
    desk.jobs.housekeep()
    assert [one.state for one in memory.reports.cancellations()] == ["failed"]
    assert [message for message in caplog.messages if message != "pruned"] == ["cancellations_unfinished"]


def test_next_poll_uses_an_edited_statuses_file(desk: Desk, tmp_path: Path) -> None:
    edit(tmp_path, "[new]\nskip = true\n")
    desk.jobs.poll()
    assert desk.jobs.statuses.action("new") == "skip"


def test_unusable_statuses_file_is_logged_and_polling_continues(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit(tmp_path, "[new")
    desk.shop.put("1", "new")
    desk.jobs.poll()
    assert caplog.messages == ["statuses_file_unusable", "baseline_taken"]
    assert desk.sample("syncd_polls_total", kind="full", result="ok") == 1


def test_unwritable_state_is_reported_until_it_can_write(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    observer = desk.jobs.observer
    fail(observer, "poll")
    with observer.writing("poll", proves=False):
        pass
    faults = [observer.state_fault]
    desk.jobs.poll()
    assert [*faults, observer.state_fault] == ["the disk is full", None]
    assert caplog.messages[:2] == ["state_failed", "state_recovered"]


def fail(observer: Observer, writer: Writer) -> None:
    with pytest.raises(StateError), observer.writing(writer):
        raise StateError("the disk is full")


def test_fault_of_delivery_outlasts_a_poll(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A nearly full disk has room for the little that a poll writes."""
    caplog.set_level(logging.INFO)
    observer = desk.jobs.observer
    fail(observer, "delivery")
    desk.jobs.poll()
    faults = [observer.state_fault]
    with observer.writing("delivery"):
        pass
    assert [*faults, observer.state_fault] == ["the disk is full", None]
    assert [name for name in caplog.messages if name.startswith("state_")] == ["state_failed", "state_recovered"]


def test_failing_shop_in_the_state_shows_it_writable(desk: Desk) -> None:
    fail(desk.jobs.observer, "poll")
    desk.shop.fail_after = 0
    desk.jobs.poll()
    assert desk.jobs.observer.state_fault is None


def test_daemon_that_stands_by_has_no_unwritable_state(memory: State, tmp_path: Path) -> None:
    desk = made(memory, tmp_path, leads=False)
    fail(desk.jobs.observer, "poll")
    desk.jobs.poll()
    assert desk.jobs.observer.state_fault is None


def test_a_state_that_fails_a_poll_is_told(desk: Desk, memory: State, caplog: pytest.LogCaptureFixture) -> None:
    memory.store.engine.dispose()
    path = memory.store.engine.url.database
    assert path
    intact = Path(path).read_bytes()
    Path(path).write_bytes(b"no database" * 1000)
    for leftover in ("-wal", "-shm"):
        Path(path + leftover).unlink(missing_ok=True)
    desk.jobs.poll()
    desk.jobs.housekeep()
    assert caplog.messages == ["state_failed", "job_failed"]
    memory.store.engine.dispose()
    Path(path).write_bytes(intact)


def test_finished_changes_are_forgotten_in_time(desk: Desk, memory: State, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk.shop.put("1", "new", NOON)
    desk.jobs.poll()
    desk.shop.put("2", "new", NOON)
    desk.jobs.poll()
    memory.operator.discard([change.id for change in memory.reports.changes()], now=NOON)
    desk.shop.now += timedelta(days=91)
    desk.jobs.housekeep()
    assert list(memory.reports.changes()) == []


def test_clock_set_back_delays_no_due_change(desk: Desk, memory: State) -> None:
    desk.shop.put("1", "new", NOON)
    desk.jobs.poll()
    desk.shop.put("2", "new", NOON)
    desk.jobs.poll()
    desk.shop.now -= timedelta(hours=1)
    assert memory.outbox.record_and_claim([], 1, None, desk.shop.now) == []
    desk.jobs.make_all_due()
    assert [push.order_id for push in memory.outbox.record_and_claim([], 1, None, desk.shop.now)] == ["2"]


def edit(folder: Path, text: str) -> None:
    path = folder / "statuses.toml"
    path.write_text(text)
    later = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(later, later))
