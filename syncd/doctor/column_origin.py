"""Which column of which table a column of a SELECT is, read off its text, through derived tables, WITH and views. Pure.

Only what is sure is told: a column that is computed, or comes from a UNION, is none of a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from syncd.sql import Grammar

Tokens = Sequence[str]

_SETS = frozenset({"union", "intersect", "except", "minus"})
_BEHIND_FROM = frozenset({"where", "group", "having", "order", "limit", "offset", "fetch", "for", "window", "qualify"})
_JOINS = frozenset({"join", "straight_join", ","})
_NO_ALIAS = _BEHIND_FROM | _SETS | _JOINS | {
    *("on", "using", "left", "right", "inner", "outer", "cross", "natural", "full", "partition"),
    *("use", "force", "ignore", "tablesample", "with", "lateral", "only", ")"),
}  # fmt: skip
_BEFORE_ITEMS = frozenset({"all", "distinct", "distinctrow", "straight_join", "high_priority", "sql_no_cache"})
_KEEPS_VALUE = frozenset({"max", "min"})
"""Of all functions these give a value of the column itself."""
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class TableName:
    """`written`: as the SELECT has it, with its schema and quotes."""

    written: str
    name: str
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnOrigin:
    """`alias`: by which name the table goes where it is read."""

    table: TableName
    alias: str
    column: str


class Catalog(Protocol):
    """What the database knows of its tables."""

    def columns(self, table: TableName) -> Sequence[str]:
        """In small letters. Empty: there is no such table, or it is not shown."""

    def view(self, table: TableName) -> str | None:
        """The SELECT of a view. None: it is none, or it is not shown."""


def column_origin(sql: str, name: str, grammar: Grammar, catalog: Catalog) -> ColumnOrigin | None:
    """Where the column of that name comes from. None: from no column of a table, or nobody can tell."""
    return _Select(_words(sql, grammar), {}, grammar, catalog).origin(name)


@dataclass(frozen=True, slots=True)
class _Source:
    """What is read: a table, or the words of a SELECT."""

    alias: str
    table: TableName | None = None
    select: Tokens = ()


@dataclass
class _Select:
    words: Tokens
    named: Mapping[str, Tokens]
    grammar: Grammar
    catalog: Catalog
    depth: int = 0
    _items: list[Tokens] = field(default_factory=list, init=False)
    _sources: list[_Source] = field(default_factory=list, init=False)

    def origin(self, name: str) -> ColumnOrigin | None:
        if self.depth > _DEEPEST or not self._read():
            return None
        found = self._given(name)
        if found is None:
            return None
        alias, column = found
        fitting = [one for one in self._sources if one.alias.lower() == alias] if alias else self._with_column(column)
        return self._behind(fitting[0], column) if len(fitting) == 1 else None

    def _read(self) -> bool:
        """Split into items and sources. False: it is no plain SELECT."""
        words = self.words
        while words[:1] == ["("] and _closing(words, 0) == len(words) - 1:
            words = words[1:-1]
        words = self._without_with(words)
        lowered = [word.lower() for word in words]
        if lowered[:1] != ["select"]:
            return False
        own = [*_on_top(lowered)]
        begin = next((at for at in own if lowered[at] == "from"), len(words))
        if any(lowered[at] in _SETS for at in own):
            return False
        first = 1
        while first < begin and lowered[first] in _BEFORE_ITEMS:
            first += 1
        end = next((at for at in own if at > begin and lowered[at] in _BEHIND_FROM), len(words))
        self._items = _split(words[first:begin], {","})
        self._sources = [*self._read_sources(words[begin + 1 : end])]
        return True

    def _without_with(self, words: Tokens) -> Tokens:
        if not words or words[0].lower() != "with":
            return words
        named = dict(self.named)
        at = 2 if words[1:2] and words[1].lower() == "recursive" else 1
        while at < len(words):
            body = next((place for place in range(at, len(words)) if words[place].lower() == "as"), len(words))
            opening = next((place for place in range(body, len(words)) if words[place] == "("), len(words))
            end = _closing(words, opening)
            has_own_names = words[at + 1 : at + 2] == ["("]
            named[bare(words[at]).lower()] = () if has_own_names else words[opening + 1 : end]
            at = end + 2
            if words[end + 1 : end + 2] != [","]:
                break
        self.named = named
        return words[at - 1 :]

    def _read_sources(self, words: Tokens) -> Iterator[_Source]:
        for part in _split(words, _JOINS):
            at = 0
            while at < len(part) and part[at].lower() in ("lateral", "only"):
                at += 1
            if part[at : at + 1] == ["("]:
                end = _closing(part, at)
                inner = part[at + 1 : end]
                if inner[:1] and inner[0].lower() in ("select", "with"):
                    yield _Source(_alias(part, end + 1) or "", select=inner)
                else:
                    yield from self._read_sources(inner)
            elif part[at:]:
                yield self._named_source(part, at)

    def _named_source(self, part: Tokens, at: int) -> _Source:
        end = at + 1
        while part[end : end + 1] == ["."]:
            end += 2
        names = [bare(word) for word in part[at:end:2]]
        alias = _alias(part, end) or names[-1]
        if len(names) == 1 and names[0].lower() in self.named:
            return _Source(alias, select=self.named[names[0].lower()])
        return _Source(alias, TableName("".join(part[at:end]), names[-1], names[-2] if len(names) > 1 else None))

    def _given(self, name: str) -> tuple[str, str] | None:
        """The alias, empty if there is none, and the column that are given that name."""
        for item in self._items:
            if bare(item[-1]).lower() == name:
                return _column(item)
        stars = [item for item in self._items if item[-1] == "*"]
        if len(stars) == 1 and (len(stars[0]) == 1 or len(stars[0]) == 3):
            return (bare(stars[0][0]).lower() if len(stars[0]) == 3 else "", name)
        return None

    def _with_column(self, column: str) -> list[_Source]:
        """The sources that may be meant by a column without an alias."""
        if len(self._sources) == 1:
            return self._sources
        return [one for one in self._sources if one.table is None or column.lower() in self.catalog.columns(one.table)]

    def _behind(self, source: _Source, column: str) -> ColumnOrigin | None:
        words = source.select
        if source.table is not None:
            view = self.catalog.view(source.table)
            if view is None:
                known = column.lower() in self.catalog.columns(source.table)
                return ColumnOrigin(source.table, source.alias, column) if known else None
            words = _words(view, self.grammar)
        return _Select(words, self.named, self.grammar, self.catalog, self.depth + 1).origin(column.lower())


def bare(word: str) -> str:
    """A name without its quotes."""
    return word[1:-1] if word[:1] in ('"', "`", "[") and len(word) > 1 else word


def _words(sql: str, grammar: Grammar) -> Tokens:
    return [token.text for token in grammar.tokens(grammar.stripped(sql)) if token.kind not in ("blank", "comment")]


def _column(item: Tokens) -> tuple[str, str] | None:
    """`alias.column AS name` or `MAX(alias.column) AS name`, taken apart. None: it is computed."""
    words = [*item]
    if len(words) > 1 and words[-2] != ".":
        words = words[: -2 if words[-2].lower() == "as" else -1]
    if len(words) > 3 and words[0].lower() in _KEEPS_VALUE and words[1] == "(" and words[-1] == ")":
        words = words[2:-1]
    is_name = all(word[:1].isalpha() or word[:1] in '_"`[' for word in words[::2])
    if not words or not is_name or any(dot != "." for dot in words[1::2]) or len(words) % 2 == 0:
        return None
    return (bare(words[-3]).lower() if len(words) > 1 else "", bare(words[-1]))


def _alias(part: Tokens, at: int) -> str | None:
    if part[at : at + 1] and part[at].lower() == "as":
        at += 1
    return bare(part[at]) if at < len(part) and part[at].lower() not in _NO_ALIAS else None


def _on_top(words: Tokens) -> Iterator[int]:
    """Where the words stand that are in no brackets."""
    depth = 0
    for at, word in enumerate(words):
        depth -= word == ")"
        if depth == 0:
            yield at
        depth += word == "("


def _closing(words: Tokens, opening: int) -> int:
    depth = 0
    for at in range(opening, len(words)):
        depth += (words[at] == "(") - (words[at] == ")")
        if depth == 0:
            return at
    return len(words)


def _split(words: Tokens, separators: frozenset[str] | set[str]) -> list[Tokens]:
    """At those that are in no brackets."""
    parts: list[list[str]] = [[]]
    own = {*_on_top(words)}
    for at, word in enumerate(words):
        if at in own and word.lower() in separators:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]
