"""`syncd sandbox`: what a new installation is pointed at before IMSHOP hands out the URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from random import SystemRandom

import click

from syncd.cli.sandbox_lines import Exchanged, Lines
from syncd.cli.signals import stopped_by_signals
from syncd.errors import SettingsError, SyncdError
from syncd.sandbox import FAIL_HELP, Failure, Received, Sandbox, by_chance, parse_fail

KEPT = 1000  # orders that the sandbox remembers
UNPRINTED = 1000  # requests that wait to be printed; beyond that the next ones wait for their answers
LOOK_SECONDS = 0.2
AS_IT_IS = "\n\n\b\n"  # begins a paragraph whose lines click leaves as they are
FAIL_GRAMMAR = AS_IT_IS.join(FAIL_HELP.split("\n\n"))
HELP = f"""Run a local stand-in for IMSHOP that prints what it gets.

Set SYNCD_IMSHOP__URL to the URL that it prints first, and run `syncd once` or `syncd run` in another terminal. Each
request is checked against IMSHOP's protocol, and what is wrong with it is told. Ctrl-C ends it.

With --fail it misbehaves:{AS_IT_IS}{FAIL_GRAMMAR}"""


@click.command(help=HELP)
@click.option("--port", type=click.IntRange(0, 65535), default=9470, show_default=True, help="0: any free one.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on. To push to it from another machine, syncd needs SYNCD_IMSHOP__ALLOW_HTTP=true.",
)
@click.option("--key", metavar="KEY", help="The API key that requests must carry. Default: none is asked for.")
@click.option("--fail", metavar="SPEC", help="How to misbehave, see above.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, the URL's first.")
def sandbox(port: int, host: str, key: str | None, fail: str | None, *, as_json: bool) -> None:
    exchanged: Queue[Exchanged] = Queue(UNPRINTED)
    server = Sandbox(
        port=port,
        host=host,
        key=key,
        behave=_misbehaviour(fail),
        on_request=lambda received, verdict: exchanged.put(Exchanged(received, verdict)),
        keep=KEPT,
    )
    lines = Lines(as_json=as_json)
    with stopped_by_signals() as stopped, _listening(server):
        lines.begin(server.url, has_key=key is not None)
        while not (stopped.is_set() and exchanged.empty()):
            try:
                lines.show(exchanged.get(timeout=LOOK_SECONDS))
            except Empty:
                continue
    lines.end()


@contextmanager
def _listening(server: Sandbox) -> Iterator[None]:
    try:
        server.start()
    except SyncdError as error:
        raise SettingsError([f"--port: {error}"]) from error
    try:
        yield
    finally:
        server.stop()


def _misbehaviour(spec: str | None) -> Callable[[Received], Failure | None] | None:
    if spec is None:
        return None
    try:
        return by_chance(parse_fail(spec), SystemRandom())
    except ValueError as error:
        raise SettingsError([f"--fail: {error}"]) from None
