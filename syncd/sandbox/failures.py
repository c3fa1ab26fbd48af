"""The ways in which the sandbox misbehaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias, get_args

Kind: TypeAlias = Literal[
    "http",
    "redirect",
    "refuse",
    "othercode",
    "nosuccess",
    "html",
    "badjson",
    "drop",
    "cut",
    "timeout",
    "slow",
    "late",
    "drip",
    "endless",
]
"""What each does, and which fields of Failure it looks at, stands in `syncd.sandbox.fail_spec.KINDS`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to misbehave. ValueError where the kind is unknown."""

    kind: Kind
    status: int = 500
    seconds: float = 30.0
    retry_after: int | None = None
    """Sent as `Retry-After: <seconds>`."""
    retry_at: int | None = None
    """Sent as `Retry-After: <HTTP date>`, so many seconds from now."""
    body: Literal["json", "html"] = "json"
    at: Literal["before", "middle"] = "middle"
    code: str = "other"
    applied: bool = False
    """The status is applied all the same."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"unknown kind of failure {self.kind!r}: use one of {', '.join(get_args(Kind))}")

    def __str__(self) -> str:
        return str(self.status) if self.kind == "http" else self.kind


@dataclass(frozen=True, slots=True)
class Rule:
    """`share` of all requests, from 0 to 1, meet this failure."""

    failure: Failure
    share: float = 1.0


def by_chance(rules: Sequence[Rule], random: Random) -> Callable[[object], Failure | None]:
    """A `behave` for the sandbox: each request meets at most one failure, drawn from `random`."""

    def behave(_request: object) -> Failure | None:
        left = random.random()
        for rule in rules:
            left -= rule.share
            if left < 0:
                return rule.failure
        return None

    return behave
