"""The daemon's jobs run by the clock as it is now, and no run that was missed is ever listed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from threading import Event
from typing import Any

import pytest
from apscheduler.job import Job
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from hypothesis import given
from hypothesis import strategies as st

from syncd.runtime.health import Pulses
from syncd.runtime.jobs import Jobs
from syncd.runtime.schedule import Every, OnCron, Schedule
from syncd.settings.settings import PollSettings
from syncd.state import State, open_state
from tests.made import NOON

MINUTE = timedelta(minutes=1)
YEARS = timedelta(days=9000)
TRIGGERS = [Every(timedelta(milliseconds=100)), Every(timedelta(hours=24)), OnCron("* * * * *"), OnCron("0 4 * * *")]


@given(st.sampled_from(TRIGGERS), st.timedeltas(-YEARS, timedelta()), st.timedeltas(timedelta(), YEARS))
def test_next_run_is_always_in_the_future(trigger: BaseTrigger, before: timedelta, gap: timedelta) -> None:
    """It does not matter how long ago the last run was."""
    last = NOON + before
    now = last + gap
    assert now < trigger.get_next_fire_time(last, now) <= now + timedelta(hours=25)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_of_many_missed_runs_only_one_is_run(trigger: BaseTrigger) -> None:
    job = BackgroundScheduler().add_job(print, trigger, next_run_time=NOON - YEARS)
    assert isinstance(job, Job)
    assert job._get_run_times(NOON) == [NOON - YEARS]


def test_late_run_does_not_shift_the_interval() -> None:
    assert Every(MINUTE).get_next_fire_time(NOON, NOON + MINUTE / 4) == NOON + MINUTE
    assert Every(MINUTE).get_next_fire_time(NOON, NOON + MINUTE) == NOON + 2 * MINUTE


def test_impossible_cron_line_has_no_next_run() -> None:
    assert OnCron("0 4 30 2 *").get_next_fire_time(NOON, NOON) is None


class Recorder:
    """Stands for Jobs: each job says that it ran."""

    def __init__(self) -> None:
        self.ran = {name: Event() for name in ("poll", "reconcile", "housekeep", "make_all_due", "expect_poll")}
        self.took_over: Queue[datetime] = Queue()

    def __getattr__(self, name: str) -> Callable[[], None]:
        return self.ran[name].set

    def take_over(self, until: datetime) -> None:
        self.took_over.put(until)


@contextmanager
def scheduled(jobs: Any, wall: list[timedelta], ticks: list[float]) -> Iterator[Schedule]:
    """By this machine's clock, set by `wall[0]`."""
    clock = lambda: datetime.now(UTC) + wall[0]  # noqa: E731
    start = datetime.now(UTC)
    passed = lambda: (datetime.now(UTC) - start).total_seconds() + ticks[0]  # noqa: E731
    schedule = Schedule(jobs, PollSettings.model_validate({"interval": "1h"}), clock, passed)
    with schedule.running():
        yield schedule


def test_zone_without_a_name_counts_by_its_offset() -> None:
    """In a process of its own: the zone is looked for once."""
    offset = "from syncd.settings.cron import machine_zone; print(machine_zone().utcoffset(None))"
    ran = subprocess.run([sys.executable, "-c", offset], env={"TZ": "FAR-12"}, stdout=subprocess.PIPE, check=True)
    assert ran.stdout == b"12:00:00\n"


def test_every_job_is_scheduled_the_poll_at_once() -> None:
    jobs = Recorder()
    with scheduled(jobs, [timedelta()], [0.0]) as schedule:
        assert jobs.ran["expect_poll"].is_set()
        assert jobs.ran["poll"].wait(10)
        assert {job.id for job in schedule._scheduler.get_jobs()} == {"poll", "reconcile", "housekeeping"}
        jobs.ran["poll"].clear()
        schedule.follow_clock()
        assert not jobs.ran["poll"].is_set()


def test_new_leader_takes_over_and_polls_at_once() -> None:
    jobs = Recorder()
    with scheduled(jobs, [timedelta()], [0.0]) as schedule:
        assert jobs.ran["poll"].wait(10)
        for _ in range(2):  # it may lose the lead, and gain it again
            jobs.ran["poll"].clear()
            schedule.take_over(NOON)
            schedule.poll_now()
            assert jobs.took_over.get(timeout=10) == NOON
            assert jobs.ran["poll"].wait(10)
        assert {job.id for job in schedule._scheduler.get_jobs()} == {"poll", "reconcile", "housekeeping"}


@pytest.mark.parametrize(("step", "event"), [(-MINUTE, "clock_set_back"), (YEARS, "clock_set_forward")])
def test_clock_step_reschedules_all_jobs(step: timedelta, event: str, caplog: pytest.LogCaptureFixture) -> None:
    jobs, wall = Recorder(), [timedelta()]
    with scheduled(jobs, wall, [0.0]) as schedule:
        assert jobs.ran["poll"].wait(10)
        jobs.ran["poll"].clear()
        wall[0] = step
        schedule.follow_clock()
        assert caplog.messages == [event]
        times = {job.id: job.next_run_time for job in schedule._scheduler.get_jobs()}
        if step < timedelta():  # by this machine's own clock, which the scheduler reads, all is overdue then
            assert all(jobs.ran[name].wait(10) for name in ("poll", "housekeep", "make_all_due"))
        else:
            assert abs(times["poll"] - datetime.now(UTC) - step) < MINUTE / 2
            assert abs(times["housekeeping"] - datetime.now(UTC) - step - MINUTE) < MINUTE / 2
        schedule.follow_clock()
        assert caplog.messages == [event]


def test_what_is_hastened_wakes_delivery(tmp_path: Path) -> None:
    woken = Event()
    with closing(open_state(f"sqlite:///{tmp_path}/syncd.db", redact=str)) as state:
        _jobs(state, woken.set).make_all_due()
    assert woken.is_set()


def _jobs(state: State, staged: Callable[[], None]) -> Jobs:
    unused: Any = None
    return Jobs(
        poller=unused,
        state=state,
        statuses=unused,
        observer=unused,
        metrics=unused,
        pulses=Pulses(lambda: 0.0),
        interval=MINUTE,
        retention=MINUTE,
        clock=lambda: NOON,
        leading=lambda: True,
        polling=state.poll_lease(),
        patience=0.0,
        staged=staged,
        pause=lambda _seconds: False,
    )
