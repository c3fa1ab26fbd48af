"""The bars that `once` and `reconcile` show on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from syncd.model import Outcome


@contextmanager
def progress_bars() -> Iterator[tuple[Callable[[int], None], Callable[[Outcome, int], None]]]:
    """Two callbacks that move the bars: for the rows read so far, and for an outcome and how many changes waited."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        reading = progress.add_task("reading orders", total=None)
        pushing = progress.add_task("pushing changes", total=None, visible=False)

        def on_rows(rows: int) -> None:
            progress.update(reading, completed=rows)

        def on_outcome(_outcome: Outcome, waiting: int) -> None:
            progress.update(pushing, advance=1, total=waiting, visible=True)

        yield on_rows, on_outcome
