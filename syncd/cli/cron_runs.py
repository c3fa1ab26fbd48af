"""`syncd once --cron` and `syncd reconcile --cron`: runs of which cron mails only what a person should know.

cron mails whatever a run prints, each minute. So a run prints a trouble when it begins, once more when it becomes red,
and when it is over, and nothing else. What was told is in the state. While the settings or the state itself cannot be
used, an empty file in the working directory stands for "told": a full disk still has room for that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Literal

import click

from syncd.cli.context import opened_state, settings
from syncd.errors import InUseError, SettingsError
from syncd.reasons import Reason
from syncd.runtime import composition
from syncd.runtime.outlook import known_beside_daemon
from syncd.runtime.run_once import run_once
from syncd.state import State, Summary
from syncd.text import printable
from syncd.verdict import judge

FAILED_MARK = Path("syncd.failed")
HANGS_AFTER = timedelta(hours=1)
"""A run that has recorded no poll for so long, while it keeps others from polling, hangs."""


def run_for_cron(ctx: click.Context, kind: Literal["poll", "reconcile"], seconds: float) -> None:
    """Run once and print only news. If another process works on the state, a poll ends at once and silently; a full
    compare waits, because the next one may be a day away."""
    try:
        status = _run(ctx, kind, seconds)
    except Exception as error:  # whatever it is, `main` prints it; here is decided only whether that is news
        if FAILED_MARK.exists():
            ctx.exit(2 if isinstance(error, SettingsError) else 1)
        with suppress(OSError):
            FAILED_MARK.touch(0o600)
        raise
    if FAILED_MARK.exists():
        _print("over: syncd can run again")
        FAILED_MARK.unlink(missing_ok=True)
    ctx.exit(status)


def _run(ctx: click.Context, kind: Literal["poll", "reconcile"], seconds: float) -> int:
    chosen = settings(ctx, level="critical")
    try:
        ran = run_once(
            chosen, kind, seconds, lambda _rows: None, lambda _outcome, _waiting: None, give_way=kind == "poll"
        )
    except InUseError as error:
        with opened_state(chosen) as state:
            _tell_begun(state, _hanging(state.reports.summary(), str(error)))
        return 0
    with opened_state(chosen) as state:
        verdict = judge(known_beside_daemon(chosen, state), composition.now())
        _tell_over(state, {reason.kind for reason in verdict.reasons} | verdict.unknown)
        _tell_begun(state, verdict.reasons)
    return 1 if ran.failed or ran.undelivered else 0


def _hanging(summary: Summary, who: str) -> Sequence[Reason]:
    last = summary.source.last_poll_at
    if last is None or composition.now() - last < HANGS_AFTER:
        return ()
    what = "The shop was not polled for an hour"
    return [Reason("hangs", "bad", what, "If that process hangs, end it", "status", who)]


def _tell_begun(state: State, reasons: Sequence[Reason]) -> None:
    """Printed first and noted then: rather twice than never."""
    told = state.told_troubles()
    worse = {kind for kind, (_, severity) in told.items() if severity != "bad"}
    if new := [one for one in reasons if one.kind not in told or (one.kind in worse and one.severity == "bad")]:
        for reason in new:
            _print(f"worse now: {reason.line}" if reason.kind in worse else reason.line)
        state.set_told_troubles({**told, **{reason.kind: (reason.headline, reason.severity) for reason in new}})


def _tell_over(state: State, remaining: Collection[str]) -> None:
    told = state.told_troubles()
    if over := [kind for kind in told if kind not in remaining]:
        for kind in over:
            _print(f"over: {told[kind][0]}")
        state.set_told_troubles({kind: text for kind, text in told.items() if kind in remaining})


def _print(line: str) -> None:
    click.echo(f"syncd: {printable(line)}", err=True)
