"""Templates that a person writes: texts with {order_id}, {shop_id}, {uuid} or {reason} where values go. Pure.

Each value is quoted for the place where it stands, each layer in turn, so that it stays a value: in the form field
`order={"statusComment":"{reason}"}` it is quoted as JSON text, and that as a form's. What the other side reads there is
always what went in. Where nobody can tell how a place will be read, the template is refused: ValueError says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TypeAlias
from urllib.parse import quote, quote_plus, unquote, unquote_plus

NAMES = ("order_id", "shop_id", "uuid", "reason")
IDENTIFIERS = frozenset({"order_id", "shop_id", "uuid"})
FORM = "application/x-www-form-urlencoded"
JSON = "application/json; charset=utf-8"
WITH_BODY = ("POST", "PUT", "PATCH")
"""Methods of which a call that has no body of its own gets one with all that is known."""

Values = Mapping[str, str]
Quote: TypeAlias = Callable[[str], str]

_NAMED = re.compile(r"\{(\w+)\}")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FORM = re.compile(r"\s*[\w.\[\]-]+=")
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
_JSON_BEGINS = re.compile(r'\s*(\{\s*["}]|\[\s*["\[{\]])')
_ENCLOSED = re.compile(r"""(?:^|(?<=[\s(=:,;\[{]))(["'`])(?:(?!\1).)*?\{\w+\}(?:(?!\1).)*\1""", re.DOTALL)
_IN_APOSTROPHES = re.compile(r"'[^']*'")
_LANGUAGE = re.compile(r"[{}]|=.*\s|\s.*=")
_MEANT_AS_PLACE = re.compile(r"""\{[^\s{}"',:]*\}|^\s*\{[^{}"]*\}\s*$""")
"""Braces that a person took for a place. Those of a language within a text, as GraphQL's, hold more than a word."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the value of that name goes, once it is quoted: the innermost way first. `beside`: the text that it stands
    in, with others, and where nothing is quoted: a language of which nobody knows may read it."""

    name: str
    quotes: tuple[Quote, ...] = ()
    beside: str = ""

    def text(self, values: Values) -> str:
        """ValueError: the value could be more than a value there."""
        text = values.get(self.name, "")
        if self.beside and text and self.name in IDENTIFIERS and not _is_a_word(text, self.beside):
            raise ValueError(
                f"{{{self.name}}} stands beside other text, and this value could be more than a value there"
            )
        for quoted in self.quotes:
            text = quoted(text)
        return text


@dataclass(frozen=True, slots=True)
class Template:
    """Texts that go out as they are, and places for values among them."""

    parts: Sequence[str | Place]

    @property
    def places(self) -> frozenset[str]:
        """The names of the places."""
        return frozenset(part.name for part in self.parts if isinstance(part, Place))

    def filled(self, values: Values) -> str:
        """The text, with the values in their places. A value that is not given is empty. ValueError: one cannot stand
        in its place."""
        return "".join(part if isinstance(part, str) else part.text(values) for part in self.parts)


def url_template(text: str, names: Collection[str] = NAMES) -> Template:
    """An address. In its path a value is percent-quoted, a slash too; in its query each parameter is a text of its own,
    which may be JSON. Between apostrophes, as OData has its texts, those of the value are doubled."""
    address, question, query = text.partition("?")
    if "#" in text and _NAMED.search(text.partition("#")[2]):
        raise ValueError("holds a place behind a #, which is never sent")
    has_places = _places(address, names)
    _no_other_braces(address, names)
    if re.search(r'["`<>{}]' if has_places else "[{}]", unquote(_NAMED.sub("x", address))):
        raise ValueError("holds a place in a path with quotes or braces, and nobody can tell how it is read")
    parts = _apostrophes_doubled(address, names, _path_quoted)
    if question:
        fields = (_parameter(field, names) for field in query.split("&"))
        parts += ["?", *_joined(fields, "&")]
    return Template(parts)


def header_template(text: str, names: Collection[str] = NAMES) -> Template:
    """A header's value. Values in it are percent-quoted whole, so that they can end no part of it."""
    return Template(_quoted_alike(text, names, lambda value: quote(value, safe="")))


def body_template(text: str, content_type: str | None, names: Collection[str] = NAMES) -> tuple[Template, str]:
    """A body that is JSON or a form, as its Content-Type says or else as it looks, and the Content-Type to send it
    with."""
    kind = (content_type or "").lower()
    if content_type and "json" not in kind and FORM not in kind:
        raise ValueError("can be JSON or a form, and the Content-Type header says neither")
    if "json" in kind or (not kind and _looks_like_json(text)):
        return Template(_json(text, names)), content_type or JSON
    if "=" not in text:
        raise ValueError('is neither JSON nor a form: {"number": "{order_id}"} or number={order_id}')
    return Template(_form(text, names)), content_type or FORM


def _text(text: str, names: Collection[str]) -> list[str | Place]:
    """A text as the layer around it gives it, without that layer's quoting: it may be another layer itself."""
    bare = _NAMED.sub("x", text)
    if bare.lstrip()[:1] in ("{", "[") and _parses(text):
        return _json(text, names)
    if not _places(text, names):
        _no_other_braces(text, names)
        return [text]
    if _JSON_BEGINS.match(bare) or _is_json_without_quotes(text):
        raise ValueError('holds JSON that cannot be read; places stand within quotes: {"number": "{order_id}"}')
    if bare.lstrip().startswith("<"):
        raise ValueError("holds XML or HTML, in which values cannot be quoted; use JSON or a form")
    if _URL.match(text):
        return [*url_template(text, names).parts]
    if _FORM.match(bare) or ("&" in bare and "=" in bare):
        raise ValueError("holds a form within a text, and nobody can tell how it is read; use fields of their own")
    if _ESCAPED.search(bare):
        raise ValueError("holds a text with %XX in it, and nobody can tell how it is read; write the text itself")
    if _ENCLOSED.search(text):
        raise ValueError(
            "holds a place between quotes in a text that is not JSON, and nobody can tell how it is read; "
            "leave the quotes out, or use JSON"
        )
    return _beside(text, bare, names)


def _beside(text: str, bare: str, names: Collection[str]) -> list[str | Place]:
    """Places in a text that nothing tells how it is read. `bare`: the text with an x in each."""
    parts = _quoted_alike(text, names, str)
    if _LANGUAGE.search(bare):
        raise ValueError(
            "holds a place in a text with braces, or = and blanks: it may be another language, where a value could "
            "be more than a value; leave them out, or let the place stand alone"
        )
    if bare.strip() == "x":
        return parts
    return [replace(part, beside=bare) if isinstance(part, Place) else part for part in parts]


def _is_a_word(value: str, beside: str) -> bool:
    """Whether it is one word with a digit, as numbers and keys of orders are, in any language that the text beside it
    may be in: no name, no operator, and no separator that the text has too."""
    separators = {one for one in "/:" if one in beside and one in value}
    return not separators and re.fullmatch(r"[\w.:/#№-]+", value) is not None and re.search(r"\d", value) is not None


def _json(text: str, names: Collection[str]) -> list[str | Place]:
    """JSON's own text, but for the strings that hold a place: no value can end the string that it is in."""
    if not _parses(text):
        raise ValueError('is not JSON; places stand within quotes: {"number": "{order_id}"}')
    parts: list[str | Place] = []
    at = 0
    for found in _STRING.finditer(text):
        inner = _text(json.loads(found[0]), names)
        if any(isinstance(part, Place) for part in inner):
            parts += [text[at : found.start()], '"', *_within(inner, _json_quoted), '"']
            at = found.end()
    return [*parts, text[at:]]


def _form(text: str, names: Collection[str]) -> list[str | Place]:
    return _joined((_form_field(field, names) for field in text.strip().split("&")), "&")


def _form_field(field: str, names: Collection[str]) -> list[str | Place]:
    name, equals, value = field.partition("=")
    return [
        *_within(_text(unquote_plus(name), names), quote_plus),
        equals,
        *_within(_text(unquote_plus(value), names), quote_plus),
    ]


def _parameter(field: str, names: Collection[str]) -> list[str | Place]:
    """A parameter in an address stays as it is written, unless it holds a place."""
    name, equals, value = field.partition("=")
    inner = (
        _apostrophes_doubled(unquote_plus(value), names, str)
        if _is_within_apostrophes(unquote_plus(value))
        else _text(unquote_plus(value), names)
    )
    parts = [*_within(_text(unquote(name), names), _percent), equals, *_within(inner, _percent)]
    return parts if any(isinstance(part, Place) for part in parts) else [field]


def _apostrophes_doubled(text: str, names: Collection[str], quoted: Quote) -> list[str | Place]:
    """Text in which what stands between apostrophes is a literal, as in OData: there they are doubled."""
    parts: list[str | Place] = []
    at = 0
    for found in _IN_APOSTROPHES.finditer(text):
        parts += _quoted_alike(text[at : found.start()], names, quoted)
        parts += _within(_quoted_alike(found[0], names, lambda value: value.replace("'", "''")), quoted, literals=False)
        at = found.end()
    return [*parts, *_quoted_alike(text[at:], names, quoted)]


def _is_within_apostrophes(text: str) -> bool:
    """Whether the text holds places, and each of them stands between apostrophes."""
    return _NAMED.search(text) is not None and not _NAMED.search(_IN_APOSTROPHES.sub("", text))


def _quoted_alike(text: str, names: Collection[str], quoted: Quote) -> list[str | Place]:
    """The text as it is, and places whose values are quoted so."""
    _places(text, names)
    _no_other_braces(text, names)
    parts: list[str | Place] = []
    at = 0
    for found in _NAMED.finditer(text):
        parts += [text[at : found.start()], Place(found[1], (quoted,))]
        at = found.end()
    return [*parts, text[at:]]


def _within(parts: Iterable[str | Place], quoted: Quote, *, literals: bool = True) -> list[str | Place]:
    """The parts within another layer. `literals`: what stands around the places is not yet as that layer has it."""
    return [
        replace(part, quotes=(*part.quotes, quoted)) if isinstance(part, Place) else quoted(part) if literals else part
        for part in parts
    ]


def _joined(groups: Iterable[list[str | Place]], between: str) -> list[str | Place]:
    parts: list[str | Place] = []
    for number, group in enumerate(groups):
        parts += [between, *group] if number else group
    return parts


def _places(text: str, names: Collection[str]) -> bool:
    """Whether it holds a place. ValueError: it holds a name in braces that nothing fills in."""
    for name in _NAMED.findall(text):
        if name not in names:
            raise ValueError(_unknown(f"{{{name}}}", names))
    return _NAMED.search(text) is not None


def _no_other_braces(text: str, names: Collection[str]) -> None:
    """ValueError: a text, no JSON, holds braces that are meant as a place and are none: {order-id}, {}, {order_id!r}"""
    if found := _MEANT_AS_PLACE.search(_NAMED.sub(r"\1", text)):
        written = f"{{{found[0]}}}" if found[0][1:-1] in names else found[0]
        raise ValueError(_unknown(written, names))


def _unknown(written: str, names: Collection[str]) -> str:
    near = get_close_matches(written.strip("{ }").lower(), sorted(names), n=1, cutoff=0.0)[0]
    return f"holds {written}, which nothing fills in; did you mean {{{near}}}?"


def _looks_like_json(text: str) -> bool:
    return _NAMED.sub("x", text).lstrip()[:1] in ("{", "[", '"')


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_json_without_quotes(text: str) -> bool:
    """Whether it is JSON as soon as a number stands in each place."""
    return text.lstrip()[:1] in ("{", "[") and not _NAMED.match(text.lstrip()) and _parses(_NAMED.sub("0", text))


def _json_quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _percent(text: str) -> str:
    return quote(text, safe="")


def _path_quoted(value: str) -> str:
    """Dots alone would lead elsewhere, however they are quoted: they are left out."""
    return quote(value, safe="") if value.strip(".") else ""
