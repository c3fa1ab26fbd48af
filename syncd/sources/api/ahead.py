"""A page is put on disk while the next one is on its way: only so a poll takes no longer than its API."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import TypeVar

from syncd.bounded import ThreadError, start_thread
from syncd.errors import SourceError

T = TypeVar("T")


def ahead(pages: Iterator[T]) -> Iterator[tuple[T, bool]]:
    """Each page, and whether it is the last. Three are held at most, and one asked for at a time. An error is raised
    behind the pages before it. Who stops early leaves a thread behind that ends with its request."""
    page = _coming(pages).result()
    coming = _coming(pages)
    while page is not None:
        try:
            following = coming.result()
        except SourceError:
            yield page, False
            raise
        if following is not None:
            coming = _coming(pages)
        yield page, following is None
        page = following


def _coming(pages: Iterator[T]) -> Future[T | None]:
    """The next page; None: there is none. SourceError: nobody can be sent for it."""
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
