"""Text of a shop, a buyer or a server, without what steers a screen: line breaks, escapes, changes of direction.

A terminal obeys C1 controls as it does escapes, and U+202E turns the rest of a line around, so that what one reads is
not what is there. Such characters are replaced where people read, and escaped where programs do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from unicodedata import category

REPLACEMENT = "\ufffd"
_SUSPECT = re.compile(r"[^ -~]")


def printable(text: object) -> str:
    """On one line, with U+FFFD for each character that does not show."""
    return _SUSPECT.sub(lambda found: found[0] if _shows(found[0]) else REPLACEMENT, str(text))


def json_text(document: object, *, indent: int | None = None, default: Callable[[Any], object] | None = None) -> str:
    """JSON in which all letters stand as they are, and what does not show is escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=indent, default=default)
    return _SUSPECT.sub(lambda found: found[0] if _shows(found[0]) or found[0] == "\n" else _escaped(found[0]), text)


def _shows(character: str) -> bool:
    return character.isprintable() or category(character) == "Zs"


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1]
