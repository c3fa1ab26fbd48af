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
from syncd.logs import fields
from syncd.runtime.daemon import Daemon, signals_stop
from syncd.runtime.service_manager import Manager

ENDING_SECONDS = 14.0
"""SIGTERM promises an end within 15 s."""

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
            daemon.run()
    _leave()


@contextmanager
def ends_in_time(seconds: float) -> Iterator[None]:
    """After SIGTERM or SIGINT the process ends within `seconds`, whatever its threads wait for.

    Python has a signal's handler run by the main thread, once that comes back from whatever it waits for; the byte in
    a pipe that stands for the signal can be read at once. What is lost is what a power cut would cost: the outcomes of
    pushes that could not be written down.
    """
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    start_thread(lambda: _await(readable, seconds), "ending")
    before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writable)


def _await(readable: int, seconds: float) -> None:
    with os.fdopen(readable, "rb", buffering=0) as signals:
        while received := signals.read(1):
            if received[0] in (signal.SIGTERM, signal.SIGINT):
                time.sleep(seconds)
                log.error(
                    "end_forced", extra=fields(do="nothing: what was in flight is pushed again at the next start")
                )
                _now()


def _leave() -> None:
    """A poll may wait for a shop that hangs or asks to wait. Python would wait for its thread, for ever if need be; all
    that must stay is on disk."""
    if threading.active_count() > 1:
        _now()


def _now() -> None:
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)
