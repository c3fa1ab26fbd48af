"""When a push that did not succeed is tried again, and when it is given up.

Pure: attempt, error and now in, the next attempt out. The table in docs/behaviour.md is held to this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from syncd.errors import PushError
from syncd.model import Push

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=10)
DOUBLINGS = 9
"""After so many doublings the delay is LONGEST_DELAY."""
REFUSAL_DELAYS = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=40))
"""An explicit refusal is tried again three times within an hour (an order may reach the shop before it reaches
IMSHOP), then it is final."""
FIRST_PROBE = timedelta(seconds=1)
LONGEST_PROBE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Next:
    """What follows a failed attempt: what it counts as, what the change is from now on, and when it is tried again."""

    result: Literal["retry", "refused", "dead", "paused"]
    state: Literal["pending", "refused", "dead"]
    at: datetime | None = None


def after_failure(
    push: Push, error: PushError, now: datetime, give_up_after: timedelta, rng: Random, *, probe: bool = False
) -> Next:
    """Decide what follows a failed push. `probe`: it was sent while delivery was paused, to see whether it still is.

    A change is given up `give_up_after` its first failed attempt, not after its detection, so that a pause of delivery
    ends no change. The time since then counts up to the sum of the longest delays between so many attempts: more of it
    is a pause, a time when no daemon ran, or a clock that was set.
    """
    if error.pauses_delivery or (probe and not error.answered):
        return Next("paused", "pending", now)
    if error.refused:
        if push.refusals >= len(REFUSAL_DELAYS):
            return Next("refused", "refused")
        return Next("retry", "pending", now + REFUSAL_DELAYS[push.refusals])
    failing_for = now - (push.failing_since or now)
    if min(failing_for, _longest_between(push.attempts, error.retry_after)) >= give_up_after:
        return Next("dead", "dead")
    return Next("retry", "pending", now + _delay(push.attempts, error.retry_after, rng))


def probe_after(failed_probes: int, rng: Random) -> timedelta:
    """How long to wait before the next probe of a paused endpoint: growing, at most 30 s, half of it jitter."""
    longest = min(LONGEST_PROBE, FIRST_PROBE * _doubled(failed_probes))
    return longest * rng.uniform(0.5, 1.0)


def _delay(attempts: int, retry_after: float | None, rng: Random) -> timedelta:
    """Exponential with full jitter, so that changes that failed together are not tried again together. A Retry-After
    is kept to: then the jitter is added to it."""
    longest = _longest_delay(attempts)
    if retry_after is None:
        return longest * rng.random()
    return timedelta(seconds=retry_after) + min(longest, timedelta(seconds=retry_after / 10)) * rng.random()


def _longest_delay(attempts: int) -> timedelta:
    return min(LONGEST_DELAY, FIRST_DELAY * _doubled(attempts))


def _longest_between(attempts: int, retry_after: float | None) -> timedelta:
    """The longest time from the first of so many failed attempts to the next one, if each answer asked for the same
    Retry-After."""
    asked = timedelta(seconds=retry_after or 0)
    growing = min(attempts, DOUBLINGS)
    grown = sum((max(asked, _longest_delay(attempt)) for attempt in range(growing)), timedelta())
    return grown + (attempts - growing) * max(asked, LONGEST_DELAY)


def _doubled(times: int) -> int:
    return 1 << min(times, 20)
