"""The daemon's own command: `run`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from syncd.cli.context import settings
from syncd.deadline import start_thread
from syncd.errors import SettingsError, SyncdError
from syncd.logs import fields
from syncd.runtime.daemon import Daemon, signals_stop
from syncd.runtime.service_manager import Manager

ENDING_SECONDS = 14.0
"""The promise is an end within 15 s of SIGTERM."""

log = logging.getLogger("syncd")


@click.command()
@click.pass_context
def run(ctx: click.Context) -> None:
    """Run the daemon: poll on schedule, push every change, serve metrics and health.

    SIGTERM and SIGINT end it within 15 seconds: polling stops, pushes in flight are finished and written down.
    """
    chosen = settings(ctx)
    with ends_in_time(ENDING_SECONDS):
        daemon = Daemon(chosen, Manager(os.environ, os.getpid(), time.monotonic))
        with signals_stop(daemon):
            try:
                daemon.run()
            except SyncdError as error:  # where logs are collected, that it did not start is an event too
                log.error("not_started", extra=fields(error=str(error)))
                ctx.exit(2 if isinstance(error, SettingsError) else 1)
    _exit_without_waiting()


@contextmanager
def ends_in_time(seconds: float) -> Iterator[None]:
    """After SIGTERM or SIGINT the process ends within `seconds`, whatever its threads wait for.

    Python runs a signal's handler in the main thread, once that returns from whatever it waits for; the byte that the
    signal writes into a pipe can be read at once. A forced end loses what a power cut would: the outcomes of pushes
    that were not written yet.
    """
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    start_thread(lambda: _exit_after_signal(readable, seconds), "ending")
    before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writable)


def _exit_after_signal(readable: int, seconds: float) -> None:
    with os.fdopen(readable, "rb", buffering=0) as signals:
        while received := signals.read(1):
            if received[0] in (signal.SIGTERM, signal.SIGINT):
                time.sleep(seconds)
                log.error(
                    "end_forced", extra=fields(do="nothing: what was in flight is pushed again at the next start")
                )
                _exit_now()


def _exit_without_waiting() -> None:
    """A poll may still wait for a shop that hangs. Python would wait for its thread, for ever if need be; everything
    that must be kept is on disk."""
    if threading.active_count() > 1:
        _exit_now()


def _exit_now() -> None:
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
