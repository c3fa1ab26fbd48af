"""IMSHOP's request and the answer to it, and the words in it that a buyer reads. Pure.

The request is read strictly: what is not beyond doubt the cancellation of one order is refused, for nobody knows what
was meant. The answer uses the field names of the protocol's generation that asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, NoReturn

from syncd.model import CancelDecision, CancelRequest, Generation
from syncd.text import one_line, without_blanks

LONGEST_ID = 128
LONGEST_REASON = 1000
LONGEST_MESSAGE = 200
REFUSED = "Этот заказ уже нельзя отменить. Пожалуйста, свяжитесь с магазином."
NOT_KNOWN = "Заказ пока не найден. Попробуйте ещё раз через несколько минут или свяжитесь с магазином."
"""These two are what buyers read where the shop gives no words of its own."""
CANCELLED = ("canceled", "cancelled")
_ANSWER_FIELDS: Mapping[Generation, tuple[str, str]] = {
    "first": ("newStatus", "newMessage"),
    "current": ("status", "message"),
}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class MalformedError(ValueError):
    """The request does not follow the protocol. The text says why, and quotes nothing of it."""


def parse_body(body: bytes) -> Mapping[str, Any]:
    """The JSON object in a body. MalformedError: it is not UTF-8, no JSON object, or has a member twice."""
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
    """The API key in the body, if it is sent there."""
    key = fields.get("key")
    return key if isinstance(key, str) else None


def request_in(fields: Mapping[str, Any]) -> CancelRequest:
    """What is asked for. MalformedError: no cancellation, or of which order is not clear."""
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


def answer_to(generation: Generation, decision: CancelDecision) -> dict[str, object]:
    """What IMSHOP is answered, in the field names of the generation that asked."""
    status, message = _ANSWER_FIELDS[generation]
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


def for_the_buyer(text: str) -> str | None:
    """The shop's words without HTML, at most 200 characters; None: there is nothing to read, or not all of it could be
    decoded."""
    words = shortened(_without_html(text) if "<" in text or "&" in text else text, LONGEST_MESSAGE)
    return None if words and "\ufffd" in words else words


def shortened(text: str, longest: int) -> str | None:
    """The beginning of the text, on one line; None: there is nothing to read."""
    return " ".join(one_line(text).split())[:longest].strip() or None


def _without_html(text: str) -> str:
    found = _Text()
    found.feed(text)
    found.close()
    return found.text


class _Text(HTMLParser):
    """The text between the tags, without the content of scripts and styles."""

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
