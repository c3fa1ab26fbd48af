"""From an API's response to records: JMESPath leads to the orders, to each of their fields, and to the next page.

An order becomes a record: a row of raw values, as a query would give it. A field that cannot be a value becomes a Fault
in the record, so that one odd order does not stop the reading of the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from math import isfinite
from typing import Any, Literal, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.visitor import TreeInterpreter

from syncd.errors import SourceError
from syncd.http.error_messages import error_messages, message_in, reports_error
from syncd.model import Order, Skipped
from syncd.sources.api.signs import is_beyond, is_something_else, none_found, totals, went_wrong
from syncd.sources.columns import REQUIRED, ColumnOptions, Fault, Layout, OptionalFields, text_or_none

Record: TypeAlias = tuple[Any, ...]
Records: TypeAlias = Sequence[Record]

Path: TypeAlias = Callable[[Any], Any]
"""What a JMESPath finds in something. JMESPathError, TypeError, ValueError."""

_WHOLE = "@"
ITEMS = "SYNCD_SOURCE__ITEMS"
FIND_ITEMS = "SYNCD_SOURCE__FIND_ITEMS"
_INTERPRETER = TreeInterpreter()
"""One for all: it caches its methods. The library's `search` creates one each time, and takes twice as long."""
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}


def id_of(record: Record) -> str | None:
    """The order's id; None: it has none that can be read."""
    return text_or_none(record[0])


def repeated(record: Record) -> Record:
    """The record, marked as a newer one of an order that was shown before."""
    return *record[:-1], True


class ApiLayout(Layout):
    """The values of a record: the fields of an order, those compared first; then whether it is an order at all, and
    whether it is a newer record of an order shown before. `name_of` a status's code is its name, used where the order
    does not have one."""

    def __init__(self, available: Sequence[str], options: ColumnOptions, name_of: Callable[[str], str | None]) -> None:
        super().__init__(available, options)
        self._name_of = name_of

    def is_order(self, record: Record) -> bool:
        return bool(record[len(self.names)])

    def order(
        self, row: Sequence[Any], *, beyond_cursor: bool = True, changed: datetime | None = None
    ) -> Order | Skipped:
        found = super().order(row, beyond_cursor=beyond_cursor, changed=changed)
        return found._replace(repeats=True) if row[-1] and isinstance(found, Order) else found

    def message(self, status: str, fields: OptionalFields) -> str | None:
        return super().message(status, fields) or self._name_of(status)


class RecordExtractor:
    """Reads responses. `items`, `next_path`, `fields` and `where` are JMESPath, as in SYNCD_SOURCE__ITEMS, …NEXT,
    …FIELDS and …WHERE; SourceError where one does not compile or a required field is missing."""

    def __init__(
        self,
        items: str | None,
        next_path: str | None,
        fields: Mapping[str, str],
        options: ColumnOptions,
        *,
        where: str | None = None,
        name_of: Callable[[str], str | None] = lambda _code: None,
        redact: Callable[[str], str] = str,
    ) -> None:
        for name in REQUIRED:
            if name not in fields:
                raise SourceError(f"{_variable(name)} is not set: it leads to the {name} in an order of the API")
        self._items_path = items or _WHOLE
        self._items = _compiled(ITEMS, self._items_path)
        self._path_names = _names_in(jmespath.compile(self._items_path).parsed)
        self._redact = redact
        self._next = _compiled("SYNCD_SOURCE__NEXT", next_path) if next_path else None
        compiled = {name: _compiled(_variable(name), path) for name, path in fields.items()}
        self._where = _compiled("SYNCD_SOURCE__WHERE", where) if where else None
        self.layout = ApiLayout(tuple(fields), options, name_of)
        self.fields = fields
        self._fields = [(name, compiled[name]) for name in self.layout.names]

    @property
    def has_next(self) -> bool:
        return self._next is not None

    def at_items(self, body: Any) -> Any:
        """What SYNCD_SOURCE__ITEMS finds in a response."""
        return _search(ITEMS, self._items, body)

    def items(self, body: Any, *, first: bool, settled: bool) -> list[Any]:
        """The orders in a response: a list of them, one by itself, as converters from XML write it, or several by their
        keys, as PHP does. `first`: it is the first page; `settled`: orders were read here before, so that the settings
        are right. SourceError: it is not clear what it is, or it says that something went wrong."""
        found = self.at_items(body)
        orders = self._orders_in(found, body, settled=settled)
        if orders:
            return orders
        tells_why = (found is None or self._path_names is None) and is_something_else(error_messages(body))
        if reports_error(body) or tells_why:  # an error under HTTP 200, which may mean only that there are no orders
            words = message_in(body)
            if (settled and none_found(words)) if first else is_beyond(words):
                return []
            raise went_wrong(body, self._redact)
        if orders is not None or self._is_empty(body, settled=settled) or (found is None and not first):
            return []
        raise self._unclear(found, body)

    def _is_empty(self, body: Any, *, settled: bool) -> bool:
        """Whether a response says that there are no orders: there is nothing where they would stand, or it counts none.
        One that is empty altogether says so where orders were read before: else the address may be wrong."""
        if _is_nothing(body):
            return settled or self._path_names == []
        here = body
        for name in self._path_names or ():
            if not isinstance(here, dict) or name not in here:
                break
            here = here[name]
            if _is_nothing(here):
                return True
        counts = totals(body, None)
        return bool(counts) and not any(counts)

    def _orders_in(self, found: Any, body: Any, *, settled: bool) -> list[Any] | None:
        """None: it is neither a list nor anything else that clearly consists of orders."""
        if isinstance(found, list):
            alone = found[0] if len(found) == 1 else None
            if not isinstance(alone, dict):
                return found
            return (self._in_object(alone) or found) if alone else []
        if not isinstance(found, dict):
            return None
        if self._items_path == _WHOLE and not (settled and (self.layout.cursor or not reports_error(body))):
            return None  # what describes an error may have an id and a status too
        return self._in_object(found)

    def _in_object(self, found: dict[str, Any]) -> list[Any] | None:
        """The object itself, if it is an order; its values, if they are orders."""
        if self._is_order(found):
            return [found]
        values = [*found.values()]
        if all(isinstance(value, dict) and self._has(value, "order_id") for value in values):
            return values if any(map(self._is_order, values)) else None
        return None

    def _is_order(self, item: Any) -> bool:
        return all(self._has(item, name) for name in (*REQUIRED, self.layout.cursor) if name)

    def _has(self, item: Any, name: str) -> bool:
        value = self.layout.value(self.record(item), name)
        return value is not None and not isinstance(value, Fault)

    def _unclear(self, found: Any, body: Any) -> SourceError:
        path = self._items_path
        advice = f"if it is one order, a list or nothing, as it comes, write [{path}][], which reads all of these"
        if isinstance(found, dict) and found and all(isinstance(value, dict) for value in found.values()):
            every = "*" if path == _WHOLE else f"{path}.*"
            advice = f"if the orders are its values, write {every}, and an id must stand in each"
        return _no_list(ITEMS, path, found, body, advice)

    def items_of_one(self, path: str | None, body: Any) -> list[Any]:
        """The orders in the response to a request for one of them: what SYNCD_SOURCE__FIND_ITEMS finds, or the response
        itself. SourceError, unless it says that there is none."""
        path = path or _WHOLE
        found = _search(FIND_ITEMS, _compiled(FIND_ITEMS, path), body)
        is_order = all(self._has(found, name) for name in REQUIRED)
        if reports_error(body) and not is_order and not (isinstance(found, list) and found):
            if re.search(r"not.?found|не найден|no such|unknown", message_in(body), re.IGNORECASE):
                return []
            raise went_wrong(body, self._redact)
        if found is None or isinstance(found, dict):
            return [found] if found else []
        return _list(FIND_ITEMS, path, found, body)

    def next_in(self, found_in: Any) -> Any:
        """What SYNCD_SOURCE__NEXT finds in a response or an item; None also where it is not set."""
        return None if self._next is None else _search("SYNCD_SOURCE__NEXT", self._next, found_in)

    def record(self, item: Any) -> Record:
        # What is no object is an order that cannot be read: on it, a JMESPath of WHERE may fail.
        is_order = (
            self._where is None or not isinstance(item, dict) or _search("SYNCD_SOURCE__WHERE", self._where, item)
        )
        return *(self._value(name, path, item) for name, path in self._fields), bool(is_order), False

    def require_fields(self, records: Records) -> None:
        """SourceError: a required field is found in none of these orders, so that its JMESPath must be wrong."""
        for name in REQUIRED if records else ():
            values = [self.layout.value(record, name) for record in records]
            if isinstance(values[0], Fault) and all(isinstance(value, Fault) for value in values):
                raise SourceError(f"no order of the first page can be read: {values[0]}")
            if all(value is None for value in values):
                raise SourceError(
                    f"{_variable(name)} ({self.fields[name]}) finds nothing in any of the {len(records)} orders of the "
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


def status_pairs(
    body: Any, items: str | None, code: str, other: str, called: Literal["NAME", "COUNT"] = "NAME"
) -> list[tuple[Any, Any]]:
    """The code of each status in a list, and its name or count, as SYNCD_SOURCE__STATUSES_… lead to them.
    SourceError."""
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
    if reports_error(body):
        raise went_wrong(body)
    raise _no_list(variable, path, found, body)


def _no_list(variable: str, path: str, found: Any, body: Any, advice: str = "") -> SourceError:
    what = "nothing" if found is None else f"{_KINDS[type(found)]}, not a list,"
    return SourceError(
        f"{variable} ({path}) finds {what} in the API's answer, which is {_outline(body)}. "
        f"Write the JMESPath that leads to the list{advice and '; '}{advice}"
    )


def _variable(field: str) -> str:
    return f"SYNCD_SOURCE__FIELDS__{field.upper()}"


def _first_line(error: Exception) -> str:
    if isinstance(error, JMESPathTypeError):  # its own text quotes the value, which may be a whole order
        return f"{error.function_name}() got {error.actual_type} where it takes {' or '.join(error.expected_types)}"
    return str(error).strip().partition("\n")[0][:200]


def _outline(value: Any) -> str:
    """The outline of a value, without its contents."""
    match value:
        case dict():
            keys = ", ".join(json.dumps(str(key)[:40], ensure_ascii=False) for key in [*value][:12])
            return f"an object with {keys}{', …' if len(value) > 12 else ''}" if value else "an empty object"
        case list():
            return f"a list of {len(value)}"
    return "null" if value is None else _KINDS.get(type(value), "a value")


def _names_in(path: Mapping[str, Any]) -> Sequence[str] | None:
    """The names that a JMESPath passes on its way to the list; None: it does more than that."""
    match path:
        case {"type": "current" | "identity"}:
            return []
        case {"type": "projection" | "filter_projection" | "value_projection" | "flatten", "children": [inner, *_]}:
            return _names_in(inner)
        case {"type": "field", "value": str(name)}:
            return [name]
        case {"type": "subexpression", "children": [*children]}:
            parts = [_names_in(child) for child in children]
            return None if None in parts else [name for part in parts for name in part or ()]
    return None


def _is_nothing(value: Any) -> bool:
    """Whether it is an empty list, as Go, PHP and converters from XML write one."""
    return value is None or (isinstance(value, dict | list | str) and not value)
