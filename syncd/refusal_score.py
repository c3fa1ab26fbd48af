"""How unusual it is that IMSHOP refuses changes: a score that rises with each refused change and falls with deliveries.

Orders that were not placed in the app are refused every day, often many in a row: each shop has its own usual score,
which is learned. A cumulative sum (CUSUM): it grows only while IMSHOP refuses more than four changes of five. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

A_DELIVERY = 4
AT_LEAST = 4
"""The limit in a shop that has had no refusals yet."""


@dataclass(frozen=True, slots=True)
class RefusalScore:
    """`score` now; `peak` since it was 0; `usual`: the highest peak that was learned. `since`: when it left 0."""

    score: int = 0
    peak: int = 0
    usual: int = 0
    since: datetime | None = None

    @property
    def limit(self) -> int:
        return 2 * self.usual + AT_LEAST

    @property
    def is_unusual(self) -> bool:
        return self.score > self.limit

    def after(self, refused: Iterable[tuple[datetime, bool]]) -> RefusalScore:
        """The score once these changes were refused for the first time (True) or delivered."""
        now = self
        for at, is_refused in refused:
            if is_refused:
                score = now.score + 1
                now = replace(now, score=score, peak=max(now.peak, score), since=now.since or at)
            elif now.score > A_DELIVERY:
                now = replace(now, score=now.score - A_DELIVERY)
            elif now.score:
                # A peak beyond the limit was trouble, or a shop that is not known well: half of it is learned at most.
                now = RefusalScore(usual=max(now.usual, min(now.peak, now.limit)))
        return now
