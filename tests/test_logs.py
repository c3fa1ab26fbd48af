"""One event a line, bounded, and never a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from syncd import logs
from syncd.logs import EVENTS_A_MINUTE, LONGEST_VALUE, fields


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


def test_an_event_is_one_json_line_with_what_it_is_about(out: io.StringIO) -> None:
    logging.getLogger("syncd").info("pushed", extra=fields(order_id="00000007", lag=0.5, nothing=None))
    [event] = events(out)
    assert event.pop("time").endswith("+00:00")
    assert event == {"level": "info", "event": "pushed", "order_id": "00000007", "lag": 0.5}


def test_a_secret_shows_nowhere_not_even_in_a_traceback(out: io.StringIO) -> None:
    try:
        int("mysql://shop:s3cret@db/shop")
    except ValueError:
        logging.getLogger("syncd").exception("job_crashed", extra=fields(error="s3cret"))
    assert "s3cret" not in out.getvalue()
    assert "Traceback" in events(out)[0]["traceback"]


def test_what_stays_broken_does_not_fill_the_disk(out: io.StringIO, clock: Clock) -> None:
    for _ in range(EVENTS_A_MINUTE + 30):
        logging.getLogger("syncd").warning("push_failed")
    logging.getLogger("syncd").info("polled")
    assert len(events(out)) == EVENTS_A_MINUTE + 1
    clock.now = 61
    logging.getLogger("syncd").warning("push_failed", extra=fields(order_id="1"))
    assert events(out)[-1]["kept_back"] == 30


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


def test_without_a_format_json_is_for_what_is_no_terminal(out: io.StringIO, clock: Clock) -> None:
    logs.configure(None, "info", str, clock, out)
    logging.getLogger("syncd").info("started")
    assert events(out)[0]["event"] == "started"
