"""What the verdict is made of: reasons, each of a kind, with what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args

from syncd.text import short_span

Severity: TypeAlias = Literal["good", "warning", "bad"]
"""Good to know; a person is needed soon; buyers are not told now."""

ReasonKind: TypeAlias = Literal[
    "state",
    "daemon",
    "source",
    "paused",
    "refusals",
    "waiting",
    "quiet",
    "held",
    "unlisted",
    "dead",
    "mismatch",
    "skipped",
    "future",
    "zone",
    "slow",
    "late",
    "missing",
    "lost",
    "cancellations",
    "settings",
    "certificate",
    "first",
    "standby",
    "hangs",
]
KINDS: tuple[ReasonKind, ...] = get_args(ReasonKind)

UNREADY: frozenset[ReasonKind] = frozenset({"state", "source", "first", "missing", "paused", "held", "unlisted"})
"""With one of these, or anything bad, the daemon is not ready."""


@dataclass(frozen=True, slots=True)
class Reason:
    """`what` is wrong and what to `do`: phrases of web/translations.py, which `values` fill in, durations in the words
    of the language. `detail` is the error, in the words of the shop, IMSHOP or the state. `command` shows more.

    `since` None: it is not known. Notices tell of it once it `lasts` that long, unless `because` is there as well,
    which explains it. `count`: how many orders or rows it is about, where that is counted.
    """

    kind: ReasonKind
    severity: Severity
    what: str
    do: str
    command: str
    detail: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    since: datetime | None = None
    lasts: timedelta = timedelta()
    count: int = 0
    because: ReasonKind | None = None

    @property
    def headline(self) -> str:
        """What is wrong, in English, without a full stop."""
        return self._in_english(self.what)

    @property
    def headline_and_detail(self) -> str:
        return f"{self.headline}: {self.detail}" if self.detail else self.headline

    @property
    def advice(self) -> str:
        return self._in_english(self.do)

    def _in_english(self, phrase: str) -> str:
        spans = {name: short_span(value) for name, value in self.values.items() if isinstance(value, timedelta)}
        return phrase.format(**{**self.values, **spans})

    @property
    def line(self) -> str:
        """All of it in one line, in English."""
        return f"{self.headline_and_detail.rstrip('.')}. {self.advice}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The reasons, one of a kind, the worst first. `unknown`: the kinds of which it is not known whether they are
    there."""

    reasons: Sequence[Reason]
    unknown: frozenset[ReasonKind] = frozenset()

    @property
    def severity(self) -> Severity:
        found = {reason.severity for reason in self.reasons}
        return "bad" if "bad" in found else "warning" if "warning" in found else "good"

    @property
    def headline(self) -> str:
        return {
            "good": "Statuses reach buyers",
            "warning": "Statuses reach buyers, but something needs attention",
            "bad": "Statuses do not reach buyers",
        }[self.severity]

    @property
    def in_a_line(self) -> str:
        """What the daemon does, or what prevents it, in English."""
        return "; ".join(reason.headline_and_detail for reason in self.reasons) or "polls and pushes"

    @property
    def unready(self) -> Sequence[Reason]:
        """Why the daemon is not ready; empty: it is."""
        return [reason for reason in self.reasons if reason.severity == "bad" or reason.kind in UNREADY]
