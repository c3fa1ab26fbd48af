"""A call that ends in time, or is left behind in a thread of its own: no driver and no resolver can be interrupted."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread
from time import monotonic
from typing import TypeVar

from syncd.errors import SyncdError

T = TypeVar("T")


class ThreadError(SyncdError):
    """The system lets this process start no more threads."""


class BusyError(TimeoutError):
    """As many calls as may be are under way already, so this one was not begun."""


def start_thread(work: Callable[[], object], name: str) -> None:
    """Have a thread do it that the process does not wait for at its end. ThreadError."""
    try:
        Thread(target=work, name=name, daemon=True).start()
    except RuntimeError:
        raise ThreadError(no_thread()) from None


def no_thread() -> str:
    return (
        "the system lets syncd start no more threads; raise TasksMax= of its unit (or ulimit -u), or lower "
        "SYNCD_IMSHOP__CONCURRENCY"
    )


def wait_for(call: Callable[[], T], seconds: float, name: str) -> T:
    """What `call` returns or raises, in a thread of its own. TimeoutError: it takes longer, and is left to itself.
    ThreadError."""
    done: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            done.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - raised again where the call is waited for
            done.put((None, error))

    start_thread(work, name)
    try:
        result, fault = done.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if fault is not None:
        raise fault
    return result  # type: ignore[return-value]  # there is one where there is no error


class Bounded:
    """Calls of one kind: each is waited for `seconds` at most, unless it says otherwise, and no more than `at_most` are
    under way at a time, with those that nobody waits for any more. Whoever comes then waits `patience` seconds for one
    to end. Thread-safe."""

    def __init__(self, seconds: float, *, at_most: int, patience: float, name: str) -> None:
        self.seconds = seconds
        self._patience = patience
        self._name = name
        self._places = BoundedSemaphore(at_most)

    def __call__(self, call: Callable[[], T], seconds: float | None = None) -> T:
        """What `call` returns or raises. TimeoutError: it takes too long; BusyError: others do. ThreadError."""
        ends_at = monotonic() + (self.seconds if seconds is None else seconds)
        if not self._places.acquire(timeout=min(self._patience, max(0.0, ends_at - monotonic()))):
            raise BusyError

        def placed() -> T:
            try:
                return call()
            finally:
                self._places.release()

        try:
            return wait_for(placed, max(0.0, ends_at - monotonic()), self._name)
        except ThreadError:
            self._places.release()
            raise
