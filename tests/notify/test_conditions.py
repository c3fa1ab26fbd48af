"""Which troubles there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.model import Pause
from syncd.notify.conditions import PAUSES, TROUBLE_KINDS, NoticeLimits, Situation, judge_situation
from syncd.pipeline.circuit_breaker import PAUSE_REASONS
from syncd.state import SourceStatus
from tests.made import NOON
from tests.test_verdict import WELL, counts

LIMITS = NoticeLimits()
DAY = timedelta(days=1)


def kinds(**known: Any) -> list[str]:
    situation = Situation(**{"summary": WELL, "certificate_ends": NOON + 90 * DAY, **known})
    return [trouble.kind for trouble in judge_situation(situation, LIMITS, NOON).found]


def summary(**state: Any) -> dict[str, Any]:
    return {"summary": replace(WELL, **state)}


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ({}, []),
        ({"summary": None}, ["state"]),
        (summary(source=SourceStatus(NOON, NOON - DAY, "gone", 3)), ["source"]),
        (summary(source=SourceStatus(NOON, None, "gone", 1)), ["source"]),
        (summary(source=SourceStatus(NOON, NOON, "orders are missing", 1)), []),
        (summary(source=SourceStatus(None, None, None, 0)), []),
        (summary(pause=Pause("tls", NOON, "expired")), ["paused"]),
        ({"waiting_since": NOON}, ["waiting"]),
        (summary(**counts(held=3), held={"guard": 3}), ["held"]),
        (summary(**counts(held=3), held={"counting": 3}), []),
        (summary(**counts(dead=1)), ["dead"]),
        (summary(**counts(refused=1)), []),
        ({"rows_skipped": 2}, ["skipped"]),
        (summary(cancellations_failed=1), ["cancellations"]),
        ({"certificate_ends": NOON + 13 * DAY}, ["certificate"]),
        ({"certificate_ends": NOON - DAY}, ["certificate"]),
        ({"certificate_ends": NOON + 15 * DAY}, []),
    ],
)
def test_each_trouble_is_found(known: dict[str, Any], found: list[str]) -> None:
    assert kinds(**known) == found


def test_pause_says_why() -> None:
    assert set(PAUSES) == set(PAUSE_REASONS)
    (paused,) = judge_situation(Situation(replace(WELL, pause=Pause("tls", NOON, "x"))), LIMITS, NOON).found
    assert (paused.what, paused.since, paused.lasts) == (PAUSES["tls"], NOON, LIMITS.fault)


def test_unreadable_state_leaves_all_else_unknown() -> None:
    assert judge_situation(Situation(None), LIMITS, NOON).unknown == {*TROUBLE_KINDS} - {"state"}
    assert judge_situation(Situation(WELL), LIMITS, NOON).unknown == {"certificate"}
