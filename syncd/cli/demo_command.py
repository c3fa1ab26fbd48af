"""`syncd demo`: a line for each push that reaches the sandbox; on a terminal, a footer with the figures so far.

80 columns are enough.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import SystemRandom
from threading import Event
from types import TracebackType
from typing import Self

import click
from rich.console import Group
from rich.live import Live
from rich.rule import Rule
from rich.text import Text

from syncd.cli.context import stopped_by_signals
from syncd.cli.output import counted
from syncd.cli.tables import console
from syncd.demo import Demo, DemoFigures, RecordedPush, running_demo

STYLES = {
    "placed": "blue",
    "processing": "cyan",
    "ready_to_dispatch": "cyan",
    "dispatched": "magenta",
    "ready_for_pickup": "yellow",
    "delivered": "green",
    "done": "green",
    "canceled": "red",
}
"""How an order looks, by IMSHOP's own status."""
FAINT = "bright_black"
WIDE_COLUMNS = 96  # from this width on tracking numbers fit too
SLOW_SECONDS = 2.0
REDRAW_SECONDS = 0.2
SETTLE_SECONDS = 5.0
HEADINGS = f"{'time':<8}  {'order':<8}  {'was':>10} → {'is':<10}  {'at IMSHOP':<17} {'lag':>7}"


class DemoScreen:
    """What the demo prints. The footer lives as long as the `with`; `end` is called after it."""

    def __init__(self) -> None:
        self._console = console()
        self._is_live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live = Live(Text("syncd demo: starting…"), console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def begin(self, url: str) -> None:
        arrow = ("  ──►  ", FAINT)
        parts = ("a shop of its own", arrow, "syncd, every second", arrow, "a stand-in for IMSHOP")
        self._print(Text.assemble(("syncd demo   ", "bold"), *parts))
        self._print(
            Text.assemble(
                ("page ", FAINT),
                f"{url}/   ",
                ("status ", FAINT),
                f"{url}/api/status   ",
                ("metrics ", FAINT),
                f"{url}/metrics",
            )
        )
        self._print(Text())
        self._print(Text(HEADINGS, FAINT))

    def show(self, running: Demo, within: float = 0.0) -> None:
        """Print the pushes since the last call; wait up to `within` seconds for the first one."""
        for push in running.pushes(within):
            self._print(self._line(push))
        if self._is_live:
            footer = Group(Rule(style=FAINT), self._footer(running.figures()))
            self._live.update(footer, refresh=True)

    def end(self, figures: DemoFigures, complaints: Sequence[str]) -> None:
        """Two lines: how many changes arrived, and what to do next; or syncd's errors, if no change arrived."""
        reached = f"{figures.reached} of {figures.changes} changes reached IMSHOP"
        lags = f", median lag {figures.median_lag:.2f} s, longest {figures.longest_lag:.2f} s"
        repeated = f"; {counted(figures.failed, 'request')} failed and repeated" if figures.failed else ""
        self._print(Text.assemble((reached, "bold"), lags if figures.reached else "", repeated))
        if figures.has_failed:
            for complaint in complaints:
                self._print(Text(complaint, "red"))
            return
        self._print(Text.assemble("Next: ", ("syncd init", "bold"), " finds your shop and writes the settings"))

    def _print(self, line: Text) -> None:
        line.rstrip()
        self._console.print(line, no_wrap=True, overflow="ellipsis")

    def _line(self, push: RecordedPush) -> Text:
        previous = push.previous or "new order"
        line = Text.assemble(
            (f"{push.at.astimezone():%H:%M:%S}  ", FAINT),
            f"{push.order_id:<8}  ",
            (f"{previous:>10} → ", FAINT),
            (f"{push.status:<10}  ", STYLES.get(push.imshop_status, "")),
        )
        if push.failure:
            return line.append(f"✗ {push.failure}, will be repeated", "yellow")
        line.append(f"{push.imshop_status:<17} ")
        line.append(f"{push.lag:5.2f} s  ", "yellow" if push.lag > SLOW_SECONDS else "green")
        return line.append(self._marks(push), FAINT)

    def _marks(self, push: RecordedPush) -> str:
        """What else the push says; on a narrow terminal only the first of it."""
        is_wide = self._console.width >= WIDE_COLUMNS
        marks = [f"try {push.attempt}"] if push.attempt > 1 else []
        if push.track:
            marks.append(f"track {push.track}" if is_wide else "track")
        if push.paid is not None:
            marks.append("paid" if push.paid else "refund")
        return " · ".join(marks if is_wide else marks[:1])

    def _footer(self, figures: DemoFigures) -> Text:
        arrow = (" ──► ", FAINT)
        delivered = f"{figures.reached} delivered"
        return Text.assemble(
            ("shop ", "bold"), counted(figures.orders, "order"), arrow,
            ("syncd ", "bold"), (f"{figures.waiting} waiting", "yellow" if figures.waiting else ""), arrow,
            ("IMSHOP ", "bold"), (delivered, "green"), f" · median lag {figures.median_lag:.2f} s",
            (" · Ctrl-C ends it" if self._console.width >= WIDE_COLUMNS else "", FAINT),
            no_wrap=True, overflow="ellipsis",
        )  # fmt: skip


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="End by itself after so many seconds.")
@click.option("--port", type=click.IntRange(1, 65535), help="Of the daemon's HTTP. Default: 9469, or any free one.")
@click.pass_context
def demo(ctx: click.Context, seconds: float | None, port: int | None) -> None:
    """Show it all at work: a small shop whose orders move by themselves, syncd, and a stand-in for IMSHOP.

    Needs nothing and leaves nothing behind; your settings are neither read nor used. Now and then the stand-in fails a
    request, and syncd repeats it. Ctrl-C ends it. Exit status 1: no change reached IMSHOP though there were some.
    """
    with stopped_by_signals() as stopped, DemoScreen() as screen:
        with running_demo(SystemRandom(), port) as running:
            screen.begin(running.url)
            _watch(running, screen, stopped, seconds)
        screen.show(running)  # the pushes that arrived while it ended
    figures = running.figures()
    screen.end(figures, running.complaints())
    ctx.exit(1 if figures.has_failed else 0)


def _watch(running: Demo, screen: DemoScreen, stopped: Event, seconds: float | None) -> None:
    """Until it is stopped, or `seconds` have passed since the shop began to move and IMSHOP has push of it all."""
    while not (stopped.is_set() or running.has_begun):
        screen.show(running, REDRAW_SECONDS)
    ends_at = None if seconds is None else time.monotonic() + seconds
    while not stopped.is_set() and (ends_at is None or time.monotonic() < ends_at):
        screen.show(running, REDRAW_SECONDS)
    running.rest()
    settled_by = time.monotonic() + SETTLE_SECONDS
    while not stopped.is_set() and running.figures().waiting and time.monotonic() < settled_by:
        screen.show(running, REDRAW_SECONDS)
