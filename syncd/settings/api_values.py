"""Readers of the settings for HTTP APIs: JMESPath, paths, parameters, headers, logins.

The ValueErrors on headers, parameters and logins never repeat what was written, which may be secret.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from syncd.settings.masking import has_key_in_path, is_secret_name
from syncd.settings.urls import filled_out
from syncd.settings.values import quoted
from syncd.templates import url_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import SecretStr

PLACEHOLDERS = ("since", "page", "offset", "limit", "cursor", "last_id")
FIELDS = (
    "order_id",
    "status",
    "updated_at",
    "sequence",
    "message",
    "tracking_url",
    "tracking_number",
    "user_id",
    "phone",
    "imshop_uuid",
    "shop_id",
    "paid",
    "payment_id",
)
"""Those of syncd.sources.columns, as a test checks."""
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def jmes_path(text: str) -> str:
    import jmespath  # noqa: PLC0415 - 20 ms that most commands need not spend
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - as above

    try:
        parsed = jmespath.compile(text).parsed
    except JMESPathError as error:
        raise ValueError(f"{quoted(text)} is no JMESPath: {str(error).partition(chr(10))[0]}") from None
    if fault := next(_faults_of_functions(parsed), None):
        raise ValueError(f"{quoted(text)} is no JMESPath: {fault}")
    return text


def _faults_of_functions(node: Mapping[str, Any]) -> Iterator[str]:
    """Functions in a parsed JMESPath that do not exist, or that take another number of arguments. The library itself
    reports these only when it searches."""
    from jmespath.functions import Functions  # noqa: PLC0415 - as above

    if node["type"] == "function_expression":
        known = Functions.FUNCTION_TABLE.get(node["value"])
        if known is None:
            yield f"there is no function {node['value']}()"
        else:
            least, given = len(known["signature"]), len(node["children"])
            is_open = bool(least) and bool(known["signature"][-1].get("variadic"))
            if given < least or (given > least and not is_open):
                yield f"{node['value']}() takes {'at least ' if is_open else ''}{least} arguments, not {given}"
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _faults_of_functions(child)


def check_fields(fields: Mapping[str, str]) -> None:
    """ValueError: a field is unknown, or one that is required is missing."""
    for name in fields:
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, n=1, cutoff=0.0)[0].upper()
            raise ValueError(f"SYNCD_SOURCE__FIELDS__{name.upper()} is no field of an order; did you mean {near}?")
    for name in ("order_id", "status"):
        if name not in fields:
            raise ValueError(f"SYNCD_SOURCE__FIELDS__{name.upper()} is required, but set nowhere")


def since_format(text: str) -> str:
    if text in ("iso", "epoch", "epoch_ms") or "%" in text:
        return text
    raise ValueError(f"{quoted(text)} is none of iso, epoch, epoch_ms, nor a pattern such as %Y-%m-%d %H:%M:%S")


def with_known_placeholders(text: str) -> str:
    for name in _PLACEHOLDER.findall(filled_out(text)):
        if name not in PLACEHOLDERS:
            near = get_close_matches(name, PLACEHOLDERS, n=1, cutoff=0.0)[0]
            raise ValueError(f"holds a name in braces that nothing fills in; did you mean {{{near}}}?")
    return text


def path(text: str) -> str:
    """A path that may hold placeholders and parameters, but no secret, because it is shown."""
    return with_known_placeholders(plain_path(text))


def find_path(text: str) -> str:
    """The path to one order, by its number or the shop's own key."""
    placeholders = url_template(f"https://shop{plain_path(text)}", ("order_id", "shop_id", *PLACEHOLDERS)).placeholders
    if text and not placeholders & {"order_id", "shop_id"}:
        raise ValueError(f"{quoted(text)} does not say which order: it needs {{order_id}} or {{shop_id}}")
    return text


def find_number_path(text: str) -> str:
    """The path to one order, by its number alone."""
    if "{shop_id}" in find_path(text):
        raise ValueError(f"{quoted(text)} holds {{shop_id}}, but is for orders whose key is not known")
    return text


def plain_path(text: str) -> str:
    """A path that may hold parameters, but no secret."""
    if any(is_secret_name(name) for name, _ in parse_qsl(text.partition("?")[2], keep_blank_values=True)):
        raise ValueError(
            "holds what looks like a key; write that behind SYNCD_SOURCE__URL, as ?name=key: there it is hidden"
        )
    if has_key_in_path(text.partition("?")[0]):
        raise ValueError("holds what looks like a key; write the whole of it in SYNCD_SOURCE__URL: there it is hidden")
    if text and (not text.startswith("/") or re.search(r"[\s#]", text)):
        raise ValueError(f"{quoted(text)} is no path: it begins with / and holds no space and no #")
    return text


def placeholders_in(url: str, params: Mapping[str, SecretStr]) -> set[str]:
    texts = (url, *(value.get_secret_value() for value in params.values()))
    return {name for text in texts for name in _PLACEHOLDER.findall(text)}


def parameter_name(written: str) -> str:
    """Variables are usually in capitals, and parameters hardly ever; one that is can be written as JSON."""
    return written.lower() if written.isupper() else written


def header_name_of(written: str) -> str:
    """A variable's name cannot hold the - of a header's."""
    return written.replace("_", "-")


def header_name(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"{quoted(text)} cannot be the name of a header")
    return text


def header(text: str) -> str:
    if not re.fullmatch(r"[\x20-\x7e\xa0-\xff]+", filled_out(text)) or text != text.strip():
        raise ValueError("holds a character that no header can carry, or a space at an end")
    return text


def auth(text: str) -> str:
    scheme, colon, credentials = filled_out(text).partition(":")
    scheme = scheme.lower()
    if scheme not in ("bearer", "basic") or not colon or not credentials:
        raise ValueError("is neither bearer:TOKEN nor basic:USER:PASSWORD; for another way set a header")
    if scheme == "bearer" and not re.fullmatch(r"[!-~]+", credentials):
        raise ValueError("holds a space or a character that no header can carry; write bearer: and the bare token")
    return f"{scheme}:{credentials}"
