"""A stream of blocks, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def and_whether_last(blocks: Iterator[Sequence[Any]]) -> Iterator[tuple[Sequence[Any], bool]]:
    """One block at least. One that is empty tells that the rest is still on its way: it is given at once."""
    waiting: Sequence[Any] = ()
    for block in blocks:
        if not block:
            yield block, False
            continue
        if waiting:
            yield waiting, False
        waiting = block
    yield waiting, True
