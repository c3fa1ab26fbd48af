"""Masks secrets in everything that is logged or shown, as the last step before it is.

A driver's exception may carry a URL or a password in any spelling, and reaches people by many ways.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

from syncd.text import json_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = "***"
_SHORTEST = 4
"""A shorter secret would be masked inside other words, and could be guessed from that."""
_PASSWORD_IN_URL = re.compile(r"""([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@"]*:)[^\s/?#"]*@""")
_PHONE = re.compile(r"\+\d(?:[ ()-]{0,2}\d){9,14}(?!\d)|(?<![\d.+-])[78](?:[ ()-]{0,2}\d){10}(?![\d.])")
"""International with a plus, or eleven digits as they are dialled in Russia and Kazakhstan."""


def without_phones(text: str) -> str:
    """The text with phone numbers masked. An id that looks like one is masked too, so this is not for ids."""
    return _PHONE.sub(MASK, text)


class Redactor:
    """Replaces each of `secrets`, and the password of anything that looks like a URL, by `***`. Thread-safe."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret) if len(spelling) >= _SHORTEST}
        longest_first = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        if self._secrets:
            text = self._secrets.sub(MASK, text)
        return _PASSWORD_IN_URL.sub(rf"\1{MASK}@", text) if "://" in text else text


def _spellings(secret: str) -> Iterator[str]:
    """As it is, percent-encoded, percent-decoded, and as JSON, a form or Python's repr would write it."""
    for spelling in (secret, unquote(secret)):
        yield from (spelling, quote(spelling, safe=""), quote(spelling), quote_plus(spelling))
        yield from (json.dumps(spelling)[1:-1], json_text(spelling)[1:-1], printable(spelling), repr(spelling)[1:-1])
