"""Durations, moments and texts as people read them; the lags of a day and their chart."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.state import HalfHour
from syncd.web.charts import LEAST_HEIGHT, LagSummary, lag_chart, summarize_lags
from syncd.web.translations import NBSP, Translator
from tests.made import NOON


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (0.42, "0.4 s"),
        (9, "9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (95, "1 min 35 s"),
        (1500, "25 min"),
        (7200, "2 h"),
        (7380, "2 h 3 min"),
        (90_000, "1 d 1 h"),
        (86400 * 40 + 7200, "40 d"),
    ],
)
def test_duration_has_its_two_greatest_units(seconds: float, said: str) -> None:
    assert Translator("en").span(seconds) == said.replace(" ", NBSP)


def test_russian_has_its_units_and_keeps_unlisted_phrases() -> None:
    assert Translator("ru").span(93_600) == f"1{NBSP}дн{NBSP}2{NBSP}ч"
    assert Translator("ru").ago(None, NOON) == "ни разу"
    assert Translator("ru").ago(NOON - timedelta(seconds=3), NOON) == f"3{NBSP}с назад"
    assert Translator("ru")("no such phrase") == "no such phrase"


def test_moment_of_another_day_has_its_date() -> None:
    assert len(Translator("en").moment(NOON, NOON)) == len("12:00:00")
    assert len(Translator("en").moment(NOON - timedelta(days=2), NOON)) == len("2026-11-21 12:00")


def day_of(*lags: list[float]) -> list[HalfHour]:
    return [HalfHour(NOON + timedelta(minutes=30 * number), len(some), some) for number, some in enumerate(lags)]


def test_day_without_pushes_has_no_lag_and_bars() -> None:
    quiet = day_of([], [], [])
    assert summarize_lags(quiet) == LagSummary(last_hour=None, median=None, p95=None, pushed=0)
    assert lag_chart(quiet).bars == []


def test_lag_now_is_that_of_the_last_hour() -> None:
    lags = summarize_lags(day_of([100.0, 200.0], [1.0], [2.0, 9.0]))
    assert lags == LagSummary(last_hour=2.0, median=9.0, p95=200.0, pushed=5)


def test_everything_lies_within_the_chart() -> None:
    drawn = lag_chart(day_of([0.0], [], [0.5, 4.0, 100_000.0], [30.0]))
    for bar in drawn.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= 100
        assert bar.y >= 0
        assert bar.y + bar.height <= 100 + LEAST_HEIGHT
    assert [mark.seconds for mark in drawn.marks] == [1, 60, 3600, 86400]
    assert len(drawn.medians) == 3
