"""The server that `forked.py` starts: it has imported all that `syncd` is, and forks for each command.

A child is what `python -m syncd` is once its modules are imported. There is one thread here, and no open file but
sockets, so a child has nothing that it did not make.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module, util
from typing import IO, Any

LAZY = (
    "apscheduler.triggers.cron",
    "pymysql.charset",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg",
    "syncd.cli.report_tables",
    "syncd.runtime.notifier",
    "syncd.state.postgresql",
)
"""What the commands import only where it is used."""
LONGEST_REQUEST = 1 << 17
PR_SET_PDEATHSIG = 1


class Server:
    """A request is arguments, environment and directory, with four descriptors: input, outputs, and the socket to its
    handle, which is told the process id and, when the child has ended, the exit status."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._children: dict[int, tuple[int, socket.socket]] = {}
        """By the descriptor that tells of the end."""
        self._ready = select.poll()
        self._ready.register(requests, select.POLLIN)

    def serve(self) -> None:
        """Until the tests are over. Returns in each child only, as the process that was asked for."""
        while True:
            for descriptor, _ in self._ready.poll():
                if descriptor in self._children:
                    self._reap(descriptor)
                    continue
                request, given, _, _ = socket.recv_fds(self._requests, LONGEST_REQUEST, 4)
                if not request:
                    sys.exit()  # and with this process the children die
                if (pid := os.fork()) == 0:
                    self._forget()
                    become(*json.loads(request), given=given)
                    return
                *streams, handle = given
                for stream in streams:
                    os.close(stream)
                self._keep(pid, socket.socket(fileno=handle))

    def _keep(self, pid: int, handle: socket.socket) -> None:
        descriptor = os.pidfd_open(pid)
        self._children[descriptor] = pid, handle
        self._ready.register(descriptor, select.POLLIN)
        handle.send(str(pid).encode())

    def _reap(self, descriptor: int) -> None:
        pid, handle = self._children.pop(descriptor)
        self._ready.unregister(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(pid, 0)
        with handle, suppress(OSError):  # a handle may have been dropped
            handle.send(str(os.waitstatus_to_exitcode(status)).encode())

    def _forget(self) -> None:
        """In a child: all that is the server's."""
        self._requests.close()
        for descriptor, (_, handle) in self._children.items():
            os.close(descriptor)
            handle.close()


def become(arguments: list[str], env: Mapping[str, str], cwd: str, *, given: list[int]) -> None:
    """What the kernel and the interpreter do when `python -m syncd` starts."""
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    for number, descriptor in enumerate(given[:3]):
        os.dup2(descriptor, number)
    for descriptor in given:
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    module = util.find_spec("syncd.__main__")
    assert module
    assert module.origin
    sys.argv = [module.origin, *arguments]
    sys.path.insert(0, cwd)
    sys.stdin = stream(0, "r", sys.stdin)
    sys.stdout = stream(1, "w", sys.stdout)
    sys.stderr = stream(2, "w", sys.stderr, buffering=1)


def stream(number: int, mode: str, before: Any, buffering: int = -1) -> IO[Any]:
    return open(number, mode, buffering, encoding=before.encoding, errors=before.errors, closefd=False)


class Ending:
    """At its end Python takes each module apart, which takes longer than most commands. A child leaves that to the
    kernel, once its threads have ended and all else that was registered with `atexit` has run."""

    def __init__(self) -> None:
        self.status = 1  # that of an exception which nothing caught
        atexit.register(self._leave)  # what is registered first runs last

    def _leave(self) -> None:
        with suppress(OSError, ValueError):  # Python says what it has to of a stream that cannot be written
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.status)


if __name__ == "__main__":
    ending = Ending()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, with which this ends
    from syncd.cli.commands import COMMANDS, main

    for name in (*(f"syncd.cli.{entry.module}" for entry in COMMANDS.values()), *LAZY):
        import_module(name)
    gc.freeze()  # a child that looked for garbage in all this would copy it
    libc, server = ctypes.CDLL(None), os.getpid()
    Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        sys.exit()
    try:
        main()
    except SystemExit as ended:
        if not isinstance(ended.code, str):
            ending.status = ended.code or 0
        raise
