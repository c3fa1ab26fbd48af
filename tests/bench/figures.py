"""What a bench says: one line a figure, and ratios that hold on a machine that others use too."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """`facts` are the absolute numbers behind it. Without a bound it only informs."""

    name: str
    measured: float
    facts: str
    at_most: float | None = None
    at_least: float | None = None
    unit: str = "x"

    @property
    def missed(self) -> bool:
        too_much = self.at_most is not None and self.measured > self.at_most
        return too_much or (self.at_least is not None and self.measured < self.at_least)

    def __str__(self) -> str:
        bound = ""
        if self.at_most is not None:
            bound = f"at most {self.at_most:g}"
        elif self.at_least is not None:
            bound = f"at least {self.at_least:g}"
        action = "" if not bound else "MISSED" if self.missed else "ok"
        return f"{self.name:<44} {self.measured:>7.2f} {self.unit:<3} {bound:<14} {action:<7} {self.facts}"


class Ratio(NamedTuple):
    """`ratio` is the median of the rounds' own ratios; `one` and `other` are medians in seconds."""

    ratio: float
    one: float
    other: float

    @classmethod
    def of(cls, rounds: Sequence[tuple[float, float]]) -> Ratio:
        ones, others = zip(*rounds, strict=True)
        return cls(median(one / other for one, other in rounds), median(ones), median(others))

    def facts(self, one: str, other: str, rounds: int) -> str:
        return f"{one} {seconds(self.one)}, {other} {seconds(self.other)}, {rounds} rounds"


def compared(
    one: Callable[[], object],
    other: Callable[[], object],
    rounds: int,
    clock: Clock = time.perf_counter,
    before: Callable[[], object] = lambda: None,
) -> Ratio:
    """How long `one` takes as a ratio of what `other` takes. The two take turns, so that what else the machine does
    meets both; the first round only warms up. `before` each round something may be done that does not count."""
    times = []
    for _ in range(rounds + 1):
        before()
        times.append((timed(one, clock), timed(other, clock)))
    return Ratio.of(times[1:])


def timed(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    started = clock()
    work()
    return clock() - started


def seconds(number: float) -> str:
    return f"{number:.2f} s" if number >= 1 else f"{number * 1000:.2f} ms"


def memory(pid: int, field: str) -> float:
    """`VmHWM`, the peak, or `VmRSS`, the present, of a process in MB. Not ru_maxrss: that of a child counts what its
    parent had when it was forked."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kilobytes,) = [line.split()[1] for line in status if line.startswith(f"{field}:")]
    return int(kilobytes) / 1024


def cpu_of(command: list[str], env: dict[str, str]) -> float:
    """Seconds of CPU that a command takes from its start to its end. CalledProcessError if it fails."""
    pid = os.posix_spawn(command[0], command, env, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, command
    return usage.ru_utime + usage.ru_stime
