"""What the doctor says: findings, each with advice unless it is ok; and checks, which make findings within a time
limit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from syncd.deadline import DeadlineError, ThreadError, iterate_within
from syncd.errors import SyncdError

log = logging.getLogger("syncd")

Area: TypeAlias = Literal["settings", "source", "state", "imshop", "http", "cancel", "notify"]
Level: TypeAlias = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` is what was found, without any secret; `advice` is what to do. `ok` needs no advice, and neither does the
    text of a SyncdError, which has its own.

    A warning should be looked at; with a fault, statuses do not reach buyers.
    """

    area: Area
    level: Level
    text: str
    advice: str | None = None


def ok(area: Area, text: str) -> Finding:
    return Finding(area, "ok", text)


def warning(area: Area, text: str, advice: str) -> Finding:
    return Finding(area, "warning", text, advice)


def fault(area: Area, text: str, advice: str | None = None) -> Finding:
    return Finding(area, "fault", text, advice)


@dataclass(frozen=True, slots=True)
class Check:
    """`question` is what it finds out. `seconds`: its time limit, if it needs more than the others; the limit starts
    again whenever the value of `progress` changes."""

    area: Area
    question: str
    run: Callable[[], Iterator[Finding]]
    seconds: float = 0.0
    progress: Callable[[], object] = lambda: None


def run_check(check: Check, seconds: float) -> Iterator[Finding]:
    """Yield the check's findings as it makes them, and a fault if it fails or a step takes longer than `seconds`.

    It runs in a thread of its own, which is abandoned when the time is up: a driver's call cannot be interrupted.
    """
    seconds = max(seconds, check.seconds)
    try:
        yield from iterate_within(check.run, seconds, f"check-{check.area}", check.progress)
    except DeadlineError:
        advice = "Check whether the server that is asked is locked or overloaded"
        yield fault(check.area, f"{check.question} No answer within {seconds:g} s", advice)
    except ThreadError as error:
        yield fault(check.area, f"{check.question} {error}")
    except SyncdError as error:
        yield fault(check.area, str(error))
    except Exception as error:  # the boundary: one check that fails must not prevent the others
        log.exception("check_crashed")
        what = f"{check.question} Unexpected error ({type(error).__name__}); the log has its traceback"
        yield fault(check.area, what, "Please report it")
