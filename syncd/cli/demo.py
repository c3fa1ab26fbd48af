"""`syncd demo`: what a newcomer runs first."""

from __future__ import annotations

import time
from random import SystemRandom
from threading import Event

import click

from syncd.cli.demo_screen import Screen
from syncd.cli.signals import stopped_by_signals
from syncd.demo import Demo, staged

LOOK_SECONDS = 0.2
SETTLE_SECONDS = 5.0


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="End by itself after so many seconds.")
@click.option("--port", type=click.IntRange(1, 65535), help="Of the daemon's HTTP. Default: 9469, or any free one.")
@click.pass_context
def demo(ctx: click.Context, seconds: float | None, port: int | None) -> None:
    """Show it all at work: a small shop whose orders move by themselves, syncd, and a stand-in for IMSHOP.

    Needs nothing and leaves nothing behind; your settings are neither read nor used. Now and then the stand-in fails a
    request, and syncd repeats it. Ctrl-C ends it. Exit status 1: no change reached IMSHOP though there were some.
    """
    with stopped_by_signals() as stopped, Screen() as screen:
        with staged(SystemRandom(), port) as running:
            screen.begin(running.url)
            _watch(running, screen, stopped, seconds)
        screen.show(running)  # what came while it ended
    figures = running.figures()
    screen.end(figures, running.complaints())
    ctx.exit(1 if figures.has_failed else 0)


def _watch(running: Demo, screen: Screen, stopped: Event, seconds: float | None) -> None:
    """Until it is stopped, or `seconds` have passed since the shop began to move and IMSHOP has heard of it all."""
    while not (stopped.is_set() or running.has_begun):
        screen.show(running, LOOK_SECONDS)
    ends_at = None if seconds is None else time.monotonic() + seconds
    while not stopped.is_set() and (ends_at is None or time.monotonic() < ends_at):
        screen.show(running, LOOK_SECONDS)
    running.rest()
    settled_by = time.monotonic() + SETTLE_SECONDS
    while not stopped.is_set() and running.figures().waiting and time.monotonic() < settled_by:
        screen.show(running, LOOK_SECONDS)
