"""Pausing delivery, probing, and resuming it."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from syncd.errors import PushError
from syncd.pipeline.circuit_breaker import SUSPECT_AFTER, CircuitBreaker
from tests.made import NOON

UNAUTHORIZED = PushError("401", answered=True, pauses_delivery="unauthorized")
BUSY = PushError("503", answered=True, in_doubt=True)
SILENT = PushError("no answer within 10 s", in_doubt=True)


def circuit() -> CircuitBreaker:
    return CircuitBreaker(Random(1))


def test_wrong_key_pauses_at_once_and_says_when() -> None:
    closed = circuit()
    closed.failed("1", UNAUTHORIZED, NOON)
    closed.failed("2", UNAUTHORIZED, NOON + timedelta(seconds=5))
    assert closed.pause is not None
    assert (closed.pause.reason, closed.pause.since) == ("unauthorized", NOON)


def test_any_answer_ends_the_pause() -> None:
    taken, refused = circuit(), circuit()
    for closed in (taken, refused):
        closed.failed("1", UNAUTHORIZED, NOON)
    taken.answered()
    refused.failed("1", BUSY, NOON)
    assert (taken.pause, refused.pause) == (None, None)
    assert taken.may_probe(NOON)


def test_a_busy_endpoint_is_alive() -> None:
    open_ = circuit()
    for number in range(3 * SUSPECT_AFTER):
        open_.failed(str(number), BUSY, NOON)
    assert open_.pause is None


def test_one_order_that_is_never_answered_pauses_nothing() -> None:
    open_ = circuit()
    for _ in range(3 * SUSPECT_AFTER):
        open_.failed("1", SILENT, NOON)
    assert open_.pause is None


def test_many_silent_orders_in_a_row_pause_delivery() -> None:
    closed = circuit()
    for number in range(SUSPECT_AFTER):
        assert closed.pause is None
        closed.failed(str(number), SILENT, NOON)
    assert closed.pause is not None
    assert closed.pause.reason == "no_answer"


def test_an_answer_in_between_clears_the_suspicion() -> None:
    open_ = circuit()
    for number in range(SUSPECT_AFTER - 1):
        open_.failed(str(number), SILENT, NOON)
    open_.answered()
    open_.failed("99", SILENT, NOON)
    assert open_.pause is None


def test_silent_probe_keeps_the_reason_of_the_pause() -> None:
    closed = circuit()
    closed.failed("1", UNAUTHORIZED, NOON)
    closed.failed("2", SILENT, NOON)
    assert closed.pause is not None
    assert (closed.pause.reason, closed.pause.detail) == ("unauthorized", str(SILENT))


def test_probe_intervals_grow_within_half_a_minute() -> None:
    closed, now = circuit(), NOON
    waits = []
    for _ in range(12):
        closed.failed("1", UNAUTHORIZED, now)
        assert not closed.may_probe(now)
        wait = next(seconds for seconds in range(1, 60) if closed.may_probe(now + timedelta(seconds=seconds)))
        waits.append(wait)
        now += timedelta(seconds=wait)
    assert waits[0] == 1
    assert 15 <= waits[-1] <= 30


def test_pushes_in_flight_do_not_delay_the_probe() -> None:
    """They fail after the pause has begun; the first probe comes as early as without them."""
    closed = circuit()
    for number in range(8):
        closed.failed(str(number), UNAUTHORIZED, NOON)
    assert closed.may_probe(NOON + timedelta(seconds=1))


def test_clock_set_back_delays_no_probe() -> None:
    closed = circuit()
    closed.failed("1", UNAUTHORIZED, NOON)
    assert closed.may_probe(NOON - timedelta(hours=1))
