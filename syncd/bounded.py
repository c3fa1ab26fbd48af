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


class Bounded:
    """Calls of one kind: each is waited for `seconds` at most, and no more than `at_most` are under way at a time, with
    those that nobody waits for any more. Whoever comes then waits `patience` seconds for one to end. Thread-safe.
    """

    def __init__(self, seconds: float, *, at_most: int, patience: float, name: str) -> None:
        self.seconds = seconds
        self._patience = patience
        self._name = name
        self._places = BoundedSemaphore(at_most)

    def __call__(self, call: Callable[[], T]) -> T:
        """What `call` returns or raises. TimeoutError: it takes too long; BusyError: others do. ThreadError."""
        ends_at = monotonic() + self.seconds
        if not self._places.acquire(timeout=self._patience):
            raise BusyError
        done: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

        def work() -> None:
            result, fault = None, None
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - raised again where the call is waited for
                fault = error
            self._places.release()
            done.put((result, fault))

        try:
            start_thread(work, self._name)
        except ThreadError:
            self._places.release()
            raise
        try:
            result, fault = done.get(timeout=max(0.0, ends_at - monotonic()))
        except Empty:
            raise TimeoutError from None
        if fault is not None:
            raise fault
        return result  # type: ignore[return-value]  # there is one where there is no error
