"""SQL as each kind of database reads it: where its literals, quoted names and comments begin and end. Pure.

Whatever looks into a person's SQL does so by these tokens: a `;`, a `:since` or a quote within a literal or a comment
is text, and what is a literal or a comment differs. `#` begins a comment in MariaDB and is an operator in PostgreSQL,
a backslash escapes a quote in the one and is a character in the other, comments nest in some.

What an UPDATE compares an order's identifiers with, and what a SELECT gives a name, read off their text. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from syncd.templates import IDENTIFIERS

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


_NAME = re.compile(r"\w+|`[^`]*`|\"[^\"]*\"|\[[^\]]*\]")
_BEGINS_A_CONDITION = frozenset({"where", "and", "or", "on", "("})
_ENDS_A_CONDITION = frozenset({"and", "or", ")", "order", "limit", "returning", "group", "having", "union", ""})
_BEHIND_ITEMS = frozenset({"from", "where", "by", "having"})
_OPTIONS = re.compile(r"(?:(?:low_priority|ignore)\s+)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`expression = :name` somewhere in a statement, and the tables that it is evaluated on."""

    name: str
    expression: str
    tables: str

    @property
    def values(self) -> str:
        """A SELECT of what the expression is where the database holds it to be equal to :name. Without DISTINCT, which
        would take for one what a collation cannot tell apart."""
        # Made of the merchant's own statement, and of nothing that came from outside.
        return f"SELECT {self.expression} FROM {self.tables} WHERE {self.expression} = :{self.name}"  # noqa: S608


def comparisons(statement: str, grammar: Grammar) -> list[Comparison]:
    """Where an UPDATE's conditions compare an identifier with something. ValueError: it is compared in a way that
    cannot be looked up beforehand; the text says what to write."""
    tokens = grammar.tokens(grammar.without_end(statement))
    return _Reader([token.text for token in tokens if token.kind != "comment"]).comparisons()


def selected(statement: str, name: str, grammar: Grammar) -> list[str]:
    """What a SELECT gives this name, at each place: the item from the SELECT or the comma before it to the name."""
    tokens = [token for token in grammar.tokens(statement) if token.kind not in ("blank", "comment")]
    words = [token.text if token.kind == "literal" else token.text.lower() for token in tokens]
    items = (_item(words, place) for place, word in enumerate(words) if word.strip('"`[]') == name)
    return [" ".join(item) for item in items if item]


def _item(words: list[str], place: int) -> list[str]:
    """Empty: the name stands in a condition, or where rows are sorted."""
    depth, first = 0, place
    while first and not (depth == 0 and _begins_an_item(words[:first])):
        first -= 1
        depth += (words[first] == ")") - (words[first] == "(")
        if depth == 0 and words[first] in _BEHIND_ITEMS and words[first - 1] != "distinct":  # IS DISTINCT FROM
            return []
    return words[first : place + 1]


def _begins_an_item(before: list[str]) -> bool:
    return before[-1] in ("select", ",", "(") or before[-2:] == ["select", "distinct"]


class _Reader:
    """`_words`: the tokens that are no blanks, in lower case; `_at`: where each stands among all tokens."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = [at for at, token in enumerate(tokens) if not token.isspace()]
        self._words = [tokens[at].lower() for at in self._at]

    def comparisons(self) -> list[Comparison]:
        return [
            self._comparison(place)
            for place, word in enumerate(self._words)
            if word[:1] == ":" and word[1:] in IDENTIFIERS and self._is_in_a_condition(place)
        ]

    def _word(self, place: int) -> str:
        return self._words[place] if 0 <= place < len(self._words) else ""

    def _text(self, first: int, last: int) -> str:
        return "".join(self._tokens[self._at[first] : self._at[last] + 1])

    def _is_in_a_condition(self, place: int) -> bool:
        """Whether it stands behind a WHERE, or the ON of a join, and not behind a SET."""
        depth = 0
        for word in reversed(self._words[:place]):
            depth = max(0, depth + (word == ")") - (word == "("))
            if depth == 0 and word in ("set", "where", "on"):
                return word != "set"
        return False

    def _is_negated(self, place: int) -> bool:
        """Whether a NOT stands before parentheses that it is in."""
        depth = 0
        for at in range(place - 1, -1, -1):
            depth += (self._word(at) == ")") - (self._word(at) == "(")
            if depth < 0:
                depth = 0
                if self._word(at - 1 - (self._word(at - 1) in ("exists", "in"))) == "not":
                    return True
        return False

    def _comparison(self, place: int) -> Comparison:
        first = last = -1
        if self._is_negated(place):
            raise ValueError(f"changes all orders but {self._word(place)}; write column = {self._word(place)}")
        if self._word(place - 1) == "=" and self._word(place + 1) in _ENDS_A_CONDITION:
            first, last = self._begin_of_expression(place - 2), place - 2
        elif self._word(place - 2) == "in" and self._word(place - 1) == "(" and self._word(place + 1) == ")":
            first, last = self._begin_of_expression(place - 3), place - 3
        elif self._word(place + 1) == "=" and self._word(place - 1) in _BEGINS_A_CONDITION:
            first, last = place + 2, self._end_of_name(place + 2)
        if not 0 <= first <= last:
            raise ValueError(
                f"compares {self._word(place)} with more than a column; write column = {self._word(place)}"
            )
        return Comparison(self._word(place)[1:], self._text(first, last), self._tables(place))

    def _begin_of_expression(self, last: int) -> int:
        """Where the name, the cast or the function's call begins that ends there; -1: it is none of them."""
        first = last - self._word(last).startswith("::")
        if self._word(first) == ")":
            depth = 0
            while first >= 0:
                depth += (self._word(first) == ")") - (self._word(first) == "(")
                first -= 1
                if depth == 0:
                    break
        while self._is_name(first) and self._word(first - 1) == "." and self._is_name(first - 2):
            first -= 2
        return first if self._is_name(first) and self._word(first - 1) in _BEGINS_A_CONDITION else -1

    def _end_of_name(self, first: int) -> int:
        last = first
        while self._word(last + 1) == "." and self._is_name(last + 2):
            last += 2
        return last if self._is_name(last) and self._word(last + 1) in _ENDS_A_CONDITION else -1

    def _is_name(self, place: int) -> bool:
        return _NAME.fullmatch(self._word(place)) is not None and not self._word(place).startswith("'")

    def _tables(self, place: int) -> str:
        """What the innermost statement around that place reads: what stands behind FROM in a SELECT; in the UPDATE what
        is updated and, where it has a FROM, what stands there."""
        begin = self._begin_of_statement(place)
        if self._word(begin) == "select":
            return self._clause(begin, "from", ("where", "group", "order", "limit"))
        updated = _OPTIONS.sub("", self._clause(begin, "update", ("set",)))
        joined = self._clause(begin, "from", ("where",))
        if not joined or re.search(rf"(?<!\w){re.escape(updated)}(?!\w)", joined):  # as SQL Server has it
            return joined or updated
        return f"{updated}, {joined}"

    def _begin_of_statement(self, place: int) -> int:
        depth = 0
        for begin in range(place - 1, -1, -1):
            depth += (self._word(begin) == ")") - (self._word(begin) == "(")
            if depth < 0:
                if self._word(begin + 1) == "select":
                    return begin + 1
                depth = 0
        return 0

    def _clause(self, begin: int, keyword: str, ends: tuple[str, ...]) -> str:
        """What stands behind the keyword, on the statement's own level; empty: it has no such clause."""
        depth, began = 0, -1
        for place in range(begin, len(self._words)):
            word = self._word(place)
            if word == ")" and depth == 0:
                return self._text(began, place - 1) if began > 0 else ""
            if depth == 0 and began > 0 and word in ends:
                return self._text(began, place - 1)
            if depth == 0 and began < 0 and word == keyword:
                began = place + 1
            depth += (word == "(") - (word == ")")
        return self._text(began, len(self._words) - 1) if began > 0 else ""
