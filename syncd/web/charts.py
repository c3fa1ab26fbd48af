"""How long statuses took in the last 24 hours: the figures, and the chart that shows when it was slow. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from statistics import median

from syncd.state import HalfHour

GAP = 0.4
LEAST_HEIGHT = 2.0
"""Both in percent, as all coordinates are: of the chart's width and height, which the page decides."""
SCALE_MARKS = (1.0, 60.0, 3600.0, 86400.0)
LOWEST_TOP_SECONDS = 60.0
"""The scale reaches this far at least, so that a quiet day of two seconds does not look like an alarm."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of the SVG; `x` and `y` are its top left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class ScaleMark:
    """A horizontal line at a lag that people have a feeling for: a second, a minute, an hour, a day."""

    y: float
    seconds: float


@dataclass(frozen=True, slots=True)
class LagChart:
    """One of `bars` for each half-hour with pushes, from its shortest to its longest lag, with its median in it. The
    scale is logarithmic: seconds and hours are both to be seen."""

    bars: Sequence[Bar]
    medians: Sequence[Bar]
    marks: Sequence[ScaleMark]


@dataclass(frozen=True, slots=True)
class LagSummary:
    """Lags in seconds; None where nothing was pushed. `last_hour` and `median` are medians; 95 % of the day's pushes
    took no longer than `p95`."""

    last_hour: float | None
    median: float | None
    p95: float | None
    pushed: int


def summarize_lags(day: Sequence[HalfHour]) -> LagSummary:
    last_hour = [lag for half_hour in day[-2:] for lag in half_hour.lags]
    whole_day = sorted(lag for half_hour in day for lag in half_hour.lags)
    return LagSummary(
        last_hour=median(last_hour) if last_hour else None,
        median=median(whole_day) if whole_day else None,
        p95=whole_day[len(whole_day) * 19 // 20] if whole_day else None,
        pushed=sum(half_hour.pushed for half_hour in day),
    )


def lag_chart(day: Sequence[HalfHour]) -> LagChart:
    top = max([LOWEST_TOP_SECONDS, *(half_hour.lags[-1] for half_hour in day if half_hour.lags)]) * 1.2

    def y(lag: float) -> float:
        return 100 - 100 * log10(1 + lag) / log10(1 + top)

    step = 100 / len(day)
    bars, medians = [], []
    for number, half_hour in enumerate(day):
        if half_hour.lags:
            x, width = number * step + GAP / 2, step - GAP
            upper, lower = y(half_hour.lags[-1]), y(half_hour.lags[0])
            bars.append(Bar(x, upper, width, max(LEAST_HEIGHT, lower - upper)))
            medians.append(Bar(x, y(median(half_hour.lags)) - LEAST_HEIGHT / 2, width, LEAST_HEIGHT))
    marks = [ScaleMark(y(seconds), seconds) for seconds in SCALE_MARKS if seconds < top]
    return LagChart(bars, medians, marks)
