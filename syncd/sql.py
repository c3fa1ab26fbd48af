"""SQL as each kind of database reads it: where its literals, quoted names and comments begin and end. Pure.

Whatever looks into a person's SQL does so by these tokens: a `;`, a `:since` or a quote within a literal or a comment
is text, and what is a literal or a comment differs. `#` begins a comment in MariaDB and is an operator in PostgreSQL,
a backslash escapes a quote in the one and is a character in the other, comments nest in some.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["blank", "comment", "literal", "name", "cast", "parameter", "word", "sign"]

_TEXT = r"'(?:[^']|'')*'"
_ESCAPED_TEXT = r"'(?:[^'\\]|\\.|'')*'"
_ESCAPED_DOUBLE = r'"(?:[^"\\]|\\.|"")*"'
_DOUBLE = r'"(?:[^"]|"")*"'
_BACKTICKS = r"`(?:[^`]|``)*`"
_BRACKETS = r"\[(?:[^\]]|\]\])*\]"
_DOLLARS = r"\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$"
_ORACLES_OWN = r"[nN]?[qQ]'(?:\[.*?\]|\{.*?\}|\(.*?\)|<.*?>|(?P<end>[^\s\[{(<]).*?(?P=end))'"
_LINE = r"--[^\n]*"
_BLOCK = r"/\*.*?(?:\*/|\Z)"
# In MariaDB -- begins a comment only before a blank, for 5--3 is 8; and what stands in /*! … */ is run.
_MARIADB_COMMENT = r"\#[^\n]*|--(?=[\s\x00-\x1f]|\Z)[^\n]*|/\*(?!M?!).*?(?:\*/|\Z)"


class Token(NamedTuple):
    """`name`: a quoted one. `cast`: `::` and the type. `parameter`: `:name`. `sign`: any other character."""

    kind: Kind
    text: str


class Grammar:
    """How one kind of database reads SQL, as it is set up by default."""

    def __init__(self, *, comment: str, literal: str, name: str, nested: bool = False) -> None:
        self._nested = nested
        self._token = re.compile(
            rf"(?P<blank>\s+)|(?P<comment>{comment})|(?P<literal>{literal})|(?P<name>{name})|(?P<cast>::\s*\w+)"
            r"|(?P<parameter>(?<![\w:$\\]):[^\W\d]\w*)|(?P<word>\w[\w$]*)|(?P<sign>.)",
            re.DOTALL,
        )

    def tokens(self, sql: str) -> list[Token]:
        return [*self._tokens(sql)]

    def without_end(self, sql: str) -> str:
        """The statement without the semicolons, comments and blanks at its end, so that it can stand in brackets."""
        return "".join(token.text for token in self._without_end(sql))

    def is_one(self, sql: str) -> bool:
        """Whether it is one statement: no semicolon stands within it."""
        return not any(token.text == ";" for token in self._without_end(sql))

    def begun(self, sql: str) -> str:
        """The statement from its first word on, without comments and brackets before it."""
        at = 0
        for token in self._tokens(sql):
            if token.kind not in ("blank", "comment") and token.text != "(":
                break
            at += len(token.text)
        return sql[at:]

    def start(self, sql: str) -> str:
        """Its first word, in capitals."""
        return next((token.text.upper() for token in self._tokens(self.begun(sql))), "")

    def parameters(self, sql: str) -> set[str]:
        """The names that stand behind a colon where a value could."""
        return {token.text[1:] for token in self._tokens(sql) if token.kind == "parameter"}

    def prepared(self, sql: str, parameters: Collection[str]) -> str:
        """The statement without its end, for SQLAlchemy's `text`: nothing in it is a parameter but these."""
        return "".join(
            token.text if token.kind == "parameter" and token.text[1:] in parameters else token.text.replace(":", "\\:")
            for token in self._without_end(sql)
        )

    def _without_end(self, sql: str) -> list[Token]:
        tokens = self.tokens(sql)
        while tokens and (tokens[-1].kind in ("blank", "comment") or tokens[-1].text == ";"):
            tokens.pop()
        return tokens

    def _tokens(self, sql: str) -> Iterator[Token]:
        at = 0
        while found := self._token.match(sql, at):
            kind: Kind = found.lastgroup  # type: ignore[assignment]
            end = _end_of_nested(sql, at) if self._nested and sql.startswith("/*", at) else found.end()
            yield Token(kind, sql[at:end])
            at = end


def _end_of_nested(sql: str, at: int) -> int:
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(sql, at):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(sql)


_MARIADB = Grammar(comment=_MARIADB_COMMENT, literal=f"{_ESCAPED_TEXT}|{_ESCAPED_DOUBLE}", name=_BACKTICKS)
GRAMMARS: Mapping[str, Grammar] = {
    "sqlite": Grammar(comment=f"{_LINE}|{_BLOCK}", literal=_TEXT, name=f"{_DOUBLE}|{_BACKTICKS}|{_BRACKETS}"),
    "mysql": _MARIADB,
    "mariadb": _MARIADB,
    "postgresql": Grammar(
        comment=rf"--[^\n\r]*|{_BLOCK}", literal=f"[eE]{_ESCAPED_TEXT}|{_TEXT}|{_DOLLARS}", name=_DOUBLE, nested=True
    ),
    "mssql": Grammar(comment=f"{_LINE}|{_BLOCK}", literal=_TEXT, name=f"{_DOUBLE}|{_BRACKETS}", nested=True),
    "oracle": Grammar(comment=f"{_LINE}|{_BLOCK}", literal=f"{_ORACLES_OWN}|{_TEXT}", name=_DOUBLE),
}
"""By the kind of database as a URL names it."""


def grammar_of(url: str) -> Grammar:
    """Of the database that an SQLAlchemy URL names. That of SQLite, the plainest, where it names none."""
    return GRAMMARS.get(re.split(r"[:+]", url, maxsplit=1)[0].lower(), GRAMMARS["sqlite"])
