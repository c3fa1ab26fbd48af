"""A call that ends, or is left behind: no driver and no resolver can be interrupted from outside."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from syncd.errors import CancelError

log = logging.getLogger("syncd")
T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises. CancelError: it raised something unforeseen, or is not done within `seconds`."""
    done: SimpleQueue[tuple[T | None, CancelError | None]] = SimpleQueue()
    Thread(target=lambda: done.put(_outcome(call)), name="cancellation", daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except Empty:
        raise CancelError(f"the shop did not answer within {seconds:.1f} s", in_doubt=True) from None
    if error:
        raise error
    return result  # type: ignore[return-value]  # there is one where there is no error


def _outcome(call: Callable[[], T]) -> tuple[T | None, CancelError | None]:
    try:
        return call(), None
    except CancelError as error:
        return None, error
    except Exception as error:  # the boundary of the thread: whoever waits must learn of it
        log.exception("cancellation_crashed")
        return None, CancelError(f"unexpected: {type(error).__name__}", in_doubt=True)
