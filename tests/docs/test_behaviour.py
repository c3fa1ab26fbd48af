"""docs/behaviour.md says what the code does with IMSHOP's replies, and what a change can be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from syncd.errors import PushError
from syncd.imshop.replies import MEANINGS, ReplyMeaning
from syncd.model import CHANGE_STATES
from syncd.pipeline.backoff import FIRST_DELAY, LONGEST_DELAY, LONGEST_PROBE, after_failure
from syncd.pipeline.circuit_breaker import PAUSE_REASONS, CircuitBreaker
from tests.docs.documents import DOCS, named, prose, rows
from tests.made import NOON, push

PAGE = DOCS / "behaviour.md"
GIVE_UP_AFTER = timedelta(hours=24)


def test_each_state_of_a_change_is_explained() -> None:
    assert named(PAGE, "state") == list(CHANGE_STATES)


def test_each_reply_is_listed_with_what_follows() -> None:
    """The table is made from MEANINGS and from what backoff and circuit breaker do with them."""
    assert rows(PAGE, "IMSHOP's reply") == [[meaning.when, *consequences(meaning)] for meaning in MEANINGS]


def consequences(meaning: ReplyMeaning) -> list[str]:
    """What becomes of the change, whether it was applied, and whether delivery flows."""
    if meaning is MEANINGS[0]:
        return ["`delivered`", "yes", "flows"]
    error = meaning.error(500, host="", why="", flaw="", quote="")
    return [fate(error), "perhaps" if error.in_doubt else "no", delivery(error)]


def fate(error: PushError) -> str:
    """What comes of a change that gets the same reply each time."""
    ends = after_failure(
        replace(push(), attempts=1000, failing_since=NOON), error, NOON + GIVE_UP_AFTER, GIVE_UP_AFTER, Random(1)
    )
    if ends.result == "paused":
        return "waits, no attempt is used up"
    if ends.result == "dead":
        return "tried again, in the end `dead`"
    nexts = [
        after_failure(replace(push(), refusals=refusals), error, NOON, GIVE_UP_AFTER, Random(1))
        for refusals in range(4)
    ]
    first, second, third = (int((then.at - NOON) / timedelta(minutes=1)) for then in nexts if then.at)
    return f"tried again after {first}, {second} and {third} minutes, then `{nexts[-1].state}`"


def delivery(error: PushError) -> str:
    """Whether delivery goes on when one order after the other gets this reply."""
    breaker = CircuitBreaker(Random(1))
    for count in range(1, 20):
        breaker.failed(f"order {count}", error, NOON)
        if breaker.pause:
            paused = f"paused: `{breaker.pause.reason}`"
            return paused if count == 1 else f"flows; after {count} such orders and no answer {paused}"
    return "flows"


@pytest.mark.parametrize("reason", PAUSE_REASONS)
def test_each_reason_to_pause_is_listed(reason: str) -> None:
    assert any(f"paused: `{reason}`" in row[-1] for row in rows(PAGE, "IMSHOP's reply"))


def test_times_of_retries_and_probes_are_true() -> None:
    bounds = (
        f"within {FIRST_DELAY.seconds} s, then within twice as long each time, at most {LONGEST_DELAY.seconds // 60}"
    )

    assert bounds in prose(PAGE)
    assert f"intervals of at most {LONGEST_PROBE.seconds} s" in prose(PAGE)
