"""`syncd explain`: what one buyer sees and why, then the order's story, from the shop and from the state."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from shlex import quote

import click
from rich.text import Text

from syncd.cli.cancellations_command import print_cancellations
from syncd.cli.context import opened_state, settings
from syncd.cli.init_phrases import language_of
from syncd.cli.output import json_option, plain, print_json
from syncd.cli.tables import COLOURS, coloured, console, print_pairs, print_table
from syncd.explain import NOBODY_KNOWS, Because, BuyerView, Explanation, buyer_view, from_state, told_in_words
from syncd.pipeline.statuses_file import StatusesFile
from syncd.runtime import composition
from syncd.shop_lookup import in_the_shop
from syncd.state import ChangeView
from syncd.wording import NOT_SHOWN, in_steps, in_words, order_facts, seen_facts

AGREES = {True: "green", False: "red", None: "yellow"}


@click.command()
@click.argument("order_id")
@json_option
@click.pass_context
def explain(ctx: click.Context, order_id: str, *, json: bool) -> None:
    """Tell what the buyer of an order sees, and why; and its story: what the shop says now, what was seen when, each
    change, each attempt and its answer. In Russian where the terminal's language is Russian."""
    chosen = settings(ctx, level="error")
    statuses = StatusesFile(chosen.statuses.file).now
    with opened_state(chosen) as state:
        known = from_state(state.reports, order_id, statuses, chosen.source.lookback)
    known = replace(known, in_shop=in_the_shop(composition.source(chosen), known.story))
    if json:
        print_json(_document(known))
    else:
        ExplanationPrinter(_translation()).print(known)
    ctx.exit(0 if known.is_known else 1)


def _document(known: Explanation) -> Mapping[str, object]:
    view, order = buyer_view(known), known.in_shop.order
    reasons = [{"reason": one.said(), "command": one.command, "agrees": one.agrees} for one in view.reasons]
    buyer = {"agrees": view.agrees, "imshop_status": view.imshop_status, "reads": view.reads, "reasons": reasons}
    return {
        "source": order and plain(order_facts(order)),
        "source_error": known.in_shop.fault,
        "buyer": buyer if known.is_known else None,
        "similar": [*known.similar],
        **plain(asdict(known.story)),
        "cancellations": [plain(asdict(one)) for one in known.cancellations],
    }


def _translation() -> Callable[[str], str]:
    if language_of(os.environ) == "en":
        return str
    from syncd.web.translations import Translator  # noqa: PLC0415 - the page's room takes a while to load

    return Translator("ru")


class ExplanationPrinter:
    """Prints an explanation for people, in one language."""

    def __init__(self, translate: Callable[[str], str]) -> None:
        self._ = translate
        self._out = console()

    def print(self, known: Explanation) -> None:
        if not known.is_known:
            self._print_unknown(known)
            return
        self._print_view(buyer_view(known))
        self._heading("In the shop now")
        order, fault = known.in_shop.order, known.in_shop.fault
        self._print_facts(order_facts(order) if order else {"": self._(fault or NOT_SHOWN)})
        self._heading("Seen by syncd")
        self._print_facts(seen_facts(known.story) or {"": self._("never")})
        self._heading("Changes")
        self._print_table(
            ["id", "Detected", "Change", "What became of it", "next attempt", "delivered", "Status at IMSHOP"],
            [self._change_row(change) for change in known.story.changes],
        )
        self._heading("Attempts")
        self._print_table(
            ["Change", "When", "Result", "HTTP", "IMSHOP's answer"],
            [
                [one.change_id, one.started_at, self._state(one.result), one.http_status, one.detail]
                for one in known.story.attempts
            ],
        )
        if known.cancellations:
            self._heading("Cancelled in the app")
            print_cancellations(known.cancellations)

    def _print_unknown(self, known: Explanation) -> None:
        fault = known.in_shop.fault
        self._out.print(coloured(self._(NOBODY_KNOWS)))
        if fault:
            self._out.print(coloured(self._(fault)))
        for order_id in known.similar:
            self._out.print(coloured(f"{self._('Did you mean')}: syncd explain {quote(order_id)}"))

    def _print_view(self, view: BuyerView) -> None:
        self._out.print(Text(self._(view.headline), style=f"bold {AGREES[view.agrees]}"))
        for reason in view.reasons:
            self._out.print(coloured(f"  {self._said(reason)}"))
        self._out.print()
        pairs = {
            "The shop says": view.says and in_words(view.says, self._),
            "IMSHOP was told": told_in_words(view, self._, lambda at: str(coloured(at))),
            "The buyer reads": view.reads,
            "IMSHOP shows": view.imshop_status or self._("not known"),
        }
        print_pairs([(self._(name), value) for name, value in pairs.items() if value])

    def _said(self, reason: Because) -> str:
        said = reason.said(self._, lambda value: str(coloured(value)))
        return f"{said}: {reason.command}" if reason.command else said

    def _change_row(self, change: ChangeView) -> list[object]:
        became = self._state(change.state)
        if change.hold and change.state == "held":
            became.append(f" ({self._(change.hold)})")
        when = [change.next_attempt_at, change.delivered_at]
        return [change.id, change.detected_at, in_steps(change, self._), became, *when, change.imshop_status]

    def _state(self, word: str) -> Text:
        return Text(self._(word), style=COLOURS.get(word, ""))

    def _heading(self, phrase: str) -> None:
        self._out.print(f"\n[bold]{self._(phrase)}[/]")

    def _print_table(self, headings: list[str], rows: list[list[object]]) -> None:
        if rows:
            print_table([self._(heading) for heading in headings], rows)
        else:
            self._out.print(self._("none"))

    def _print_facts(self, facts: Mapping[str, object]) -> None:
        shown = {
            name: in_words(value, self._) if isinstance(value, Mapping) else value for name, value in facts.items()
        }
        print_pairs([(self._(name), value) for name, value in shown.items() if value is not None])
