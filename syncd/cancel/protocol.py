"""IMSHOP's request, read strictly, and the answer in the words of the generation that asked. Pure.

What is not a cancellation of one order beyond doubt is no cancellation: nobody knows what was meant.

What buyers read where the shop gives no words of its own, and the shop's words made fit to be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, NoReturn

from syncd.model import CancelDecision, CancelRequest, Generation
from syncd.text import without_blanks

LONGEST_ID = 128
LONGEST_REASON = 1000
CANCELLED = ("canceled", "cancelled")
_WORDS: Mapping[Generation, tuple[str, str]] = {
    "first": ("newStatus", "newMessage"),
    "current": ("status", "message"),
}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class MalformedError(ValueError):
    """The request is not the protocol. The text says why, and repeats nothing of it."""


def parsed(body: bytes) -> Mapping[str, Any]:
    """The JSON object in a body. MalformedError: it is none in UTF-8, or says something twice."""
    try:
        fields = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_once_each, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise MalformedError("the body is not UTF-8") from None
    except MalformedError:
        raise
    except (ValueError, RecursionError):  # also a number of more digits than Python reads
        raise MalformedError("the body is not JSON") from None
    if not isinstance(fields, dict):
        raise MalformedError("the body is not a JSON object")
    return fields


def key_in(fields: Mapping[str, Any]) -> str | None:
    """The key that is sent in the body, if one is."""
    key = fields.get("key")
    return key if isinstance(key, str) else None


def asked_in(fields: Mapping[str, Any]) -> CancelRequest:
    """The cancellation that is asked for. MalformedError: none is, or it cannot be told of which order."""
    generation: Generation = "current" if "id" in fields or "status" in fields else "first"
    status = fields.get("status")
    if status is not None and not (isinstance(status, str) and without_blanks(status).lower() in CANCELLED):
        raise MalformedError("status is not canceled, and nothing else can be asked for here")
    number, internal = _identifier(fields, "id"), _identifier(fields, "internalId")
    if number and internal and number != internal:
        raise MalformedError("id and internalId name two orders")
    uuid = _identifier(fields, "uuid")
    order_id = number or internal
    if order_id is None and uuid is None:
        raise MalformedError("none of id, internalId and uuid says which order it is")
    return CancelRequest(generation, order_id, uuid, _reason(fields.get("reason")))


def answer(generation: Generation, decision: CancelDecision) -> dict[str, object]:
    """What IMSHOP is told of a decision, in the words of the generation that asked."""
    status, message = _WORDS[generation]
    words = {status: decision.status, message: decision.message}
    return {"success": decision.state == "accepted"} | {name: word for name, word in words.items() if word is not None}


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedError("the body says something twice")
    return fields


def _no_number(_text: str) -> NoReturn:
    raise MalformedError("the body is not JSON")


def _identifier(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        value = str(value)
    if value is None:
        return None
    if not isinstance(value, str):
        raise MalformedError(f"{name} is no text")
    value = without_blanks(value)
    if _UNPRINTABLE.search(value) or len(value) > LONGEST_ID:
        raise MalformedError(f"{name} can be no identifier: it is too long, or holds characters that nobody can see")
    return value or None


def _reason(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise MalformedError("reason is no text")
    return without_blanks(_UNPRINTABLE.sub(" ", value))[:LONGEST_REASON] or None if value else None


REFUSED = "Этот заказ уже нельзя отменить. Пожалуйста, свяжитесь с магазином."
NOT_KNOWN = "Заказ пока не найден. Попробуйте ещё раз через несколько минут или свяжитесь с магазином."
LONGEST_MESSAGE = 200


def for_the_buyer(text: str) -> str | None:
    """The shop's words without HTML, at most 200 characters; None where there is nothing to read, or where bytes of it
    were no text in the charset that they should be in."""
    words = one_line(_without_html(text) if "<" in text or "&" in text else text, LONGEST_MESSAGE)
    return None if words and "\ufffd" in words else words


def one_line(text: str, longest: int) -> str | None:
    """Its beginning in one line of printable text; None where there is nothing to read."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:longest].strip() or None


def _without_html(text: str) -> str:
    found = _Text()
    found.feed(text)
    found.close()
    return found.text


class _Text(HTMLParser):
    """The text between tags; what scripts and styles hold is none."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data
