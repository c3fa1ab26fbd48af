"""One word for whether statuses reach buyers, and what is in the way."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import syncd.web
from syncd.explain import NOT_SHOWN, UNKNOWN
from syncd.model import CHANGE_STATES, Pause
from syncd.notify.conditions import MAY_WAIT, PAUSES
from syncd.pipeline.circuit_breaker import PAUSE_REASONS
from syncd.state import SourceStatus, Summary
from syncd.verdict import SOURCE_MAY_FAIL, judge, unreadable
from syncd.web.translations import RUSSIAN
from tests.made import NOON

WEB = Path(syncd.web.__file__).parent
WELL = Summary(
    tracked=5,
    changes=dict.fromkeys(CHANGE_STATES, 0),
    held={},
    oldest_pending_at=NOON,
    next_due_at=None,
    source=SourceStatus(NOON, NOON, None, 0),
    pause=None,
    last_delivered_at=NOON,
    missing_refused=0,
)


def failing(since: timedelta | None) -> SourceStatus:
    return SourceStatus(NOON, None if since is None else NOON - since, "the shop is gone", 3)


def counts(**changes: int) -> dict[str, Any]:
    return {"changes": {**WELL.changes, **changes}}


@pytest.mark.parametrize(
    ("state", "severity", "reason"),
    [
        ({}, "good", None),
        ({"source": failing(SOURCE_MAY_FAIL / 2)}, "warning", "The shop cannot be read"),
        ({"source": failing(SOURCE_MAY_FAIL)}, "bad", "The shop cannot be read"),
        ({"source": failing(None)}, "bad", "The shop cannot be read"),
        ({"source": SourceStatus(None, None, None, 0)}, "warning", "No poll has ended yet"),
        ({"source": SourceStatus(NOON, NOON - SOURCE_MAY_FAIL, None, 0)}, "warning", "The last poll was long ago"),
        ({"pause": Pause("tls", NOON, "expired")}, "bad", PAUSES["tls"]),
        ({"pause": Pause("unheard of", NOON, "?")}, "bad", "Delivery is paused"),
        ({"oldest_pending_at": NOON - MAY_WAIT / 2}, "good", None),
        ({"oldest_pending_at": NOON - MAY_WAIT}, "warning", "A change has been waiting for a long time"),
        (counts(held=3), "warning", "Held changes wait for your decision: {count}"),
        (counts(dead=3), "warning", "Dead changes, never delivered to IMSHOP: {count}"),
        (counts(refused=3, superseded=9, discarded=1), "good", None),
        ({"cancellations_failed": 2}, "warning", "Cancellations without a decision: {count}"),
        ({"missing_refused": 7}, "warning", "Orders missing from the shop, none of them forgotten: {count}"),
        (
            {"missing_refused": 7, "source": failing(timedelta(0))},
            "warning",
            "Orders missing from the shop, none of them forgotten: {count}",
        ),
        ({"source": failing(timedelta(0))}, "warning", "It is not known whether orders are gone"),
    ],
)
def test_what_is_in_the_way_decides(state: dict[str, Any], severity: str, reason: str | None) -> None:
    verdict = judge(replace(WELL, **state), leads=True, faults=[], now=NOON)
    assert verdict.severity == severity
    assert [found.what for found in verdict.reasons] == ([reason] if reason else [])


def test_old_change_adds_no_reason_to_a_pause() -> None:
    """While delivery is paused, a change that waits long is no further reason."""
    paused = replace(WELL, pause=Pause("tls", NOON, "expired"), oldest_pending_at=NOON - MAY_WAIT)
    assert len(judge(paused, leads=True, faults=[], now=NOON).reasons) == 1


def test_the_worst_stands_first() -> None:
    summary = replace(WELL, **counts(held=1))
    verdict = judge(summary, leads=False, faults=["stuck: poll, overdue by 9 s"], now=NOON)
    assert [reason.severity for reason in verdict.reasons] == ["bad", "warning", "warning"]
    assert verdict.reasons[0].detail == "stuck: poll, overdue by 9 s"


def test_a_state_that_cannot_be_read_is_bad() -> None:
    assert unreadable("locked").severity == "bad"


def test_each_reason_to_pause_has_its_own_words() -> None:
    assert set(PAUSES) == set(PAUSE_REASONS)


def test_phrases_and_translations_match() -> None:
    """Each phrase has a translation, and each translation a phrase."""
    files = [path for path in WEB.rglob("*") if path.suffix in (".html", ".py") and path.name != "translations.py"]
    rooms = [path.read_text(encoding="utf-8") for path in (*files, WEB.parent / "verdict.py")]
    asked = {phrase for room in rooms for phrase in re.findall(r'\b_\("([^"]+)"', room)}
    assert asked <= RUSSIAN.keys()
    said = "".join(rooms) + (WEB / "translations.py").read_text(encoding="utf-8").partition("_UNITS")[2]
    elsewhere = {
        *CHANGE_STATES,
        *PAUSES.values(),
        "retry",
        "paused",
        "unsent",
        "incremental",
        "full",
        NOT_SHOWN,
        UNKNOWN,
    }
    facts = {name for name in RUSSIAN if name[0].islower() or name.startswith("IMSHOP")}
    assert {name for name in RUSSIAN if f'"{name}"' not in said} <= elsewhere | facts


def test_each_reason_can_be_said_in_russian() -> None:
    bad = replace(
        WELL,
        pause=Pause("?", NOON, ""),
        source=failing(None),
        missing_refused=1,
        **counts(held=1, dead=1),
    )
    verdict = judge(bad, leads=False, faults=["x"], now=NOON)
    untold = judge(replace(WELL, source=failing(timedelta(0))), leads=True, faults=[], now=NOON)
    reasons = (*verdict.reasons, *untold.reasons, *unreadable("").reasons)
    said = {text for reason in reasons for text in (reason.what, reason.do) if text}
    assert {*said, *PAUSES.values(), verdict.headline} <= RUSSIAN.keys()
