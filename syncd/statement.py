"""What an UPDATE compares an order's identifiers with, and what a SELECT gives a name, read off their text. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from syncd.sql import Grammar
from syncd.templates import IDENTIFIERS

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
