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
    """A poll may wait for a shop that hangs or asks to wait. Python would wait for its thread, for ever if need be; all
    that must stay is on disk."""
    if threading.active_count() > 1:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
