"""What the sandbox prints: a line for each request, and in red what is wrong with it; or JSON, an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import click
from rich.text import Text

from syncd.cli.output import coloured, console
from syncd.printable import json_text
from syncd.redact import MASK
from syncd.sandbox import Received, Verdict

FAINT = "bright_black"


class Exchanged(NamedTuple):
    received: Received
    verdict: Verdict


class Lines:
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
        key = "set SYNCD_IMSHOP__API_KEY to the key given" if has_key else "no key is asked for"
        self._print(Text(f"{key}; Ctrl-C ends it", FAINT))

    def show(self, exchanged: Exchanged) -> None:
        self._requests += 1
        self._faulty += bool(exchanged.verdict.faults)
        if self._as_json:
            click.echo(json_text(_as_json(exchanged)))
            return
        self._print(_line(exchanged))
        for fault in exchanged.verdict.faults:
            self._print(Text("          ✗ ", "red").append_text(_safe(fault, "red")))

    def end(self) -> None:
        if self._console.is_terminal:
            click.echo()  # the terminal has put ^C there
        if not self._as_json:
            click.echo(f"requests: {self._requests}, with faults: {self._faulty}")

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)


def _line(exchanged: Exchanged) -> Text:
    received, verdict = exchanged
    line = Text(f"{received.at.astimezone():%H:%M:%S}  ", FAINT)
    line.append_text(_safe(f"{received.order_id or '-':<10}  {received.code or '-':<12}  ", "bold"))
    for told in _told(received.body or {}):
        line.append_text(_safe(told)).append("  ")
    return line.append("→ ", FAINT).append_text(_answer(verdict))


def _told(body: Mapping[str, object]) -> Iterator[str]:
    """What else is in the request, as people would say it."""
    if "message" in body:
        yield f"«{body['message']}»"
    if "trackingUrl" in body:
        yield f"track {body['trackingUrl']}"
    payment = body.get("payment")
    if isinstance(payment, Mapping):
        yield f"paid {payment.get('paymentId')}" if payment.get("paid") is True else "not paid"
    if "userId" in body:
        yield f"user {body['userId']}"


def _answer(verdict: Verdict) -> Text:
    if verdict.failure:
        return Text(f"{verdict.failure}, as --fail wants it", "yellow")
    if verdict.faults:
        return Text(str(verdict.status), "red")
    return _safe(f"{verdict.status} {verdict.answer['imshopStatus']}", "green")


def _as_json(exchanged: Exchanged) -> dict[str, object]:
    received, verdict = exchanged
    body = received.body and {name: MASK if name == "key" else value for name, value in received.body.items()}
    return {
        "at": received.at.isoformat(),
        "number": received.number,
        "method": received.method,
        "path": received.path,
        "id": received.order_id,
        "code": received.code,
        "body": body,
        "status": verdict.status,
        "answer": verdict.answer,
        "faults": verdict.faults,
        "failure": str(verdict.failure) if verdict.failure else None,
    }


def _safe(text: str, style: str = "") -> Text:
    """As it came, but for what would drive the terminal."""
    shown = coloured(text)
    shown.style = style
    return shown
