"""An order's values put where a template says {order_id}, {uuid} or {reason}, quoted so that they stay values. Pure.

JSON is filled as a tree and written afterwards, so no value can end the string that it is in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import quote, quote_plus

from syncd.model import Cancellation

PLACE = re.compile(r"\{(order_id|uuid|reason)\}")
IDENTIFIERS = frozenset({"order_id", "uuid"})

Values = Mapping[str, str]


def values_of(cancellation: Cancellation) -> Values:
    """What fills the places; what is not known is empty."""
    return {
        "order_id": cancellation.order_id or "",
        "uuid": cancellation.imshop_uuid or "",
        "reason": cancellation.reason or "",
    }


def places(*templates: str) -> set[str]:
    """The names of the places in templates."""
    return {found[1] for template in templates for found in PLACE.finditer(template)}


def names_an_order(
    cancellation: Cancellation, wanted: AbstractSet[str], *, all_of: AbstractSet[str] = frozenset()
) -> bool:
    """Whether at least one of the identifiers that are `wanted` is known, and each that is in `all_of`."""
    known = {name for name in IDENTIFIERS if values_of(cancellation)[name].strip(".")}
    return bool(known & wanted) and not (all_of & IDENTIFIERS) - known


def in_url(template: str, values: Values) -> str:
    """Percent-quoted, a slash too. Dots alone would lead elsewhere, however they are quoted: they are left out."""
    return _filled(template, values, lambda value: quote(value, safe="") if value.strip(".") else "")


def in_form(template: str, values: Values) -> str:
    return _filled(template, values, quote_plus)


def in_header(template: str, values: Values) -> str:
    """Without line breaks. Latin-1 is all that a header has; what it lacks is percent-quoted."""
    return _filled(template, values, lambda value: quote(re.sub(r"[\r\n\0]", " ", value), safe=" !#$&'*+-.^_`|~:/=@,;"))


def in_json(template: str, values: Values) -> str:
    """The template is JSON itself. ValueError: it is not."""
    return json.dumps(_filled_tree(json.loads(template), values), ensure_ascii=False)


def is_json(template: str, content_type: str | None) -> bool:
    """What a body is: as its Content-Type says, else as it looks; a form if it is no JSON."""
    return "json" in content_type.lower() if content_type else template.lstrip()[:1] in ("{", "[")


def _filled(template: str, values: Values, quoted: Callable[[str], str]) -> str:
    return PLACE.sub(lambda found: quoted(values[found[1]]), template)


def _filled_tree(tree: Any, values: Values) -> Any:
    if isinstance(tree, str):
        return _filled(tree, values, str)
    if isinstance(tree, Mapping):
        return {name: _filled_tree(value, values) for name, value in tree.items()}
    if isinstance(tree, Sequence):
        return [_filled_tree(value, values) for value in tree]
    return tree
