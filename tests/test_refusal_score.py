"""When refusals of IMSHOP are more than a shop is used to."""

from __future__ import annotations

from random import Random

import pytest

from syncd.refusal_score import RefusalScore
from tests.made import NOON

MONTH = 9000
"""Changes."""


def after(results: str, before: RefusalScore | None = None) -> RefusalScore:
    """The oldest first: `-` was refused, `+` delivered."""
    return (before or RefusalScore()).after((NOON, result == "-") for result in results)


def alarms(share: float, changes: int) -> int:
    """How often refusals count as unusual in a shop where IMSHOP refuses this share of all changes."""
    random, score, found = Random(1), RefusalScore(), 0
    for _ in range(changes):
        before, score = score.is_unusual, after("-" if random.random() < share else "+", score)
        found += score.is_unusual and not before
    return found


@pytest.mark.parametrize("results", ["-" * 5, "-" * 5 + "+" + "-" * 4, "-" * 33 + "+"])
def test_most_refused_is_unusual(results: str) -> None:
    assert after(results).is_unusual


@pytest.mark.parametrize("results", ["", "+" * 50, "-" * 4, "----+" * 50, "-" * 33 + "+" * 8])
def test_some_refused_is_usual(results: str) -> None:
    assert not after(results).is_unusual


def test_what_is_usual_is_learned() -> None:
    assert not after("-" * 12, after("----+")).is_unusual
    assert after("-" * 13, after("----+")).is_unusual


def test_trouble_is_not_learned_as_usual() -> None:
    """Not whole: 33 refused once do not make the next 33 usual."""
    assert after("-" * 33, after("-" * 33 + "+" * 9)).is_unusual


@pytest.mark.parametrize(("share", "at_most"), [(0.02, 0), (0.1, 1), (0.25, 2), (0.5, 3), (0.7, 5)])
def test_shops_with_many_foreign_orders_are_learned_soon(share: float, at_most: int) -> None:
    """So many false alarms in the first year, and none in the second."""
    assert alarms(share, 12 * MONTH) <= at_most
    assert alarms(share, 24 * MONTH) == alarms(share, 12 * MONTH)
