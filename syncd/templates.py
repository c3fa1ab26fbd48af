"""Templates for URLs, headers and bodies, with the placeholders {order_id}, {shop_id}, {uuid} and {reason}. Pure.

Each value is quoted for its placeholder's position, one layer of the format after the other, so that it stays a value:
in the form field `order={"statusComment":"{reason}"}` it is quoted as JSON text, and that as a form's field. What the
other side reads there is always what went in. Where it cannot be known how the other side reads a placeholder, the
template is refused: ValueError says why.
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
"""Methods whose calls have a body; without a template for it, it is JSON with everything known of the order."""

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
_LIKE_A_PLACEHOLDER = re.compile(r"""\{[^\s{}"',:]*\}|^\s*\{[^{}"]*\}\s*$""")
"""Braces that were meant as a placeholder. Those of a language in the text, such as GraphQL, hold more than a word."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Where the value `name` goes.

    quotes   the ways of quoting it, the innermost layer first
    around   the text that it is part of, where that is in no known format and so nothing can be quoted
    """

    name: str
    quotes: tuple[Quote, ...] = ()
    around: str = ""

    def text(self, values: Values) -> str:
        """The value, quoted. ValueError: there it could be read as more than a value."""
        text = values.get(self.name, "")
        if self.around and text and self.name in IDENTIFIERS and not _is_number_or_key(text, self.around):
            raise ValueError(
                f"{{{self.name}}} stands beside other text, and this value could be more than a value there"
            )
        for quoted in self.quotes:
            text = quoted(text)
        return text


@dataclass(frozen=True, slots=True)
class Template:
    """Text that is sent as it is, with placeholders in it."""

    parts: Sequence[str | Placeholder]

    @property
    def placeholders(self) -> frozenset[str]:
        """Their names."""
        return frozenset(part.name for part in self.parts if isinstance(part, Placeholder))

    def filled(self, values: Values) -> str:
        """The text with the values in it; a value that is not given is empty. ValueError: one could be read as more
        than a value."""
        return "".join(part if isinstance(part, str) else part.text(values) for part in self.parts)


def url_template(text: str, names: Collection[str] = NAMES) -> Template:
    """A URL. In its path a value is percent-encoded, a slash too; in its query each parameter is a text of its own,
    which may be JSON. Between apostrophes, which enclose a text in OData, the value's own apostrophes are doubled."""
    address, question, query = text.partition("?")
    if "#" in text and _NAMED.search(text.partition("#")[2]):
        raise ValueError("holds a placeholder behind a #, which is never sent")
    has_placeholders = _has_placeholders(address, names)
    _refuse_other_braces(address, names)
    if re.search(r'["`<>{}]' if has_placeholders else "[{}]", unquote(_NAMED.sub("x", address))):
        raise ValueError("holds a placeholder in a path with quotes or braces, and nobody can tell how it is read")
    parts = _odata_text(address, names, _path_quoted)
    if question:
        fields = (_url_parameter(field, names) for field in query.split("&"))
        parts += ["?", *_joined(fields, "&")]
    return Template(parts)


def header_template(text: str, names: Collection[str] = NAMES) -> Template:
    """A header's value. What is filled in is percent-encoded, so that it cannot end a part of it."""
    return Template(_with_placeholders(text, names, lambda value: quote(value, safe="")))


def body_template(text: str, content_type: str | None, names: Collection[str] = NAMES) -> tuple[Template, str]:
    """A body of JSON or a form, and the Content-Type to send with it. Without `content_type` the text decides."""
    kind = (content_type or "").lower()
    if content_type and "json" not in kind and FORM not in kind:
        raise ValueError("can be JSON or a form, and the Content-Type header says neither")
    if "json" in kind or (not kind and _looks_like_json(text)):
        return Template(_json(text, names)), content_type or JSON
    if "=" not in text:
        raise ValueError('is neither JSON nor a form: {"number": "{order_id}"} or number={order_id}')
    return Template(_form(text, names)), content_type or FORM


def _inner_text(text: str, names: Collection[str]) -> list[str | Placeholder]:
    """The text that the outer layer encloses, already unquoted. It may be JSON or a URL itself."""
    bare = _NAMED.sub("x", text)
    if bare.lstrip()[:1] in ("{", "[") and _parses(text):
        return _json(text, names)
    if not _has_placeholders(text, names):
        _refuse_other_braces(text, names)
        return [text]
    if _JSON_BEGINS.match(bare) or _is_json_without_quotes(text):
        raise ValueError('holds JSON that cannot be read; placeholders stand within quotes: {"number": "{order_id}"}')
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
            "holds a placeholder between quotes in a text that is not JSON, and nobody can tell how it is read; "
            "leave the quotes out, or use JSON"
        )
    return _free_text(text, bare, names)


def _free_text(text: str, bare: str, names: Collection[str]) -> list[str | Placeholder]:
    """Placeholders in a text of no known format. `bare`: the text with an x for each of them."""
    parts = _with_placeholders(text, names, str)
    if _LANGUAGE.search(bare):
        raise ValueError(
            "holds a placeholder in a text with braces, or = and blanks: it may be another language, where a value "
            "could be more than a value; leave them out, or let the placeholder stand alone"
        )
    if bare.strip() == "x":
        return parts
    return [replace(part, around=bare) if isinstance(part, Placeholder) else part for part in parts]


def _is_number_or_key(value: str, around: str) -> bool:
    """Whether it is one word with a digit, as numbers and keys of orders are: in whatever language the text around it
    may be, that is not a name, an operator or a separator of the text."""
    separators = {one for one in "/:" if one in around and one in value}
    return not separators and re.fullmatch(r"[\w.:/#№-]+", value) is not None and re.search(r"\d", value) is not None


def _json(text: str, names: Collection[str]) -> list[str | Placeholder]:
    """JSON as it is written, but the strings with a placeholder are quoted anew, with the value in them."""
    if not _parses(text):
        raise ValueError('is not JSON; placeholders stand within quotes: {"number": "{order_id}"}')
    parts: list[str | Placeholder] = []
    at = 0
    for found in _STRING.finditer(text):
        inner = _inner_text(json.loads(found[0]), names)
        if any(isinstance(part, Placeholder) for part in inner):
            parts += [text[at : found.start()], '"', *_wrapped(inner, _json_quoted), '"']
            at = found.end()
    return [*parts, text[at:]]


def _form(text: str, names: Collection[str]) -> list[str | Placeholder]:
    return _joined((_form_field(field, names) for field in text.strip().split("&")), "&")


def _form_field(field: str, names: Collection[str]) -> list[str | Placeholder]:
    name, equals, value = field.partition("=")
    return [
        *_wrapped(_inner_text(unquote_plus(name), names), quote_plus),
        equals,
        *_wrapped(_inner_text(unquote_plus(value), names), quote_plus),
    ]


def _url_parameter(field: str, names: Collection[str]) -> list[str | Placeholder]:
    """A parameter of a URL. Without a placeholder it stays as it is written."""
    name, equals, value = field.partition("=")
    inner = (
        _odata_text(unquote_plus(value), names, str)
        if _is_odata_literal(unquote_plus(value))
        else _inner_text(unquote_plus(value), names)
    )
    parts = [*_wrapped(_inner_text(unquote(name), names), _percent), equals, *_wrapped(inner, _percent)]
    return parts if any(isinstance(part, Placeholder) for part in parts) else [field]


def _odata_text(text: str, names: Collection[str], quoted: Quote) -> list[str | Placeholder]:
    """Text in which apostrophes enclose literals, as in OData: within these a value's apostrophes are doubled."""
    parts: list[str | Placeholder] = []
    at = 0
    for found in _IN_APOSTROPHES.finditer(text):
        parts += _with_placeholders(text[at : found.start()], names, quoted)
        parts += _wrapped(
            _with_placeholders(found[0], names, lambda value: value.replace("'", "''")), quoted, literals=False
        )
        at = found.end()
    return [*parts, *_with_placeholders(text[at:], names, quoted)]


def _is_odata_literal(text: str) -> bool:
    """Whether the text has placeholders, all of them between apostrophes."""
    return _NAMED.search(text) is not None and not _NAMED.search(_IN_APOSTROPHES.sub("", text))


def _with_placeholders(text: str, names: Collection[str], quoted: Quote) -> list[str | Placeholder]:
    """The text as it is, with placeholders whose values are quoted in this way."""
    _has_placeholders(text, names)
    _refuse_other_braces(text, names)
    parts: list[str | Placeholder] = []
    at = 0
    for found in _NAMED.finditer(text):
        parts += [text[at : found.start()], Placeholder(found[1], (quoted,))]
        at = found.end()
    return [*parts, text[at:]]


def _wrapped(parts: Iterable[str | Placeholder], quoted: Quote, *, literals: bool = True) -> list[str | Placeholder]:
    """The parts enclosed in one more layer. `literals`: whether the text between placeholders needs its quoting too."""
    return [
        replace(part, quotes=(*part.quotes, quoted))
        if isinstance(part, Placeholder)
        else quoted(part)
        if literals
        else part
        for part in parts
    ]


def _joined(groups: Iterable[list[str | Placeholder]], between: str) -> list[str | Placeholder]:
    parts: list[str | Placeholder] = []
    for number, group in enumerate(groups):
        parts += [between, *group] if number else group
    return parts


def _has_placeholders(text: str, names: Collection[str]) -> bool:
    """Whether the text has any. ValueError: it has a name in braces that nothing fills in."""
    for name in _NAMED.findall(text):
        if name not in names:
            raise ValueError(_unknown(f"{{{name}}}", names))
    return _NAMED.search(text) is not None


def _refuse_other_braces(text: str, names: Collection[str]) -> None:
    """ValueError: a text, not JSON, has braces that look like a placeholder: {order-id}, {}, {order_id!r}."""
    if found := _LIKE_A_PLACEHOLDER.search(_NAMED.sub(r"\1", text)):
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
    """Whether it is JSON once each placeholder is a number."""
    return text.lstrip()[:1] in ("{", "[") and not _NAMED.match(text.lstrip()) and _parses(_NAMED.sub("0", text))


def _json_quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _percent(text: str) -> str:
    return quote(text, safe="")


def _path_quoted(value: str) -> str:
    """A segment of dots alone would lead to another path, however it is encoded, so it becomes empty."""
    return quote(value, safe="") if value.strip(".") else ""
