"""Which column of which table a column of a SELECT comes from, read off its text, through derived tables, WITH and
views. Pure.

No answer is given unless it is certain: a computed column and one of a UNION come from no single column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from syncd.sql import Grammar

Tokens = Sequence[str]

_SET_OPERATIONS = frozenset({"union", "intersect", "except", "minus"})
_AFTER_FROM = frozenset({"where", "group", "having", "order", "limit", "offset", "fetch", "for", "window", "qualify"})
_JOINS = frozenset({"join", "straight_join", ","})
_NO_ALIAS = _AFTER_FROM | _SET_OPERATIONS | _JOINS | {
    *("on", "using", "left", "right", "inner", "outer", "cross", "natural", "full", "partition"),
    *("use", "force", "ignore", "tablesample", "with", "lateral", "only", ")"),
}  # fmt: skip
_BEFORE_ITEMS = frozenset({"all", "distinct", "distinctrow", "straight_join", "high_priority", "sql_no_cache"})
_KEEPS_VALUE = frozenset({"max", "min"})
"""The functions whose result is a value of the column itself."""
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class TableName:
    """`written`: as the SELECT has it, with its schema and quotes; `name` and `schema`: without quotes."""

    written: str
    name: str
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnOrigin:
    """`alias`: the name of the table in the SELECT that reads it."""

    table: TableName
    alias: str
    column: str


class Catalog(Protocol):
    """What the database says of its tables."""

    def columns(self, table: TableName) -> Sequence[str]:
        """In lower case. Empty: there is no such table, or the login is not shown it."""

    def view(self, table: TableName) -> str | None:
        """The SELECT of a view. None: it is not a view, or the login is not shown it."""


def column_origin(sql: str, name: str, grammar: Grammar, catalog: Catalog) -> ColumnOrigin | None:
    """Where the column `name` of the SELECT `sql` comes from. None: from no column of a table, or it is uncertain."""
    return _Select(_tokens(sql, grammar), {}, grammar, catalog).origin(name)


@dataclass(frozen=True, slots=True)
class _FromItem:
    """What stands in a FROM: a table, or the tokens of a SELECT."""

    alias: str
    table: TableName | None = None
    select: Tokens = ()


@dataclass
class _Select:
    """A SELECT, taken apart. `named`: the SELECTs that WITH gives a name here."""

    tokens: Tokens
    named: Mapping[str, Tokens]
    grammar: Grammar
    catalog: Catalog
    depth: int = 0
    _items: list[Tokens] = field(default_factory=list, init=False)
    _from: list[_FromItem] = field(default_factory=list, init=False)

    def origin(self, name: str) -> ColumnOrigin | None:
        if self.depth > _DEEPEST or not self._split():
            return None
        found = self._item(name)
        if found is None:
            return None
        alias, column = found
        if alias:
            candidates = [one for one in self._from if one.alias.lower() == alias]
        elif len(self._from) == 1:
            candidates = self._from
        else:
            candidates = [
                one for one in self._from if one.table is None or column.lower() in self.catalog.columns(one.table)
            ]
        return self._trace(candidates[0], column) if len(candidates) == 1 else None

    def _split(self) -> bool:
        """Into the items of the SELECT and those of its FROM. False: it is not a plain SELECT."""
        tokens = self.tokens
        while tokens[:1] == ["("] and _closing_bracket(tokens, 0) == len(tokens) - 1:
            tokens = tokens[1:-1]
        tokens = self._after_with(tokens)
        lowered = [token.lower() for token in tokens]
        if lowered[:1] != ["select"]:
            return False
        outside = [*_outside_brackets(lowered)]
        start = next((at for at in outside if lowered[at] == "from"), len(tokens))
        if any(lowered[at] in _SET_OPERATIONS for at in outside):
            return False
        first = 1
        while first < start and lowered[first] in _BEFORE_ITEMS:
            first += 1
        end = next((at for at in outside if at > start and lowered[at] in _AFTER_FROM), len(tokens))
        self._items = _parts(tokens[first:start], {","})
        self._from = [*self._from_items(tokens[start + 1 : end])]
        return True

    def _after_with(self, tokens: Tokens) -> Tokens:
        """The SELECT after a WITH, whose named SELECTs are noted. One that names its columns itself is not traced."""
        if not tokens or tokens[0].lower() != "with":
            return tokens
        named = dict(self.named)
        at = 2 if tokens[1:2] and tokens[1].lower() == "recursive" else 1
        while at < len(tokens):
            body = next((place for place in range(at, len(tokens)) if tokens[place].lower() == "as"), len(tokens))
            opening = next((place for place in range(body, len(tokens)) if tokens[place] == "("), len(tokens))
            end = _closing_bracket(tokens, opening)
            names_columns = tokens[at + 1 : at + 2] == ["("]
            named[unquoted(tokens[at]).lower()] = () if names_columns else tokens[opening + 1 : end]
            at = end + 2
            if tokens[end + 1 : end + 2] != [","]:
                break
        self.named = named
        return tokens[at - 1 :]

    def _from_items(self, tokens: Tokens) -> Iterator[_FromItem]:
        for part in _parts(tokens, _JOINS):
            at = 0
            while at < len(part) and part[at].lower() in ("lateral", "only"):
                at += 1
            if part[at : at + 1] == ["("]:
                end = _closing_bracket(part, at)
                inner = part[at + 1 : end]
                if inner[:1] and inner[0].lower() in ("select", "with"):
                    yield _FromItem(_alias(part, end + 1) or "", select=inner)
                else:
                    yield from self._from_items(inner)
            elif part[at:]:
                end = at + 1
                while part[end : end + 1] == ["."]:
                    end += 2
                names = [unquoted(token) for token in part[at:end:2]]
                alias = _alias(part, end) or names[-1]
                if len(names) == 1 and names[0].lower() in self.named:
                    yield _FromItem(alias, select=self.named[names[0].lower()])
                else:
                    schema = names[-2] if len(names) > 1 else None
                    yield _FromItem(alias, TableName("".join(part[at:end]), names[-1], schema))

    def _item(self, name: str) -> tuple[str, str] | None:
        """The alias, empty if there is none, and the column that the SELECT gives this name. None: it is computed."""
        for item in self._items:
            if unquoted(item[-1]).lower() == name:
                return _alias_and_column(item)
        stars = [item for item in self._items if item[-1] == "*"]
        if len(stars) == 1 and len(stars[0]) in (1, 3):
            return (unquoted(stars[0][0]).lower() if len(stars[0]) == 3 else "", name)
        return None

    def _trace(self, item: _FromItem, column: str) -> ColumnOrigin | None:
        tokens = item.select
        if item.table is not None:
            view = self.catalog.view(item.table)
            if view is None:
                is_there = column.lower() in self.catalog.columns(item.table)
                return ColumnOrigin(item.table, item.alias, column) if is_there else None
            tokens = _tokens(view, self.grammar)
        return _Select(tokens, self.named, self.grammar, self.catalog, self.depth + 1).origin(column.lower())


def unquoted(token: str) -> str:
    return token[1:-1] if token[:1] in ('"', "`", "[") and len(token) > 1 else token


def _tokens(sql: str, grammar: Grammar) -> Tokens:
    return [token.text for token in grammar.tokens(grammar.stripped(sql)) if token.kind not in ("blank", "comment")]


def _alias_and_column(item: Tokens) -> tuple[str, str] | None:
    """Of `alias.column AS name` or `MAX(alias.column) AS name`. None: it is computed."""
    tokens = [*item]
    if len(tokens) > 1 and tokens[-2] != ".":
        tokens = tokens[: -2 if tokens[-2].lower() == "as" else -1]
    if len(tokens) > 3 and tokens[0].lower() in _KEEPS_VALUE and tokens[1] == "(" and tokens[-1] == ")":
        tokens = tokens[2:-1]
    is_name = all(token[:1].isalpha() or token[:1] in '_"`[' for token in tokens[::2])
    if not tokens or not is_name or any(dot != "." for dot in tokens[1::2]) or len(tokens) % 2 == 0:
        return None
    return (unquoted(tokens[-3]).lower() if len(tokens) > 1 else "", unquoted(tokens[-1]))


def _alias(part: Tokens, at: int) -> str | None:
    if part[at : at + 1] and part[at].lower() == "as":
        at += 1
    return unquoted(part[at]) if at < len(part) and part[at].lower() not in _NO_ALIAS else None


def _outside_brackets(tokens: Tokens) -> Iterator[int]:
    """The places of the tokens that stand in no brackets, the brackets themselves among them."""
    depth = 0
    for at, text in enumerate(tokens):
        depth -= text == ")"
        if depth == 0:
            yield at
        depth += text == "("


def _closing_bracket(tokens: Tokens, opening: int) -> int:
    depth = 0
    for at in range(opening, len(tokens)):
        depth += (tokens[at] == "(") - (tokens[at] == ")")
        if depth == 0:
            return at
    return len(tokens)


def _parts(tokens: Tokens, separators: frozenset[str] | set[str]) -> list[Tokens]:
    """What stands between separators outside brackets."""
    parts: list[list[str]] = [[]]
    outside = {*_outside_brackets(tokens)}
    for at, token in enumerate(tokens):
        if at in outside and token.lower() in separators:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]
