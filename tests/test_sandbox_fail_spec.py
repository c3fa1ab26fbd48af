"""The text that asks the sandbox for failures, and the chance by which they come."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest

from syncd.sandbox import FAIL_HELP, Failure, Rule, by_chance, parse_fail
from syncd.sandbox.failures import KINDS, OPTIONS


def test_spec_gives_each_kind_its_share_and_options() -> None:
    assert parse_fail("500=10%, 429=5%:retry-after=2,timeout=1%:seconds=0.5,drop=84%") == [
        Rule(Failure("http", status=500), 0.1),
        Rule(Failure("http", status=429, retry_after=2), 0.05),
        Rule(Failure("timeout", seconds=0.5), 0.01),
        Rule(Failure("drop"), 0.84),
    ]


def test_a_kind_without_a_share_fails_every_request() -> None:
    [rule] = parse_fail("503:retry-at=60:body=html:applied=yes")
    assert rule == Rule(Failure("http", status=503, retry_at=60, body="html", applied=True), 1.0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("crash", "unknown kind of failure 'crash'; use an HTTP status from 300 to 599, or one of redirect, refuse"),
        ("", "unknown kind of failure ''"),
        ("200", "unknown kind of failure '200'"),
        ("http", "unknown kind of failure 'http'"),
        ("drop=5", "'drop=5': the share needs a percentage"),
        ("drop=x%", "the share needs a percentage"),
        ("drop=nan%", "the share needs a percentage"),
        ("drop=101%", "the share needs a percentage"),
        ("drop=60%,500=50%", "the shares add up to 110%"),
        ("drop:seconds=1", "unknown option 'seconds'; it takes none"),
        ("cut:seconds=1", "unknown option 'seconds'; use at"),
        ("late:seconds=soon", "seconds needs a number of seconds, at most 3600"),
        ("429:retry-after=1.5", "retry-after needs a whole number of seconds"),
        ("cut:at=end", "at needs one of before, middle"),
        ("othercode:code=", "code needs a text"),
    ],
)
def test_wrong_spec_gets_the_fault_and_a_remedy(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_fail(spec)


def test_an_unknown_kind_is_no_failure() -> None:
    kind: Any = "crash"
    with pytest.raises(ValueError, match=r"'crash': use one of http, redirect"):
        Failure(kind)


def test_the_help_names_every_kind_and_option() -> None:
    for word in [*KINDS.keys() - {"http"}, *OPTIONS, "STATUS"]:
        assert f"\n  {word} " in FAIL_HELP


def test_failures_follow_their_shares_and_the_seed() -> None:
    rules = parse_fail("500=10%,drop=20%")
    first, second = by_chance(rules, Random(7)), by_chance(rules, Random(7))
    met = [first(None) for _ in range(5000)]
    assert met == [second(None) for _ in range(5000)]
    assert 400 < met.count(rules[0].failure) < 600
    assert 900 < met.count(rules[1].failure) < 1100
    assert 3300 < met.count(None) < 3700
