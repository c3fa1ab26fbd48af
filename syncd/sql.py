"""The merchant's SQL, read without a database: split into tokens, and looked into by them. Pure.

`Grammar`       splits a statement as one kind of database does. A `;`, a `:since` or a quote within a literal or a
                comment is text, and databases differ in these: `#` begins a comment in MariaDB and is an operator in
                PostgreSQL, a backslash escapes a quote in the one and is a character in the other, some nest comments
`select_items`  what a SELECT calls by a name, for the doctor and for the digest of where a column comes from
`comparisons`   what an UPDATE compares an order's identifiers with, so that the order can be looked up beforehand
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
_ORACLE_Q = r"[nN]?[qQ]'(?:\[.*?\]|\{.*?\}|\(.*?\)|<.*?>|(?P<end>[^\s\[{(<]).*?(?P=end))'"
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
        self._token = (
            rf"(?P<blank>\s+)|(?P<comment>{comment})|(?P<literal>{literal})|(?P<name>{name})|(?P<cast>::\s*\w+)"
            r"|(?P<parameter>(?<![\w:$\\]):[^\W\d]\w*)|(?P<word>\w[\w$]*)|(?P<sign>.)"
        )

    def tokens(self, sql: str) -> list[Token]:
        return [*self._tokens(sql)]

    def stripped(self, sql: str) -> str:
        """The statement without the semicolons, comments and blanks at its end, so that it can stand in parentheses."""
        return "".join(token.text for token in self._stripped(sql))

    def is_single(self, sql: str) -> bool:
        """Whether it is one statement: no semicolon stands within it."""
        return not any(token.text == ";" for token in self._stripped(sql))

    def from_first_word(self, sql: str) -> str:
        """The statement without the comments and parentheses before its first word."""
        at = 0
        for token in self._tokens(sql):
            if token.kind not in ("blank", "comment") and token.text != "(":
                break
            at += len(token.text)
        return sql[at:]

    def first_word(self, sql: str) -> str:
        """In capitals; empty: there is none."""
        return next((token.text.upper() for token in self._tokens(self.from_first_word(sql))), "")

    def parameters(self, sql: str) -> set[str]:
        """The names behind a colon where a value could stand."""
        return {token.text[1:] for token in self._tokens(sql) if token.kind == "parameter"}

    def for_sqlalchemy(self, sql: str, parameters: Collection[str]) -> str:
        """`stripped`, written for SQLAlchemy's `text` so that it takes nothing but these for parameters."""
        return "".join(
            token.text if token.kind == "parameter" and token.text[1:] in parameters else token.text.replace(":", "\\:")
            for token in self._stripped(sql)
        )

    def _stripped(self, sql: str) -> list[Token]:
        tokens = self.tokens(sql)
        while tokens and (tokens[-1].kind in ("blank", "comment") or tokens[-1].text == ";"):
            tokens.pop()
        return tokens

    def _tokens(self, sql: str) -> Iterator[Token]:
        token, at = re.compile(self._token, re.DOTALL), 0  # a shop needs one of the grammars
        while found := token.match(sql, at):
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
    "oracle": Grammar(comment=f"{_LINE}|{_BLOCK}", literal=f"{_ORACLE_Q}|{_TEXT}", name=_DOUBLE),
}
"""By the kind of database, as a URL names it."""


def grammar_of(url: str) -> Grammar:
    """The grammar of the database that an SQLAlchemy URL names; where it names none of these, that of SQLite, the
    plainest."""
    return GRAMMARS.get(re.split(r"[:+]", url, maxsplit=1)[0].lower(), GRAMMARS["sqlite"])


_AFTER_ITEMS = frozenset({"from", "where", "by", "having"})


def select_items(statement: str, name: str, grammar: Grammar) -> list[str]:
    """Each item of a SELECT list that ends in this name: `o.number AS order_id` for `order_id`. Without blanks and
    comments, so that the same item reads the same however it is laid out."""
    tokens = [token for token in grammar.tokens(statement) if token.kind not in ("blank", "comment")]
    words = [token.text if token.kind == "literal" else token.text.lower() for token in tokens]
    items = (_item(words, place) for place, word in enumerate(words) if word.strip('"`[]') == name)
    return [" ".join(item) for item in items if item]


def _item(words: list[str], place: int) -> list[str]:
    """The item that ends in the word at this place. Empty: that stands in a condition, or where rows are sorted."""
    depth, first = 0, place
    while first and not (depth == 0 and _begins_an_item(words[:first])):
        first -= 1
        depth += (words[first] == ")") - (words[first] == "(")
        if depth == 0 and words[first] in _AFTER_ITEMS and words[first - 1] != "distinct":  # IS DISTINCT FROM
            return []
    return words[first : place + 1]


def _begins_an_item(before: list[str]) -> bool:
    return before[-1] in ("select", ",", "(") or before[-2:] == ["select", "distinct"]


_NAME = re.compile(r"\w+|`[^`]*`|\"[^\"]*\"|\[[^\]]*\]")
_BEFORE_CONDITION = frozenset({"where", "and", "or", "on", "("})
_AFTER_CONDITION = frozenset({"and", "or", ")", "order", "limit", "returning", "group", "having", "union", ""})
_OPTIONS = re.compile(r"(?:(?:low_priority|ignore)\s+)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A condition `expression = :parameter` in an UPDATE, and the tables that the expression is evaluated on."""

    parameter: str
    expression: str
    tables: str

    @property
    def lookup(self) -> str:
        """The SELECT of the values that the database finds equal to :parameter, one per row.

        Without DISTINCT, which would return one of two values that only a collation finds equal.
        """
        # Made of the merchant's own statement, and of nothing that came from outside.
        return f"SELECT {self.expression} FROM {self.tables} WHERE {self.expression} = :{self.parameter}"  # noqa: S608


def comparisons(statement: str, grammar: Grammar) -> list[Comparison]:
    """The conditions of an UPDATE that compare an order's identifiers. ValueError: one compares it in a way that cannot
    be looked up beforehand; the text says what to write."""
    tokens = grammar.tokens(grammar.stripped(statement))
    return _UpdateReader([token.text for token in tokens if token.kind != "comment"]).comparisons()


class _UpdateReader:
    """`_words`: the tokens that are not blank, in lower case; `_at`: where each stands among all tokens. A place
    below is an index of `_words`."""

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
        """Whether it follows a WHERE, or the ON of a join, and not a SET."""
        depth = 0
        for word in reversed(self._words[:place]):
            depth = max(0, depth + (word == ")") - (word == "("))
            if depth == 0 and word in ("set", "where", "on"):
                return word != "set"
        return False

    def _is_negated(self, place: int) -> bool:
        """Whether it is in parentheses that follow a NOT."""
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
        if self._word(place - 1) == "=" and self._word(place + 1) in _AFTER_CONDITION:
            first, last = self._expression_start(place - 2), place - 2
        elif self._word(place - 2) == "in" and self._word(place - 1) == "(" and self._word(place + 1) == ")":
            first, last = self._expression_start(place - 3), place - 3
        elif self._word(place + 1) == "=" and self._word(place - 1) in _BEFORE_CONDITION:
            first, last = place + 2, self._name_end(place + 2)
        if not 0 <= first <= last:
            raise ValueError(
                f"compares {self._word(place)} with more than a column; write column = {self._word(place)}"
            )
        return Comparison(self._word(place)[1:], self._text(first, last), self._tables(place))

    def _expression_start(self, last: int) -> int:
        """The first place of the name, cast or function call that ends there; -1: it is none of these."""
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
        return first if self._is_name(first) and self._word(first - 1) in _BEFORE_CONDITION else -1

    def _name_end(self, first: int) -> int:
        last = first
        while self._word(last + 1) == "." and self._is_name(last + 2):
            last += 2
        return last if self._is_name(last) and self._word(last + 1) in _AFTER_CONDITION else -1

    def _is_name(self, place: int) -> bool:
        return _NAME.fullmatch(self._word(place)) is not None and not self._word(place).startswith("'")

    def _tables(self, place: int) -> str:
        """The tables of the innermost statement around that place: those of a SELECT's FROM; in the UPDATE the updated
        table and, if it has a FROM, those named there."""
        begin = self._statement_start(place)
        if self._word(begin) == "select":
            return self._clause(begin, "from", ("where", "group", "order", "limit"))
        updated = _OPTIONS.sub("", self._clause(begin, "update", ("set",)))
        joined = self._clause(begin, "from", ("where",))
        if not joined or re.search(
            rf"(?<!\w){re.escape(updated)}(?!\w)", joined
        ):  # SQL Server repeats the updated table in FROM
            return joined or updated
        return f"{updated}, {joined}"

    def _statement_start(self, place: int) -> int:
        depth = 0
        for begin in range(place - 1, -1, -1):
            depth += (self._word(begin) == ")") - (self._word(begin) == "(")
            if depth < 0:
                if self._word(begin + 1) == "select":
                    return begin + 1
                depth = 0
        return 0

    def _clause(self, begin: int, keyword: str, ends: tuple[str, ...]) -> str:
        """The text after the keyword, outside inner parentheses; empty: the statement has no such clause."""
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
