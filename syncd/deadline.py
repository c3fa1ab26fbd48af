"""Calls with a deadline. No driver and no resolver can be interrupted, so each call runs in a thread of its own, and
when its time is up the thread is left behind: it ends with the call, and the process does not wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread
from time import monotonic
from typing import TypeVar

from syncd.errors import SyncdError

T = TypeVar("T")


class ThreadError(SyncdError):
    """The system lets this process start no more threads."""


class DeadlineError(TimeoutError):
    """The call is not done in time, and goes on by itself."""


class BusyError(DeadlineError):
    """As many calls as allowed are running already, so this one was not started."""


def start_thread(work: Callable[[], object], name: str) -> Thread:
    """Run `work` in a thread that the process does not wait for at its end. ThreadError."""
    thread = Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        raise ThreadError(no_thread()) from None
    return thread


def no_thread() -> str:
    return (
        "the system lets syncd start no more threads; raise TasksMax= of its unit (or ulimit -u), or lower "
        "SYNCD_IMSHOP__CONCURRENCY"
    )


def call_within(call: Callable[[], T], seconds: float, name: str) -> T:
    """What `call` returns or raises. DeadlineError: it takes longer than `seconds`. ThreadError."""

    def once() -> Iterator[T]:
        yield call()

    return next(iterate_within(once, seconds, name))


def iterate_within(
    items: Callable[[], Iterator[T]], seconds: float, name: str, progress: Callable[[], object] = lambda: None
) -> Iterator[T]:
    """The items as they are made, and what making them raises.

    `progress`: a value that changes with each step of the work. DeadlineError: the work is not done within `seconds`,
    counted anew whenever that time is up and a step was made meanwhile. ThreadError.
    """
    made: SimpleQueue[tuple[list[T], BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            for item in items():
                made.put(([item], None))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            made.put(([], error))
        else:
            made.put(([], None))

    thread = start_thread(work, name)
    step, ends_at = progress(), monotonic() + seconds
    while True:
        try:
            item, error = made.get(timeout=max(0.0, ends_at - monotonic()))
        except Empty:
            if progress() == step:
                raise DeadlineError from None
            step, ends_at = progress(), monotonic() + seconds
            continue
        if item:
            yield item[0]
            continue
        thread.join()  # what it drops last, a pool of connections say, must be gone before Python exits
        if error is not None:
            raise error
        return


class BoundedCalls:
    """Calls of one kind, each with a deadline, and at most `at_most` at a time: those that were left behind count until
    they end. When that many are running, a new call waits `patience` seconds for one of them to end. Thread-safe."""

    def __init__(self, seconds: float, *, at_most: int, patience: float, name: str) -> None:
        self.seconds = seconds
        self._patience = patience
        self._name = name
        self._places = BoundedSemaphore(at_most)

    def __call__(self, call: Callable[[], T], seconds: float | None = None) -> T:
        """What `call` returns or raises. `seconds` replaces the deadline of all calls. DeadlineError: it takes longer;
        BusyError: `at_most` other calls are running; ThreadError."""
        ends_at = monotonic() + (self.seconds if seconds is None else seconds)
        if not self._places.acquire(timeout=min(self._patience, max(0.0, ends_at - monotonic()))):
            raise BusyError

        def placed() -> T:
            try:
                return call()
            finally:
                self._places.release()

        try:
            return call_within(placed, max(0.0, ends_at - monotonic()), self._name)
        except ThreadError:  # `placed` was not run
            self._places.release()
            raise
