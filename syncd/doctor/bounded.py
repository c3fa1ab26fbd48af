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
    """`question` is what it finds out, in a person's words."""

    area: Area
    question: str
    run: Callable[[], Iterator[Finding]]


def bounded(check: Check, seconds: float) -> Iterator[Finding]:
    """The check's findings as it makes them, and one more if it fails or takes longer than `seconds`.

    It runs in a thread of its own, which is left behind when time is up: a driver's call cannot be interrupted.
    """
    found: SimpleQueue[Finding | None] = SimpleQueue()
    try:
        start_thread(lambda: _run(check, found), f"check-{check.area}")
    except ThreadError as error:
        yield fault(check.area, f"{check.question} {error}")
        return
    ends_at = monotonic() + seconds
    try:
        while (finding := found.get(timeout=max(0.0, ends_at - monotonic()))) is not None:
            yield finding
    except Empty:
        advice = "See whether what is asked there is locked or overloaded"
        yield fault(check.area, f"{check.question} No answer within {seconds:g} s", advice)


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
