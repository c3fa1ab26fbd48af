"""Texts as HTML: a word breaks only if it is too long for a phone, and a command is set as code, to be copied."""

from __future__ import annotations

import re
from collections.abc import Callable

from markupsafe import Markup

from syncd.text import printable

LONGEST_WORD = 24
"""In characters: numbers, times and codes are shorter."""
COMMANDS = (
    *("init", "run", "once", "reconcile", "check", "status", "explain", "changes", "retry", "discard", "release"),
    *("resync", "statuses", "presets", "cancellations", "notify", "config", "sandbox", "demo"),
)
"""Whatever else follows the program's name is prose."""
_BROKEN_WORD = re.compile(rf"(\S{{{LONGEST_WORD + 1},}}|\S*[-–/?]\S*)")
"""What a browser would break wrongly: not at all, or at a hyphen."""
_ARGUMENT = r"(?: (?:-[-\w]+|pending|held|refused|dead|retry|[A-Z]{2,}|[0-9]+[smhd]?)\b)"
_ORDERS = r"resync (?:(?![.,] ).)+"
"""The shop's numbers may be any text, and end where the sentence does."""
_COMMAND = re.compile(
    rf"((?:sudo )?(?:syncd (?:{_ORDERS}|(?:{'|'.join(COMMANDS)})\b{_ARGUMENT}*)"
    r"|(?:systemctl \w+|journalctl -u) syncd\b(?:@\w+)?)|SYNCD_[A-Z_]+)"
)


def breakable(text: object) -> Markup:
    """Text of the shop, of IMSHOP or of syncd, escaped; characters that steer a screen are replaced."""
    return _marked(_BROKEN_WORD, _span, printable(text))


def with_commands(sentence: str) -> Markup:
    """A sentence of the program, with the commands and the settings in it as code."""
    return _marked(_COMMAND, command, printable(sentence))


def own_words(phrase: str) -> Markup:
    """A phrase of the program, to be filled in with texts, which are escaped."""
    return Markup(phrase)  # noqa: S704 - it is one of translations.py


def value_of(text: str) -> Markup:
    """A value within a phrase."""
    return Markup("<bdi>{}</bdi>").format(text)


def command(line: str) -> Markup:
    return Markup("<code>{}</code>").format(breakable(line))


def _span(word: str) -> Markup:
    return Markup('<span class="{}">{}</span>').format("long" if len(word) > LONGEST_WORD else "word", word)


def _marked(what: re.Pattern[str], mark: Callable[[str], Markup], text: str) -> Markup:
    parts = what.split(text)
    return Markup().join(mark(part) if number % 2 else part for number, part in enumerate(parts))
