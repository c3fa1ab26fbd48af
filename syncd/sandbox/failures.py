"""The ways in which the sandbox misbehaves, and the grammar of `--fail` that names them: its parser and its help.

What each kind does is in `handler.py`, in the method that is named like it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal, TypeAlias, get_args

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
"""What each does, and which options it takes, stands in KINDS."""


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


KINDS: Mapping[Kind, tuple[str, Sequence[str]]] = {
    "http": ("an answer with that status, 300 to 599", ("retry-after", "retry-at", "body", "applied")),
    "redirect": ("302 to another address of the sandbox", ()),
    "refuse": ("200 with success false", ()),
    "othercode": ("applied, but answered with another newStatus", ("code",)),
    "nosuccess": ("200 with JSON that lacks success", ("applied",)),
    "html": ("200 with a web page", ("applied",)),
    "badjson": ("applied, but the JSON of the answer breaks off", ()),
    "drop": ("the connection is closed without an answer, nothing is applied", ()),
    "cut": ("applied, then closed before the answer or in its middle", ("at",)),
    "timeout": ("nothing is applied, closed without an answer after a while", ("seconds",)),
    "slow": ("applied and answered after a while, applied even if the client has gone", ("seconds",)),
    "late": ("applied at once, answered after a while", ("seconds",)),
    "drip": ("applied, answered byte by byte over a while", ("seconds",)),
    "endless": ("a body that does not end, closed after a while", ("seconds", "applied")),
}


def _number(text: str, most: float, otherwise: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(otherwise) from None
    if not 0 <= number <= most:
        raise ValueError(otherwise)
    return number


def _seconds(text: str) -> float:
    return _number(text, 3600, "needs a number of seconds, at most 3600")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise ValueError("needs a whole number of seconds, at most 99999")
    return int(text)


def _text(text: str) -> str:
    if not text:
        raise ValueError("needs a text")
    return text


def _one_of(values: Mapping[str, object]) -> Callable[[str], object]:
    def convert(text: str) -> object:
        if text not in values:
            raise ValueError(f"needs one of {', '.join(values)}")
        return values[text]

    return convert


OPTIONS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "seconds": ("how long that while is (default 30)", _seconds),
    "retry-after": ("a Retry-After of so many seconds", _whole),
    "retry-at": ("a Retry-After that is the date in so many seconds", _whole),
    "body": ("json or html (default json)", _one_of({"json": "json", "html": "html"})),
    "at": ("before or middle (default middle)", _one_of({"before": "before", "middle": "middle"})),
    "code": ("the code answered (default other)", _text),
    "applied": ("yes or no: the status is applied all the same (default no)", _one_of({"yes": True, "no": False})),
}

_KIND_OF: dict[str, Kind] = {kind: kind for kind in KINDS if kind != "http"}
_NAMES = ", ".join(_KIND_OF)
_KIND_OF |= {str(status): "http" for status in range(300, 600)}


def parse_fail(spec: str) -> list[Rule]:
    """Read FAIL_HELP's grammar. ValueError: what is wrong with which part of `spec`, and what is right."""
    rules = [_rule(part.strip()) for part in spec.split(",")]
    total = sum(rule.share for rule in rules)
    if total > 1.000001:
        raise ValueError(f"{spec!r}: the shares add up to {total:.0%}; give each kind its own, 100% together at most")
    return rules


def _rule(part: str) -> Rule:
    head, *options = part.split(":")
    name, equals, share = (side.strip() for side in head.partition("="))
    try:
        return Rule(_failure(name, options), _share(share) if equals else 1.0)
    except ValueError as error:
        raise ValueError(f"{part!r}: {error}") from None


def _share(text: str) -> float:
    otherwise = "the share needs a percentage from 0% to 100%, as in 500=10%"
    if not text.endswith("%"):
        raise ValueError(otherwise)
    return _number(text[:-1], 100, otherwise) / 100


def _failure(name: str, options: Iterable[str]) -> Failure:
    kind = _KIND_OF.get(name)
    if kind is None:
        raise ValueError(f"unknown kind of failure {name!r}; use an HTTP status from 300 to 599, or one of {_NAMES}")
    failure = Failure(kind, int(name)) if kind == "http" else Failure(kind)
    fields: dict[str, Any] = dict(_option(kind, option) for option in options)
    return replace(failure, **fields)


def _option(kind: Kind, option: str) -> tuple[str, object]:
    name, _, text = (side.strip() for side in option.partition("="))
    known = KINDS[kind][1]
    if name not in known:
        raise ValueError(f"unknown option {name!r}; " + (f"use {', '.join(known)}" if known else "it takes none"))
    try:
        return name.replace("-", "_"), OPTIONS[name][1](text)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _help_line(kind: Kind) -> str:
    meaning, options = KINDS[kind]
    return f"  {'STATUS' if kind == 'http' else kind:<13}{meaning}" + (f" ({', '.join(options)})" if options else "")


FAIL_HELP = "\n".join(
    [
        "KIND[=SHARE%][:OPTION=VALUE]..., several joined by commas. Without a share it is every request.",
        "Example: 500=10%,429=5%:retry-after=2,timeout=1%:seconds=30",
        "",
        "Kinds (and their options):",
        *map(_help_line, KINDS),
        "",
        "Options:",
        *(f"  {name:<13}{meaning}" for name, (meaning, _) in OPTIONS.items()),
    ],
)
"""The grammar for `--help`, laid out to be printed as it is."""
