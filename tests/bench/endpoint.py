"""IMSHOP's stand-in in a process of its own: `python -m tests.bench.endpoint SECONDS` answers each request after so
many seconds, prints its URL first, and ends with its standard input."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from syncd.sandbox import Failure, Sandbox

KEY = "bench-key"
KEPT = 100


@contextmanager
def endpoint(seconds: float) -> Iterator[str]:
    """The URL of a server that answers after `seconds`; its CPU is not this process's."""
    command = [sys.executable, "-m", "tests.bench.endpoint", str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        assert server.stdin is not None
        server.stdin.close()


def main(seconds: float) -> None:
    late = Failure("late", seconds=seconds) if seconds else None
    with Sandbox(key=KEY, behave=lambda _received: late, keep=KEPT) as sandbox:
        click.echo(sandbox.url)
        sys.stdin.read()


if __name__ == "__main__":
    main(float(sys.argv[1]))
