"""A command from its start to its end: `python -m tests.bench.measured COMMAND…` prints its seconds, its peak memory in
MB and its output as JSON.

A process in between, since the peak of a child counts what its parent had when it was forked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from resource import RUSAGE_CHILDREN, getrusage
from typing import NamedTuple


class Measured(NamedTuple):
    seconds: float
    peak: float
    output: str


def measured(command: Sequence[str], environ: Mapping[str, str]) -> Measured:
    """CalledProcessError if the command fails."""
    between = [sys.executable, "-m", "tests.bench.measured", *command]
    return Measured(*json.loads(subprocess.run(between, env=environ, stdout=subprocess.PIPE, check=True).stdout))


def main(command: Sequence[str]) -> None:
    started = time.perf_counter()
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    took = time.perf_counter() - started
    json.dump([took, getrusage(RUSAGE_CHILDREN).ru_maxrss / 1024, ran.stdout], sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
