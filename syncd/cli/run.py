"""The daemon's own command: `run`."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

import click

from syncd.cli.context import settings
from syncd.daemon import Daemon, signals_stop
from syncd.systemd import Manager


@click.command()
@click.pass_context
def run(ctx: click.Context) -> None:
    """Run the daemon: poll on schedule, push every change, serve metrics and health.

    SIGTERM and SIGINT end it within 15 seconds: polling stops, pushes in flight are finished and written down.
    """
    daemon = Daemon(settings(ctx), Manager(os.environ, os.getpid(), time.monotonic))
    with signals_stop(daemon):
        daemon.run()
    _leave()


def _leave() -> None:
    """A poll that hangs in a driver's call keeps its thread, and Python would wait for it for ever."""
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
