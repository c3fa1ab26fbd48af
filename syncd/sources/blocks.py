"""A stream of blocks, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def and_whether_last(blocks: Iterator[Sequence[Any]]) -> Iterator[tuple[Sequence[Any], bool]]:
    """One block at least. The last is given when the stream is over, so that it holds no lock in the shop."""
    waiting: Sequence[Any] | None = None
    for block in blocks:
        if waiting is not None:
            yield waiting, False
        waiting = block
    yield waiting or (), True
