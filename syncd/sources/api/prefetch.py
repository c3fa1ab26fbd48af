"""Pages are fetched ahead: while one is staged, the next one is already requested, so a poll takes no longer than its
API."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import TypeVar

from syncd.deadline import ThreadError, start_thread
from syncd.errors import SourceError

T = TypeVar("T")


def prefetch(pages: Iterator[T]) -> Iterator[tuple[T, bool]]:
    """Each page, and whether it is the last.

    Three pages at most are in memory, and one is requested at a time. An error is raised after the pages before it. If
    the iterator is closed early, its thread ends with the current request.
    """
    page = _next_of(pages).result()
    coming = _next_of(pages)
    while page is not None:
        try:
            following = coming.result()
        except SourceError:
            yield page, False
            raise
        if following is not None:
            coming = _next_of(pages)
        yield page, following is None
        page = following


def _next_of(pages: Iterator[T]) -> Future[T | None]:
    """The next page, from a thread of its own; None: there is none. SourceError: the thread cannot start."""
    coming: Future[T | None] = Future()

    def fetch() -> None:
        try:
            coming.set_result(next(pages, None))
        except BaseException as error:  # noqa: BLE001 - raised again where the page is waited for
            coming.set_exception(error)

    try:
        start_thread(fetch, "source-ahead")
    except ThreadError as error:
        raise SourceError(str(error)) from None
    return coming
