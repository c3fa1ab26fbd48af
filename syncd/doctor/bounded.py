"""A check that ends: by itself, by an error that becomes a finding, or because its time is up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic

from syncd.bounded import ThreadError, start_thread
from syncd.doctor.finding import Area, Finding, fault
from syncd.errors import SyncdError

log = logging.getLogger("syncd")


@dataclass(frozen=True, slots=True)
class Check:
    """`question` is what it finds out, in a person's words. `seconds`: the time that it needs, where that is more than
    others have; `progress`: changes with each step of it, and the time is counted anew from there."""

    area: Area
    question: str
    run: Callable[[], Iterator[Finding]]
    seconds: float = 0.0
    progress: Callable[[], object] = lambda: None


def bounded(check: Check, seconds: float) -> Iterator[Finding]:
    """The check's findings as it makes them, and one more if it fails or a step of it takes longer than `seconds`.

    It runs in a thread of its own, which is left behind when time is up: a driver's call cannot be interrupted.
    """
    found: SimpleQueue[Finding | None] = SimpleQueue()
    try:
        start_thread(lambda: _run(check, found), f"check-{check.area}")
    except ThreadError as error:
        yield fault(check.area, f"{check.question} {error}")
        return
    seconds = max(seconds, check.seconds)
    step, ends_at = check.progress(), monotonic() + seconds
    while True:
        try:
            finding = found.get(timeout=max(0.0, ends_at - monotonic()))
        except Empty:
            if check.progress() != step:
                step, ends_at = check.progress(), monotonic() + seconds
                continue
            advice = "See whether what is asked there is locked or overloaded"
            yield fault(check.area, f"{check.question} No answer within {seconds:g} s", advice)
            return
        if finding is None:
            return
        yield finding


def _run(check: Check, found: SimpleQueue[Finding | None]) -> None:
    try:
        for finding in check.run():
            found.put(finding)
    except SyncdError as error:
        found.put(fault(check.area, str(error)))
    except Exception as error:  # the boundary: one check that fails must not keep the others from being made
        log.exception("check_crashed")
        what = f"{check.question} That failed in a way nobody foresaw ({type(error).__name__})"
        found.put(fault(check.area, what, "Please report it"))
    found.put(None)
