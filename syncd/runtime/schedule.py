"""When the daemon's jobs run: by the wall clock, also after it was set.

APScheduler asks a trigger for each run between the last one and the present, and keeps the list until `coalesce` drops
it. If a clock goes from 2000 to today, as on a machine without a battery once NTP has answered, the list would hold a
run for each half minute in between, made under the lock that stopping needs too. The triggers here count from the
present, so missed runs are never listed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from syncd.logs import fields
from syncd.runtime.health import ClockWatch
from syncd.runtime.jobs import Jobs
from syncd.settings import cron
from syncd.settings.settings import PollSettings

HOUSEKEEPING_EVERY = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)

log = logging.getLogger("syncd")


class _OneWorker(BasePoolExecutor):  # type: ignore[misc]  # APScheduler has no types
    """One job at a time. Its thread is started at once, so that a system that refuses it is noticed at the start."""

    def __init__(self) -> None:
        pool = ThreadPoolExecutor(1, thread_name_prefix="jobs")
        pool.submit(int)
        super().__init__(pool)


class Every(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Runs at equal intervals. After a gap the next run is one interval from now."""

    def __init__(self, interval: timedelta) -> None:
        self._interval = interval

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The first time after `now`. Both times and the result are aware."""
        regular = (previous_fire_time or now) + self._interval
        return regular if regular > now else now + self._interval


class OnCron(BaseTrigger):  # type: ignore[misc]  # as above
    """Runs on a cron line, in the machine's time zone. Runs missed in a gap are made up for by one run."""

    def __init__(self, line: str) -> None:
        self._together = cron.triggers(line, cron.machine_zone())

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first time after `now`. None: there is none."""
        return cron.next_time(self._together, now + MOMENT if previous_fire_time else now)


class Schedule:
    """The schedule of one daemon. Call `follow_clock` often, from one thread."""

    def __init__(
        self, jobs: Jobs, poll: PollSettings, clock: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        self._jobs = jobs
        self._poll = poll
        self._clock = clock
        self._watch = ClockWatch(clock, monotonic)
        # A late run is coalesced and never dropped: without a grace time of None, APScheduler forgets a run that starts
        # more than a second late.
        self._scheduler = BackgroundScheduler(
            timezone=cron.machine_zone(),
            executors={"default": _OneWorker()},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 2},
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Jobs run within the context. A job that runs at its end is not waited for."""
        self._set_times()
        self._jobs.expect_poll()
        self._scheduler.start()
        try:
            yield
        finally:
            self._scheduler.shutdown(wait=False)

    def poll_now(self) -> None:
        """Poll now; later polls follow at the interval from now on."""
        self._put("poll", self._jobs.poll, Every(self._poll.interval), self._clock())

    def take_over(self, until: datetime) -> None:
        """Have `Jobs.take_over` run once, as soon as no other job runs."""
        self._put("takeover", partial(self._jobs.take_over, until), None, self._clock())

    def follow_clock(self) -> None:
        """Schedule all jobs anew if the clock was set. After a step back no job would run until the clock shows again
        what it showed before; after a step ahead the scheduler would sleep for up to an interval."""
        step = self._watch.step()
        if not step:
            return
        event = "clock_set_back" if step < timedelta() else "clock_set_forward"
        log.warning(event, extra=fields(seconds=round(step.total_seconds()), do="nothing: all jobs are scheduled anew"))
        self._set_times()
        if step < timedelta():
            self._put("hastening", self._jobs.make_all_due, None, self._clock())

    def _set_times(self) -> None:
        """Give each job its next time by the present clock."""
        now = self._clock()
        self._put("poll", self._jobs.poll, Every(self._poll.interval), now)
        if self._poll.reconcile:
            on_cron = OnCron(self._poll.reconcile)
            self._put("reconcile", self._jobs.reconcile, on_cron, on_cron.get_next_fire_time(None, now.astimezone()))
        self._put("housekeeping", self._jobs.housekeep, Every(HOUSEKEEPING_EVERY), now + HOUSEKEEPING_EVERY / 60)

    def _put(self, name: str, job: Callable[[], None], trigger: BaseTrigger | None, at: datetime | None) -> None:
        """`trigger` None: run once."""
        self._scheduler.add_job(job, trigger, id=name, next_run_time=at, replace_existing=True)
