"""One event a line, bounded, and never a secret."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd import logs
from syncd.logs import AT_ONCE, LONGEST_VALUE, SECONDS_FOR_ANOTHER, fields
from syncd.model import Answer, Outcome
from syncd.pipeline.staging import PollResult
from syncd.pipeline.statuses_file import Statuses
from syncd.runtime.observer import Observer
from tests.made import NOON, push


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def out(clock: Clock) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("json", "info", lambda line: line.replace("s3cret", "***"), clock, stream)
    yield stream
    root.handlers[:], root.level = before, level


def events(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_event_is_one_json_line_with_its_fields(out: io.StringIO) -> None:
    logging.getLogger("syncd").info("pushed", extra=fields(order_id="00000007", lag=0.5, nothing=None))
    [event] = events(out)
    assert event.pop("time").endswith("+00:00")
    assert event == {"level": "info", "event": "pushed", "order_id": "00000007", "lag": 0.5}


def test_secret_shows_nowhere_even_in_a_traceback(out: io.StringIO) -> None:
    try:
        int("mysql://shop:s3cret@db/shop")
    except ValueError:
        logging.getLogger("syncd").exception("job_crashed", extra=fields(error="s3cret"))
    assert "s3cret" not in out.getvalue()
    assert "Traceback" in events(out)[0]["traceback"]


def test_what_stays_broken_does_not_fill_the_disk(out: io.StringIO, clock: Clock) -> None:
    for _ in range(AT_ONCE + 30):
        logging.getLogger("syncd").warning("push_failed")
    logging.getLogger("syncd").info("polled")
    assert len(events(out)) == AT_ONCE + 1
    clock.now = SECONDS_FOR_ANOTHER + 1
    logging.getLogger("syncd").warning("push_failed", extra=fields(order_id="1"))
    assert events(out)[-1]["kept_back"] == 30


def test_a_day_in_which_everything_fails_stays_under_a_megabyte(out: io.StringIO, clock: Clock) -> None:
    error = "IMSHOP refused the change (HTTP 200): " + "no such order " * 10
    log = logging.getLogger("syncd")
    for second in range(0, 86_400, 10):
        clock.now = second
        log.warning("push_failed", extra=fields(order_id="05671891", status="packed", error=error))
        log.error("change_refused", extra=fields(order_id="05671891", status="packed", error=error))
    assert 500_000 < len(out.getvalue()) < 1_000_000


def test_a_day_of_crashes_stays_under_a_megabyte(out: io.StringIO, clock: Clock) -> None:
    """Each with its traceback, and a foreign text as long as any."""
    log = logging.getLogger("syncd")

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        raise ValueError("ошибка " * 1000)

    for second in range(0, 86_400, 30):
        clock.now = second
        try:
            deep(20)
        except ValueError as error:
            log.exception("job_crashed", extra=fields(job="poll", error=str(error)))
    assert len(out.getvalue().encode()) < 1_000_000
    assert len(events(out)) > 24
    assert sum(event.get("kept_back", 0) + 1 for event in events(out)) > 2500


def test_an_event_may_be_about_nothing(out: io.StringIO) -> None:
    logging.getLogger("syncd").info("stopped")
    assert events(out)[0]["event"] == "stopped"


def test_less_than_the_level_is_not_logged(out: io.StringIO) -> None:
    logging.getLogger("syncd").debug("pruned")
    assert events(out) == []


def test_a_value_of_any_length_is_cut(out: io.StringIO) -> None:
    logging.getLogger("syncd").info("row_skipped", extra=fields(detail="x" * 10_000))
    assert len(events(out)[0]["detail"]) == LONGEST_VALUE


def test_a_line_for_people_is_one_line(out: io.StringIO, clock: Clock) -> None:
    logs.configure("console", "info", str, clock, out)
    logging.getLogger("syncd").warning("push_failed", extra=fields(order_id="7", error="no\nanswer"))
    [line] = out.getvalue().splitlines()
    assert line.endswith("warning  push_failed  order_id=7  error='no answer'")


def test_control_characters_do_not_reach_the_log(out: io.StringIO, clock: Clock) -> None:
    for form in ("json", "console"):
        logs.configure(form, "info", str, clock, out)
        logging.getLogger("syncd").info("pushed", extra=fields(status="\u202egnp\x9b31m"))
    as_json, as_console = out.getvalue().splitlines()
    assert r"\u202egnp\u009b31m" in as_json
    assert "\ufffdgnp\ufffd31m" in as_console


def test_default_format_is_json_without_a_terminal(out: io.StringIO, clock: Clock) -> None:
    logs.configure(None, "info", str, clock, out)
    logging.getLogger("syncd").info("started")
    assert events(out)[0]["event"] == "started"


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("no user 79161234567 here", "no user *** here"),
        ("phone=+7 (916) 123-45-67, try again", "phone=***, try again"),
        ("8-916-123-45-67", "***"),
        ("+375 29 123 45 67", "***"),
        ("at 2026-11-23 12:00:00.123456, order 00104201, HTTP 502", None),
        ("lag 7123456789.5, id 791612345678901234", None),
    ],
)
def test_phone_number_in_foreign_text_is_masked(out: io.StringIO, said: str, logged: str | None) -> None:
    logging.getLogger("syncd").warning("push_failed", extra=fields(order_id="79161234567", error=said))
    assert (events(out)[0]["error"], events(out)[0]["order_id"]) == (logged or said, "79161234567")


def test_busy_day_logs_less_than_a_megabyte(out: io.StringIO, clock: Clock) -> None:
    """It is a day without faults."""
    observer = Observer(None, Statuses)
    taken = Outcome(
        replace(push(), source_updated_at=NOON),
        "delivered",
        "delivered",
        NOON,
        NOON + timedelta(seconds=12.345),
        answer=Answer(200, "7", None, "packed", "ready_for_pickup", None),
    )
    for poll in range(2880):
        clock.now = poll * 30.0
        result = PollResult("incremental", rows=1234, found=Counter({"cursor": 5, "lookback": 1}))
        observer.polled(result, 0.123)
        for _ in range(6):
            observer.pushed(taken)
    assert len(out.getvalue().encode()) < 1_000_000
    assert sum(event.get("kept_back", 0) + 1 for event in events(out) if event["event"] == "pushed") > 17_000
