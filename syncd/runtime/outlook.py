"""What is known of how polling and delivery go, gathered for `syncd.verdict` from state, settings and daemon.

`situation` is of every process that reads the state; `Outlook` is of the daemon, which knows of its own faults too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from syncd.deadline import BoundedCalls, DeadlineError, ThreadError
from syncd.errors import StateError
from syncd.pipeline.statuses_file import Statuses, StatusesFile
from syncd.reasons import Verdict
from syncd.runtime import composition
from syncd.runtime.health import STUCK, Pulses, faults_of_daemon
from syncd.runtime.settings_mark import has_other_settings
from syncd.settings import Settings
from syncd.state import Lease, State
from syncd.verdict import Situation, judge

LOOK_SECONDS = 5.0  # a person waits for the page
READS_AT_ONCE = 4
"""Of the server's threads. If the state does not answer, these wait, and the others go on answering."""
PATIENCE_SECONDS = 1.0
SHORT_SECONDS = 1.0
"""For the main thread; and for who leads, so that a scrape, which asks for all, ends within Prometheus's 10 s."""

T = TypeVar("T")


def situation(settings: Settings, state: State, statuses: Statuses) -> Situation:
    """What the state and the settings say. StateError: the state cannot be read."""
    return Situation(
        state.reports.summary(),
        state.reports.recent(),
        file_fault=state.file_fault(),
        interval=settings.poll.interval,
        statuses=statuses,
        statuses_file=str(settings.statuses.file or "SYNCD_STATUSES__FILE"),
    )


def known_beside_daemon(settings: Settings, state: State) -> Situation:
    """What a command knows, beside a daemon or without one, which is asked for its faults if it serves on this machine.
    Nothing is written, and no writer waited for. StateError: the state cannot be read."""
    known = situation(settings, state, StatusesFile(settings.statuses.file).now)
    lease = state.lease()
    is_run = lease.holder() is not None
    other_settings = is_run and has_other_settings(settings, state)
    bind = settings.http.bind
    return replace(
        known,
        is_run=is_run,
        state_fault=lease.holders_fault(),
        faults=(faults_of_daemon(bind) if is_run and bind else None) or (),
        other_settings=other_settings,
    )


class Outlook:
    """How the work of this daemon goes. Thread-safe.

    pulses      of its threads
    unwritable  why the state cannot be written
    """

    def __init__(
        self,
        settings: Settings,
        state: State,
        lease: Lease,
        statuses: Callable[[], Statuses],
        pulses: Pulses,
        unwritable: Callable[[], str | None],
    ) -> None:
        self._settings = settings
        self._state = state
        self._lease = lease
        self._statuses = statuses
        self._pulses = pulses
        self._unwritable = unwritable
        self._read = StateReads(state.place, LOOK_SECONDS)
        self._ask = StateReads(state.place, SHORT_SECONDS)

    def known(self) -> Situation:
        """StateError: the state cannot be read. It may take as long as the state takes."""
        known = situation(self._settings, self._state, self._statuses())
        instead = None if self._lease.held() else who_leads(self._lease)
        return self._with_own(replace(known, stands_by=instead))

    def situation(self, *, patient: bool = True) -> Situation:
        """Ends in time and never fails: that the state cannot be read is part of what is known."""
        try:
            return (self._read if patient else self._ask)(self.known)
        except StateError as error:
            return self._with_own(Situation(None, state_fault=str(error)))

    def verdict(self, *, patient: bool = True) -> Verdict:
        return judge(self.situation(patient=patient), composition.now())

    def leads(self) -> bool:
        """Whether this daemon leads; not, if that cannot be asked."""
        try:
            return self._ask(self._lease.held)
        except StateError:
            return False

    def _with_own(self, known: Situation) -> Situation:
        stuck = [f"{STUCK}{thread}, overdue by {late:.0f} s" for thread, late in self._pulses.stuck().items()]
        return replace(known, state_fault=known.state_fault or self._unwritable(), faults=stuck)


class StateReads:
    """Reads the state within a limit of time, whatever the state's server does."""

    def __init__(self, place: str, seconds: float) -> None:
        self._place = place
        self._calls = BoundedCalls(
            seconds, at_most=READS_AT_ONCE, patience=min(seconds, PATIENCE_SECONDS), name="state-read"
        )

    def __call__(self, read: Callable[[], T]) -> T:
        """The result of `read`. StateError: it failed, or took too long."""
        try:
            return self._calls(read)
        except DeadlineError:
            raise StateError(
                f"the state {self._place} cannot be reached: no answer within {self._calls.seconds:g} s; "
                "check that its server runs and that this machine can reach it"
            ) from None
        except ThreadError as error:
            raise StateError(str(error)) from None


def who_leads(lease: Lease) -> str:
    """What a daemon that does not lead says of the one that does."""
    return f"{lease.last_holder() or 'another daemon'} polls and pushes"
