"""What every command starts with: the settings, the logs, the state."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from syncd import compose, logs
from syncd.settings import Loaded, Settings, load
from syncd.state import State


def loaded(ctx: click.Context) -> Loaded:
    """The settings and where each came from. SettingsError."""
    return load(os.environ, ctx.find_root().obj)


def settings(ctx: click.Context, *, level: str | None = None) -> Settings:
    """The settings, with logs going to stderr. `level`: the least that a command, other than the daemon, logs."""
    chosen = loaded(ctx).settings
    logs.configure(
        chosen.log.format, level or chosen.log.level, compose.redactor(chosen), time.monotonic, stream=sys.stderr
    )
    return chosen


@contextmanager
def opened_state(chosen: Settings) -> Iterator[State]:
    """The state that a daemon made; a command that only looks never makes one. StateError."""
    state = compose.state(chosen, create=False)
    try:
        yield state
    finally:
        state.close()
