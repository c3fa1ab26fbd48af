"""`syncd` as a process that need not import anything: it is forked from one that has, `fork_server.py`.

To import is most of what a short command costs. What is forked has its own process id, environment, directory, streams,
signals and exit status; what a process reads only when it starts it cannot have, see `READ_AT_START`.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Self, TextIO

SERVER = Path(__file__).with_name("fork_server.py")
LANGUAGE = "C.UTF-8"
READ_AT_START = ("LD_", "PYTHON", "LC_", "MALLOC_", "OPENSSL_")
"""How the variables begin that the loader, the libraries and the interpreter read once."""


def can_fork(env: Mapping[str, str]) -> bool:
    """Whether a command in this environment may be forked."""
    return env.get("LANG") == LANGUAGE and not any(name.startswith(READ_AT_START) for name in env)


class Forked:
    """A command that was forked. It is used as a `subprocess.Popen` is; it dies with the process that started it."""

    def __init__(
        self, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: IO[bytes] | None = None
    ) -> None:
        """`log`: where both outputs go, instead of into pipes. There is no input."""
        assert can_fork(env), "such a command needs a process that has just started"
        self.args = ("syncd", *arguments)
        self.returncode: int | None = None
        self.stdout, out = _output(log)
        self.stderr, err = _output(log)
        self._server, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps([[*arguments], dict(env), str(cwd)]).encode()
        with theirs, open(os.devnull, "rb") as nothing:  # noqa: PTH123 - no more than a descriptor
            given = [nothing.fileno(), out, err, theirs.fileno()]
            socket.send_fds(_server(), [request], given)
        os.close(out)
        os.close(err)
        self.pid = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.wait()
        for stream in (self.stdout, self.stderr):
            if stream:
                stream.close()

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._server.settimeout(timeout)
            try:
                self.returncode = self._answer()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._server.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it prints until it ends. If that takes longer than `timeout`, it is killed."""
        assert self.stdout
        assert self.stderr
        with ThreadPoolExecutor(2) as threads, self.stdout, self.stderr:
            printed, complained = threads.submit(self.stdout.read), threads.submit(self.stderr.read)
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            return printed.result(), complained.result()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _answer(self) -> int:
        """First the process id, then the exit status."""
        answer = self._server.recv(64)
        assert answer, "the server of forks has ended"
        return int(answer)


def _output(log: IO[bytes] | None) -> tuple[TextIO | None, int]:
    """The end that is read here, if any, and the one that the command writes to."""
    if log is not None:
        return None, os.dup(log.fileno())
    readable, writable = os.pipe()
    return open(readable, encoding="utf-8"), writable  # noqa: PTH123 - a descriptor, that the handle keeps


@cache
def _server() -> socket.socket:
    """The way to the server of this process, which ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-P", SERVER, str(theirs.fileno())],
            env={"PATH": os.environ["PATH"], "LANG": LANGUAGE},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours
