"""Text from outside: what may be shown on a screen, and what counts as blank. And numbers with their nouns, durations.

Shown: a terminal obeys C1 controls as it does escapes, and U+202E reverses the rest of a line, so that one reads what
is not there. Such characters are replaced where people read, and escaped where programs do.

Blank: CHAR columns are padded, and people copy blanks along with a value. One rule for every source, for IMSHOP's
requests and for settings: all white space of Unicode is blank, the no-break space too, and so is every character that
nobody sees: controls, zero-width characters, byte order marks, marks of direction. Blanks within a value stay; a value
of blanks alone is no value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unicodedata import category

from typing_extensions import override

REPLACEMENT = "\ufffd"
_SUSPECT = re.compile(r"[^ -~]")


def printable(text: object) -> str:
    """The text on one line, with U+FFFD for each character that is not visible."""
    return _SUSPECT.sub(lambda found: found[0] if _visible(found[0]) else REPLACEMENT, str(text))


def one_line(text: str) -> str:
    """The text without control characters, NUL or lone surrogates, which some databases refuse to store; blanks are
    joined where there were any of these."""
    if text.isprintable():
        return text
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def json_text(document: object, *, indent: int | None = None, default: Callable[[Any], object] | None = None) -> str:
    """JSON with all letters unescaped, and characters that are not visible escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=indent, default=default)
    return _SUSPECT.sub(lambda found: found[0] if _visible(found[0]) or found[0] == "\n" else _escaped(found[0]), text)


def short_span(span: timedelta, units: tuple[str, str, str] = ("s", "h", "d")) -> str:
    """A duration in its greatest unit, and hours with their minutes: `45 s`, `3:05 h`, `15 d`."""
    second, hour, day = units
    if span < timedelta(minutes=1):
        return f"{span.total_seconds():.0f} {second}"
    minutes = round(span.total_seconds() / 60)
    return f"{minutes // 60}:{minutes % 60:02} {hour}" if minutes < 48 * 60 else f"{minutes // 1440} {day}"


class Count(int):
    """A number that brings its noun: `"{n:order|orders}".format(n=Count(2))` is `2 orders`. Two forms are those of
    English; three are those of Russian: 1 заказ, 2 заказа, 5 заказов."""

    @override
    def __format__(self, forms: str) -> str:
        one, *few, many = forms.split("|") if "|" in forms else [forms, forms]
        if not few:
            return f"{int(self)} {one if self == 1 else many}".rstrip()
        last, is_teen = self % 10, self % 100 // 10 == 1
        return f"{int(self)} {many if is_teen or not 0 < last < 5 else one if last == 1 else few[0]}"


def _visible(character: str) -> bool:
    return character.isprintable() or category(character) == "Zs"


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1]


BLANKS = "".join(
    chr(code)
    for first, last in (
        (0x01, 0x20),  # not NUL, which no text in PostgreSQL can hold
        (0x7F, 0xA0),
        (0x1680, 0x1680),
        (0x180E, 0x180E),
        (0x2000, 0x200F),
        (0x2028, 0x202F),
        (0x205F, 0x206F),
        (0x3000, 0x3000),
        (0xFEFF, 0xFEFF),
    )
    for code in range(first, last + 1)
)


def without_blanks(text: str) -> str:
    """The text without the blanks at its ends."""
    return text.strip(BLANKS)
