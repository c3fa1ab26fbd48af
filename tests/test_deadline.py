"""A call in a thread of its own: it ends, or is left behind, and never are more than so many."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from threading import Event

import pytest

from syncd.cancel.interface import shop_answer
from syncd.cli import main
from syncd.deadline import (
    BoundedCalls,
    BusyError,
    DeadlineError,
    ThreadError,
    call_within,
    iterate_within,
    start_thread,
)
from syncd.errors import CancelError

PATIENT = 20.0


def bounded(seconds: float = PATIENT, at_most: int = 1) -> BoundedCalls:
    return BoundedCalls(seconds, at_most=at_most, patience=0.01, name="test")


def no_threads(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_it_gives_what_the_call_gives_or_raises() -> None:
    assert bounded()(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        bounded()(lambda: 1 // 0)


def test_a_call_in_time_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    assert call_within(lambda: 7, PATIENT, "test") == 7
    with pytest.raises(ZeroDivisionError):
        call_within(lambda: 1 // 0, PATIENT, "test")
    assert set(threading.enumerate()) == before


def test_timed_out_call_keeps_its_place_while_running() -> None:
    go_on, ended = Event(), Event()

    def hang() -> None:
        go_on.wait(PATIENT)
        ended.set()

    two = bounded(seconds=0.05, at_most=2)
    for _ in range(2):
        with pytest.raises(TimeoutError) as caught:
            two(hang)
        assert not isinstance(caught.value, BusyError)
    with pytest.raises(BusyError):
        two(lambda: 7)
    go_on.set()
    assert ended.wait(PATIENT)
    patient = BoundedCalls(PATIENT, at_most=2, patience=PATIENT, name="test")
    patient._places = two._places
    assert patient(lambda: 7) == 7


def test_failed_thread_start_is_reported_freeing_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = bounded()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_threads)
        with pytest.raises(ThreadError, match="TasksMax="):
            start_thread(print, "test")
        with pytest.raises(ThreadError):
            calls(lambda: 7)
    assert calls(lambda: 7) == 7


def test_at_the_command_line_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(**_: object) -> None:
        no_threads(threading.current_thread())

    monkeypatch.setattr("syncd.cli.commands.syncd", command)
    monkeypatch.setattr("sys.stdout.reconfigure", lambda **_: None, raising=False)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("syncd: the system lets syncd start no more threads; raise TasksMax=")


def test_cancellation_without_a_thread_is_certainly_not_applied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No thread can be started for it, so that the error leaves no doubt."""
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_threads)
        with pytest.raises(CancelError, match="TasksMax=") as caught:
            shop_answer(list, 1)
    assert not caught.value.in_doubt


def test_items_come_as_they_are_made_until_one_fails() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    made = iterate_within(items, PATIENT, "test")
    assert next(made) == 1
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_a_timeout_of_the_call_itself_is_no_deadline() -> None:
    def times_out() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError) as caught:
        call_within(times_out, PATIENT, "test")
    assert not isinstance(caught.value, DeadlineError)
