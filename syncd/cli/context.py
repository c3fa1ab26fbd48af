"""What a command takes from its process: the settings and the logs, the state they name, the signals that stop it.

The composition of the parts is imported where it is used: it takes a second to load, and `syncd config`, `presets`,
`sandbox` and `demo --help` do without.
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
from typing import TYPE_CHECKING

import click

from syncd import logs
from syncd.settings import Loaded, Settings, load

if TYPE_CHECKING:
    from syncd.state import State


def loaded(ctx: click.Context) -> Loaded:
    """The settings and where each came from. SettingsError."""
    return load(os.environ, ctx.find_root().obj)


def settings(ctx: click.Context, *, level: str | None = None) -> Settings:
    """The settings, once logs go to stderr. `level`: the minimum level that is logged, instead of the one set."""
    chosen = loaded(ctx).settings
    configure_logs(chosen, level or chosen.log.level)
    return chosen


def configure_logs(chosen: Settings, level: str) -> None:
    """Log to stderr from now on, with the settings' secrets masked."""
    from syncd.runtime import composition  # noqa: PLC0415 - see above

    logs.configure(chosen.log.format, level, composition.redactor(chosen), time.monotonic, stream=sys.stderr)


@contextmanager
def opened_state(chosen: Settings) -> Iterator[State]:
    """The state that a daemon or `syncd once` made; it is never created here. StateError."""
    from syncd.runtime import composition  # noqa: PLC0415 - see above

    state = composition.state(chosen, create=False)
    try:
        yield state
    finally:
        state.close()


@contextmanager
def stopped_by_signals() -> Iterator[Event]:
    """An event that is set by Ctrl-C, by SIGTERM, and by SIGHUP, which comes when the terminal's window is closed."""
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
