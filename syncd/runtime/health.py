"""The health of the daemon: whether its threads work, whether the machine's clock was set, and what `/api/status` and
`syncd status --json` say (docs/interface.md, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from threading import Lock
from typing import Any

from syncd import __version__
from syncd.reasons import Verdict
from syncd.settings.values import Address
from syncd.verdict import Situation, judge

CLOCK_STEP = timedelta(seconds=2)
ANSWER_SECONDS = 3.0
ANSWER_BYTES = 1000
STUCK = "stuck: "
_ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never bound to


class ClockWatch:
    """Notices that the wall clock was set. A machine that was suspended looks the same: its clock is ahead."""

    def __init__(self, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._last = clock(), monotonic()

    def step(self) -> timedelta:
        """By how much the clock was set ahead (or back: negative) since the last call; 0: less than CLOCK_STEP."""
        (wall, ticks), self._last = self._last, (self._clock(), self._monotonic())
        step = self._last[0] - wall - timedelta(seconds=self._last[1] - ticks)
        return step if abs(step) > CLOCK_STEP else timedelta()


class Pulses:
    """Heartbeats. Each thread says by when it beats next; one that is overdue is stuck. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._due: dict[str, float] = {}
        self._lock = Lock()

    def beat(self, thread: str, seconds: float) -> None:
        """`thread` works, and beats again within `seconds`."""
        with self._lock:
            self._due[thread] = self._monotonic() + seconds

    def end(self, thread: str) -> None:
        """`thread` has nothing to do, and is not expected to beat."""
        with self._lock:
            self._due.pop(thread, None)

    def stuck(self) -> dict[str, float]:
        """The stuck threads, and for how many seconds they have been overdue."""
        now = self._monotonic()
        with self._lock:
            return {thread: now - due for thread, due in self._due.items() if now > due}


def faults_of_daemon(bind: Address) -> Sequence[str] | None:
    """What the daemon that serves at this address says of its threads; empty: they work. None: no daemon of syncd's
    answers."""
    connection = HTTPConnection(_ALL_ADDRESSES.get(bind.host, bind.host), bind.port, timeout=ANSWER_SECONDS)
    with closing(connection), suppress(OSError, HTTPException):
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        lines = answer.read(ANSWER_BYTES).decode(errors="replace").splitlines()
        if answer.status == 200 and lines == ["ok"]:
            return ()
        if answer.status == 503 and lines and lines[0].startswith(STUCK):
            return ["".join(letter for letter in line if letter.isprintable()) for line in lines]
    return None


def as_json(known: Situation, *, source_kind: str, leader: bool, now: datetime) -> dict[str, Any]:
    """The state, which can be read, as a JSON object. Times are ISO 8601 in UTC."""
    summary = known.summary
    assert summary
    pause = summary.pause
    oldest = summary.oldest_pending_at
    return {
        "version": __version__,
        "source": {
            "kind": source_kind,
            "last_poll_at": _iso(summary.source.last_poll_at),
            "last_success_at": _iso(summary.source.last_success_at),
            "last_error": summary.source.last_error,
            "consecutive_failures": summary.source.consecutive_failures,
        },
        "orders": {"tracked": summary.tracked, "missing_refused": summary.missing_refused},
        "changes": dict(summary.changes),
        "held": dict(summary.held),
        "oldest_pending_seconds": max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
        "delivery": {
            "state": "paused" if pause else "flowing",
            "reason": pause.reason if pause else None,
            "detail": pause.detail if pause else None,
            "since": _iso(pause.since) if pause else None,
        },
        "last_delivered_at": _iso(summary.last_delivered_at),
        "leader": leader,
        "verdict": verdict_as_json(judge(known, now)),
    }


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "severity": verdict.severity,
        "headline": verdict.headline,
        "reasons": [
            {
                "kind": reason.kind,
                "severity": reason.severity,
                "what": reason.headline,
                "do": reason.advice,
                "detail": reason.detail,
                "since": _iso(reason.since),
                "count": reason.count,
            }
            for reason in verdict.reasons
        ],
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
