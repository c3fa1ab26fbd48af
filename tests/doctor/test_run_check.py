"""A check ends, whatever it meets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from threading import Event

import pytest

from syncd.doctor.findings import Check, Finding, ok, run_check
from syncd.errors import SourceError

BOUND = 20.0


def test_findings_come_as_they_are_made() -> None:
    may_go_on = Event()

    def findings() -> Iterator[Finding]:
        yield ok("source", "first")
        assert may_go_on.wait(BOUND)
        yield ok("source", "second")

    found = run_check(Check("source", "Well?", findings), BOUND)
    assert next(found).text == "first"
    may_go_on.set()
    assert [finding.text for finding in found] == ["second"]


def test_hanging_check_keeps_its_earlier_findings() -> None:
    over = Event()

    def findings() -> Iterator[Finding]:
        yield ok("source", "first")
        over.wait(BOUND)

    first, last = run_check(Check("source", "Does it answer?", findings), 0.05)
    over.set()
    assert first.text == "first"
    assert (last.level, last.text) == ("fault", "Does it answer? No answer within 0.05 s")


def test_expected_error_is_a_finding() -> None:
    def findings() -> Iterator[Finding]:
        raise SourceError("the shop is gone; bring it back")

    (finding,) = run_check(Check("source", "Well?", findings), BOUND)
    assert finding == Finding("source", "fault", "the shop is gone; bring it back")


def test_unexpected_error_is_finding_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def findings() -> Iterator[Finding]:
        raise ZeroDivisionError("a secret")

    with caplog.at_level(logging.ERROR):
        (finding,) = run_check(Check("state", "Sound?", findings), BOUND)
    assert finding.text == "Sound? Unexpected error (ZeroDivisionError); the log has its traceback"
    assert [entry.message for entry in caplog.records] == ["check_crashed"]


def test_the_time_is_counted_anew_with_each_step() -> None:
    steps, over = iter(range(4)), Event()

    def findings() -> Iterator[Finding]:
        over.wait(BOUND)
        yield ok("source", "done")

    def progress() -> int:
        """Goes on twice, and comes to an end."""
        step = next(steps, 3)
        if step == 3:
            over.set()
        return step

    (found,) = run_check(Check("source", "Well?", findings, seconds=0.1, progress=progress), 0.01)
    assert found.text == "done"
