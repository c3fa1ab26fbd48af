"""`syncd sandbox`: a stand-in for IMSHOP on this machine, to try an installation before IMSHOP gives out the URL.

It prints a line for each request, and in red what is wrong with it; with --json, an object a line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, Queue
from random import SystemRandom
from typing import NamedTuple

import click
from rich.text import Text

from syncd.cli.context import stopped_by_signals
from syncd.cli.tables import coloured, console
from syncd.errors import SettingsError, SyncdError
from syncd.redact import MASK
from syncd.sandbox import FAIL_HELP, Failure, Judgement, PushReceived, Sandbox, by_chance, parse_fail
from syncd.text import json_text

FAINT = "bright_black"
KEPT = 1000  # orders that the sandbox remembers
UNPRINTED = 1000  # requests that may wait to be printed; then the next request waits for its answer
POLL_SECONDS = 0.2
KEEP_LINES = "\n\n\b\n"  # starts a paragraph whose line breaks click keeps
FAIL_GRAMMAR = KEEP_LINES.join(FAIL_HELP.split("\n\n"))
HELP = f"""Run a local stand-in for IMSHOP that prints what it gets.

Set SYNCD_IMSHOP__URL to the URL that it prints first, and run `syncd once` or `syncd run` in another terminal. Each
request is checked against IMSHOP's protocol, and what is wrong with it is printed. Ctrl-C ends it.

With --fail it misbehaves:{KEEP_LINES}{FAIL_GRAMMAR}"""


class JudgedPush(NamedTuple):
    received: PushReceived
    judgement: Judgement


class RequestPrinter:
    """Prints each push with the sandbox's judgement."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = console()
        self._requests = 0
        self._faulty = 0

    def begin(self, url: str, *, has_key: bool) -> None:
        """First of all the URL, so that a script can read it."""
        if self._as_json:
            click.echo(json.dumps({"url": url}))
            return
        self._print(Text(f"SYNCD_IMSHOP__URL={url}", "bold"))
        key = "set SYNCD_IMSHOP__API_KEY to the key of --key" if has_key else "no key is required"
        self._print(Text(f"{key}; Ctrl-C ends it", FAINT))

    def show(self, push: JudgedPush) -> None:
        self._requests += 1
        self._faulty += bool(push.judgement.faults)
        if self._as_json:
            click.echo(json_text(_as_json(push)))
            return
        self._print(_line(push))
        for fault in push.judgement.faults:
            self._print(Text("          ✗ ", "red").append_text(_safe(fault, "red")))

    def end(self) -> None:
        if self._console.is_terminal:
            click.echo()  # the terminal has put ^C there
        if not self._as_json:
            click.echo(f"requests: {self._requests}, with faults: {self._faulty}")

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)


def _line(push: JudgedPush) -> Text:
    received, judgement = push
    line = Text(f"{received.at.astimezone():%H:%M:%S}  ", FAINT)
    line.append_text(_safe(f"{received.order_id or '-':<10}  {received.code or '-':<12}  ", "bold"))
    for field in _other_fields(received.body or {}):
        line.append_text(_safe(field)).append("  ")
    return line.append("→ ", FAINT).append_text(_answer(judgement))


def _other_fields(body: Mapping[str, object]) -> Iterator[str]:
    """The other fields of the request, in words."""
    if "message" in body:
        yield f"«{body['message']}»"
    if "trackingUrl" in body:
        yield f"track {body['trackingUrl']}"
    payment = body.get("payment")
    if isinstance(payment, Mapping):
        yield f"paid {payment.get('paymentId')}" if payment.get("paid") is True else "not paid"
    if "userId" in body:
        yield f"user {body['userId']}"


def _answer(judgement: Judgement) -> Text:
    if judgement.failure:
        return Text(f"{judgement.failure}, as --fail wants it", "yellow")
    if judgement.faults:
        return Text(str(judgement.status), "red")
    return _safe(f"{judgement.status} {judgement.answer['imshopStatus']}", "green")


def _as_json(push: JudgedPush) -> dict[str, object]:
    received, judgement = push
    body = received.body and {name: MASK if name == "key" else value for name, value in received.body.items()}
    return {
        "at": received.at.isoformat(),
        "number": received.number,
        "method": received.method,
        "path": received.path,
        "id": received.order_id,
        "code": received.code,
        "body": body,
        "status": judgement.status,
        "answer": judgement.answer,
        "faults": judgement.faults,
        "failure": str(judgement.failure) if judgement.failure else None,
    }


def _safe(text: str, style: str = "") -> Text:
    """The text without characters that would control the terminal."""
    shown = coloured(text)
    shown.style = style
    return shown


@click.command(help=HELP)
@click.option("--port", type=click.IntRange(0, 65535), default=9470, show_default=True, help="0: any free one.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on. To push to it from another machine, syncd needs SYNCD_IMSHOP__ALLOW_HTTP=true.",
)
@click.option("--key", metavar="KEY", help="The API key that requests must carry. Default: no key is required.")
@click.option("--fail", metavar="SPEC", help="How to misbehave, see above.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, the URL's first.")
def sandbox(port: int, host: str, key: str | None, fail: str | None, *, as_json: bool) -> None:
    pushes: Queue[JudgedPush] = Queue(UNPRINTED)
    server = Sandbox(
        port=port,
        host=host,
        key=key,
        behave=_misbehaviour(fail),
        on_request=lambda received, judgement: pushes.put(JudgedPush(received, judgement)),
        keep=KEPT,
    )
    printer = RequestPrinter(as_json=as_json)
    with stopped_by_signals() as stopped, _listening(server):
        printer.begin(server.url, has_key=key is not None)
        while not (stopped.is_set() and pushes.empty()):
            try:
                printer.show(pushes.get(timeout=POLL_SECONDS))
            except Empty:
                continue
    printer.end()


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


def _misbehaviour(spec: str | None) -> Callable[[PushReceived], Failure | None] | None:
    if spec is None:
        return None
    try:
        return by_chance(parse_fail(spec), SystemRandom())
    except ValueError as error:
        raise SettingsError([f"--fail: {error}"]) from None
