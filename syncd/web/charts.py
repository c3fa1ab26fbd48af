"""The two small charts, as coordinates: how long statuses took, and how many went out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from statistics import median

from syncd.state import HalfHour

WIDTH, HEIGHT = 480.0, 96.0
GAP = 2.0
MARKS = ((1.0, "1 s"), (60.0, "1 min"), (3600.0, "1 h"), (86400.0, "1 d"))
LEAST_TOP = 60.0


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across the chart, at a lag that people have a feeling for."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class LagChart:
    """`bars` reach from each slot's shortest to its longest lag, `medians` stand in them; the scale is logarithmic."""

    bars: Sequence[Bar]
    medians: Sequence[Bar]
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True)
class Lags:
    """In seconds; None: nothing was pushed."""

    now: float | None
    median: float | None
    most: float | None
    """19 of 20 pushes were faster."""
    pushed: int


def lag_chart(day: Sequence[HalfHour]) -> LagChart:
    top = max([LEAST_TOP, *(slot.lags[-1] for slot in day if slot.lags)]) * 1.2
    step = WIDTH / len(day)
    bars, medians = [], []
    for number, slot in enumerate(day):
        if slot.lags:
            x, width = number * step + GAP / 2, step - GAP
            high, low = _lag_y(slot.lags[-1], top), _lag_y(slot.lags[0], top)
            bars.append(Bar(x, high, width, max(GAP, low - high)))
            medians.append(Bar(x, _lag_y(median(slot.lags), top) - GAP / 2, width, GAP))
    marks = [Mark(_lag_y(seconds, top), label) for seconds, label in MARKS if seconds < top]
    return LagChart(bars, medians, marks)


def push_chart(day: Sequence[HalfHour]) -> Sequence[Bar]:
    most = max(slot.pushed for slot in day)
    step = WIDTH / len(day)
    heights = [max(GAP, slot.pushed / most * HEIGHT * 0.9) if slot.pushed else 0.0 for slot in day]
    return [
        Bar(number * step + GAP / 2, HEIGHT - height, step - GAP, height)
        for number, height in enumerate(heights)
        if height
    ]


def lags(day: Sequence[HalfHour]) -> Lags:
    """Lately is the last hour."""
    lately = [lag for slot in day[-2:] for lag in slot.lags]
    whole = sorted(lag for slot in day for lag in slot.lags)
    return Lags(
        now=median(lately) if lately else None,
        median=median(whole) if whole else None,
        most=whole[len(whole) * 19 // 20] if whole else None,
        pushed=sum(slot.pushed for slot in day),
    )


def _lag_y(lag: float, top: float) -> float:
    return HEIGHT - HEIGHT * log10(1 + lag) / log10(1 + top)
