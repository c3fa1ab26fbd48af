"""IMSHOP as a merchant meets it on a bad day: what it heard, when it failed, and what it makes of it at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import TypeAlias

from syncd.sandbox import Failure, Judgement, PushReceived, Rule, Sandbox, by_chance

KEY = "test-key"

STORM = [
    Rule(Failure("http", status=503), 0.08),
    Rule(Failure("http", status=500, applied=True), 0.04),
    Rule(Failure("http", status=429, retry_after=1), 0.03),
    Rule(Failure("drop"), 0.05),
    Rule(Failure("cut", at="before"), 0.05),
    Rule(Failure("cut", at="middle"), 0.05),
    Rule(Failure("slow", seconds=0.3), 0.10),
    Rule(Failure("late", seconds=2.0), 0.03),
    Rule(Failure("timeout", seconds=2.0), 0.03),
    Rule(Failure("html", applied=True), 0.02),
    Rule(Failure("badjson"), 0.02),
]

Mood: TypeAlias = Callable[[], object]


class MoodyImshop:
    """The sandbox in changing moods. `heard` are its requests as they came in, `broke_at` when it hung up on all."""

    def __init__(self, rng: Random) -> None:
        self.heard: list[tuple[PushReceived, bool]] = []
        """Each request, and whether it was taken and answered as the protocol has it."""
        self.broke_at: list[datetime] = []
        self.sandbox = Sandbox(key=KEY, on_request=self._hear).start()
        self._is_gone = False
        self._rng = rng
        self.moods: Mapping[str, Mood] = {
            "calm": lambda: None,
            "stormy": lambda: self._behave(*STORM),
            "slow": lambda: self._behave(Rule(Failure("slow", seconds=0.2))),
            "silent": lambda: self._behave(Rule(Failure("timeout", seconds=2.0))),
            "locked": self._lock,
            "gone": self._go,
        }

    def mood(self, name: str) -> None:
        self.sandbox.key = KEY
        self.sandbox.behave = None
        if self._is_gone:
            self.sandbox.start()
        self._is_gone = name == "gone"
        self.moods[name]()

    def _behave(self, *rules: Rule) -> None:
        self.sandbox.behave = by_chance(rules, self._rng)

    def _lock(self) -> None:
        self.sandbox.key = "another-key"

    def _go(self) -> None:
        self.broke_at.append(datetime.now(UTC))
        self.sandbox.stop()

    def _hear(self, received: PushReceived, judgement: Judgement) -> None:
        self.heard.append((received, judgement.status == 200 and judgement.failure is None))
