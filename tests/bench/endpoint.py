"""IMSHOP's stand-in for measurements, in a process of its own: `python -m tests.bench.endpoint SECONDS` answers each
push after so many seconds, prints its URL first, and ends with its standard input.

The sandbox checks what it is sent, with a thread for each connection: at 64 connections it is slower than what is
measured here.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

KEY = "bench-key"
BACKLOG = 1024
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


@contextmanager
def endpoint(seconds: float) -> Iterator[str]:
    """The URL of a server that answers after `seconds`; its CPU is not this process's."""
    command = [sys.executable, "-m", "tests.bench.endpoint", str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        assert server.stdin is not None
        server.stdin.close()


class _Answering(asyncio.Protocol):
    """One connection, whose client sends its next request only after the answer."""

    transport: asyncio.Transport

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and length and len(body) == int(length[1]):
            self._received = b""
            asyncio.get_running_loop().call_later(self._seconds, self.transport.write, _answer(body))


def _answer(body: bytes) -> bytes:
    sent = json.loads(body)
    taken = {"success": True, "internalId": sent["id"], "uuid": "5f0c954e-7c55-5c3b-9d3a-2f8b2c7f7f10"}
    answer = json.dumps({**taken, "newStatus": sent["code"], "imshopStatus": "packed", "message": ""}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {len(answer)}\r\n\r\n"
    return head.encode() + answer


async def main(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answering(seconds), "127.0.0.1", 0, backlog=BACKLOG)
    click.echo(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/clients/bench/statuses/sync/token")
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
