"""What is where in an API's answer: JMESPath to the orders, to each of their fields, and to the next page.

An order becomes a row of raw values, as a query would give it; a field that cannot be a value becomes a Fault there,
so that one odd order does not stop the reading of the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite
from typing import Any, Literal, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.visitor import TreeInterpreter

from syncd.errors import SourceError
from syncd.model import Order, Skipped
from syncd.sources.columns import REQUIRED, Fault, Layout, Meaning, OptionalFields, readable

Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = Sequence[Row]

Path: TypeAlias = Callable[[Any], Any]
"""What a JMESPath finds in something. JMESPathError, TypeError, ValueError."""

_WHOLE = "@"
FIND_ITEMS = "SYNCD_SOURCE__FIND_ITEMS"
_INTERPRETER = TreeInterpreter()
"""One for all, for it remembers what to call: the library's `search` makes one each time, and takes twice as long."""
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


def id_of(row: Row) -> str | None:
    """The order's id; None: it has none that can be read."""
    return readable(row[0])


def repeated(row: Row) -> Row:
    """It, marked as a newer row of an order that was shown before."""
    return *row[:-1], True


class ApiLayout(Layout):
    """The fields of an order, in the order in which they are read: those compared come first. Behind them each row says
    whether it is an order at all, and whether it repeats one. `name_of` a status's code: its name, where the order does
    not say."""

    def __init__(self, available: Sequence[str], meaning: Meaning, name_of: Callable[[str], str | None]) -> None:
        super().__init__(available, meaning)
        self._name_of = name_of

    def is_order(self, row: Row) -> bool:
        return bool(row[len(self.names)])

    def order(self, row: Sequence[Any], *, beyond_cursor: bool = True) -> Order | Skipped:
        found = super().order(row, beyond_cursor=beyond_cursor)
        return replace(found, repeats=True) if row[-1] and isinstance(found, Order) else found

    def message(self, status: str, fields: OptionalFields) -> str | None:
        return super().message(status, fields) or self._name_of(status)


class Shape:
    """How answers are read. `items`, `following`, `fields` and `where` are JMESPath, as in SYNCD_SOURCE__ITEMS, …NEXT,
    …FIELDS and …WHERE; SourceError where one does not compile or a required field is missing."""

    def __init__(
        self,
        items: str | None,
        following: str | None,
        fields: Mapping[str, str],
        meaning: Meaning,
        *,
        where: str | None = None,
        name_of: Callable[[str], str | None] = lambda _code: None,
    ) -> None:
        for name in REQUIRED:
            if name not in fields:
                raise SourceError(f"{_variable(name)} is not set: it leads to the {name} in an order of the API")
        self._items_path = items or _WHOLE
        self._items = _compiled("SYNCD_SOURCE__ITEMS", self._items_path)
        self._next = _compiled("SYNCD_SOURCE__NEXT", following) if following else None
        compiled = {name: _compiled(_variable(name), path) for name, path in fields.items()}
        self._where = _compiled("SYNCD_SOURCE__WHERE", where) if where else None
        self.layout = ApiLayout(tuple(fields), meaning, name_of)
        self.fields = fields
        self._fields = [(name, compiled[name]) for name in self.layout.names]

    @property
    def has_next(self) -> bool:
        return self._next is not None

    def items(self, body: Any, *, first: bool) -> list[Any]:
        """The orders in an answer. SourceError: there is no list of them; behind the `first` page null is an empty one,
        which is how some shops write it."""
        found = _search("SYNCD_SOURCE__ITEMS", self._items, body)
        return [] if found is None and not first else _list("SYNCD_SOURCE__ITEMS", self._items_path, found, body)

    def found(self, path: str | None, body: Any) -> list[Any]:
        """The orders in the answer to what asks for one of them: by SYNCD_SOURCE__FIND_ITEMS, or the answer itself."""
        path = path or _WHOLE
        found = _search(FIND_ITEMS, _compiled(FIND_ITEMS, path), body)
        if found is None or isinstance(found, dict):
            return [found] if found else []
        return _list(FIND_ITEMS, path, found, body)

    def following(self, found_in: Any) -> Any:
        """What SYNCD_SOURCE__NEXT leads to; None also where it is not set."""
        return None if self._next is None else _search("SYNCD_SOURCE__NEXT", self._next, found_in)

    def row(self, item: Any) -> Row:
        # What is no object is an order that cannot be read, and many a JMESPath fails on it.
        is_order = (
            self._where is None or not isinstance(item, dict) or _search("SYNCD_SOURCE__WHERE", self._where, item)
        )
        return *(self._value(name, path, item) for name, path in self._fields), bool(is_order), False

    def require(self, rows: Rows) -> None:
        """SourceError: a required field is found in none of these orders, so that its JMESPath must be wrong."""
        for name in REQUIRED if rows else ():
            values = [self.layout.value(row, name) for row in rows]
            if isinstance(values[0], Fault) and all(isinstance(value, Fault) for value in values):
                raise SourceError(f"no order of the first page can be read: {values[0]}")
            if all(value is None for value in values):
                raise SourceError(
                    f"{_variable(name)} ({self.fields[name]}) finds nothing in any of the {len(rows)} orders of the "
                    "first page. See with `syncd check` what the first one looks like"
                )

    def _value(self, name: str, path: Path, item: Any) -> Any:
        try:
            value = path(item)
        except (JMESPathError, TypeError, ValueError) as error:
            return Fault(f"{_variable(name)} ({self.fields[name]}) fails: {_first_line(error)}")
        match value:
            case dict() | list():
                path_text = self.fields[name]
                return Fault(f"{name} is {_KINDS[type(value)]}: let {_variable(name)} ({path_text}) lead to one value")
            case float() if not isfinite(value):
                variable = f"{_variable(name)} ({self.fields[name]})"
                return Fault(f"{name} is {value}, no number that can be read: see what {variable} leads to")
            case str():
                return value.encode("utf-8", "replace").decode()  # JSON may hold halves of surrogate pairs
        return value


def pairs(
    body: Any, items: str | None, code: str, other: str, called: Literal["NAME", "COUNT"] = "NAME"
) -> list[tuple[Any, Any]]:
    """Of each status in a list its code and its name, or what else of it is `called` so, as SYNCD_SOURCE__STATUSES_…
    lead to them. SourceError."""
    variable, path = "SYNCD_SOURCE__STATUSES_ITEMS", items or _WHOLE
    found = _list(variable, path, _search(variable, _compiled(variable, path), body), body)
    code_variable, other_variable = "SYNCD_SOURCE__STATUSES_CODE", f"SYNCD_SOURCE__STATUSES_{called}"
    to_code, to_other = _compiled(code_variable, code), _compiled(other_variable, other)
    return [(_search(code_variable, to_code, one), _search(other_variable, to_other, one)) for one in found]


def _compiled(variable: str, path: str) -> Path:
    try:
        return partial(_INTERPRETER.visit, jmespath.compile(path).parsed)
    except JMESPathError as error:
        raise SourceError(f"{variable} is no JMESPath: {_first_line(error)}") from None


def _search(variable: str, path: Path, found_in: Any) -> Any:
    try:
        return path(found_in)
    except (JMESPathError, TypeError, ValueError) as error:
        raise SourceError(f"{variable} fails on the API's answer: {_first_line(error)}") from None


def _list(variable: str, path: str, found: Any, body: Any) -> list[Any]:
    if isinstance(found, list):
        return found
    what = "nothing" if found is None else f"{_KINDS[type(found)]}, not a list,"
    raise SourceError(
        f"{variable} ({path}) finds {what} in the API's answer, which is {_looks(body)}. "
        "Write the JMESPath that leads to the list"
    )


def _variable(field: str) -> str:
    return f"SYNCD_SOURCE__FIELDS__{field.upper()}"


def _first_line(error: Exception) -> str:
    if isinstance(error, JMESPathTypeError):  # its own text quotes the value, which may be a whole order
        return f"{error.function_name}() got {error.actual_type} where it takes {' or '.join(error.expected_types)}"
    return str(error).strip().partition("\n")[0][:200]


def _looks(value: Any) -> str:
    """A value's outline, without what stands in it."""
    match value:
        case dict():
            keys = ", ".join(json.dumps(str(key)[:40], ensure_ascii=False) for key in [*value][:12])
            return f"an object with {keys}{', …' if len(value) > 12 else ''}" if value else "an empty object"
        case list():
            return f"a list of {len(value)}"
    return "null" if value is None else _KINDS.get(type(value), "a value")
