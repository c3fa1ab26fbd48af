"""What every command starts with: the settings, the logs, the state.

How commands that go on until they are stopped learn that they are.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

import click

from syncd import logs
from syncd.runtime import composition
from syncd.settings import Loaded, Settings, load
from syncd.state import State


def loaded(ctx: click.Context) -> Loaded:
    """The settings and where each came from. SettingsError."""
    return load(os.environ, ctx.find_root().obj)


def settings(ctx: click.Context, *, level: str | None = None) -> Settings:
    """The settings, with logs going to stderr. `level`: the least that a command, other than the daemon, logs."""
    chosen = loaded(ctx).settings
    logs.configure(
        chosen.log.format, level or chosen.log.level, composition.redactor(chosen), time.monotonic, stream=sys.stderr
    )
    return chosen


@contextmanager
def opened_state(chosen: Settings) -> Iterator[State]:
    """The state that a daemon made; a command that only looks never makes one. StateError."""
    state = composition.state(chosen, create=False)
    try:
        yield state
    finally:
        state.close()


@contextmanager
def stopped_by_signals() -> Iterator[Event]:
    """Set by Ctrl-C, by SIGTERM, and by SIGHUP, which comes when the terminal's window is closed."""
    stopped = Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
