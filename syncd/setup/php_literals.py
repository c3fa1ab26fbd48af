"""PHP's literals, read without running them: tokens, and the value of an expression as far as it is literal. Pure.

Known are texts, numbers, arrays, constants and variables that are known already, texts that are joined, `getenv` with a
default, `?:`, `??`, `defined`, `isset`, `dirname`. Anything else is `Computed`: it is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple, TypeAlias

DEEPEST = 60


@dataclass(frozen=True, slots=True)
class Computed:
    """A value that only PHP itself would know: in which line, and how it is written, without the texts in it."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Undefined(Computed):
    """A variable of the environment, or another one, that is not set: null for `??` and `?:`."""


Value: TypeAlias = "str | int | float | bool | Computed | dict[str, Value] | None"
"""Keys of arrays are text, those that PHP numbers too."""


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#(?!\[)[^\n]*?(?=\?>|\n|\Z)|//[^\n]*?(?=\?>|\n|\Z)|/\*.*?(?:\*/|\Z))
    |(?P<close>\?>\n?)
    |(?P<single>'(?:[^'\\]|\\.)*')
    |(?P<double>"(?:[^"\\]|\\.)*")
    |(?P<heredoc><<<[ \t]*(?P<quote>['"]?)(?P<tag>[A-Za-z_]\w*)(?P=quote)\r?\n.*?^[ \t]*(?P=tag)\b)
    |(?P<variable>\$[A-Za-z_\x80-\uffff]\w*)
    |(?P<number>0[xX][0-9a-fA-F]+|\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+|\d+)
    |(?P<name>\\?[A-Za-z_\x80-\uffff][\w\\]*)
    |(?P<sign>\?\?=|\.\.\.|===|!==|<=>|\?\?|\?->|=>|->|::|\.=|\+=|-=|==|!=|<>|<=|>=|&&|\|\||.)""",
    re.DOTALL | re.VERBOSE | re.MULTILINE,
)
_OPEN = re.compile(r"<\?(?:php(?=\s|\Z)|=|(?!xml))")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_ENDS = (",", ")", "]", "}", ";", "=>", ":", "")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "e": "\x1b", "f": "\f", "\\": "\\", "$": "$", '"': '"'}
_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, line = 0, 1
    while opened := _OPEN.search(text, at):
        line += text.count("\n", at, opened.end())
        at = opened.end()
        while found := _TOKEN.match(text, at):
            kind, written = found.lastgroup or "sign", found[0]
            if kind in ("quote", "tag"):
                kind = "heredoc"
            at = found.end()
            if kind == "close":
                tokens.append(_Token("sign", ";", line))
            elif kind != "blank":
                tokens.append(_Token(kind, written, line))
            line += written.count("\n")
            if kind == "close":
                break
    return tokens


class Unreadable(Exception):  # noqa: N818 - it is no error: the value becomes `Computed`
    """What comes next is no literal."""


@dataclass
class Expressions:
    """A place in a file's tokens, and what is known there. `path` is the file's own."""

    text: str
    path: str
    environ: Mapping[str, str]
    constants: dict[str, Value]
    variables: dict[str, Value]
    at: int = 0
    depth: int = 0

    def __post_init__(self) -> None:
        self.tokens = _tokens(self.text)

    @property
    def next(self) -> str:
        """The next token as a sign or a keyword; empty at the end. A text in quotes is none of these."""
        token = self.token()
        if token.kind in ("single", "double", "heredoc", "number"):
            return token.kind
        return token.text.lower() if token.kind == "name" else token.text

    def token(self, ahead: int = 0) -> _Token:
        at = self.at + ahead
        last_line = self.tokens[-1].line if self.tokens else 1
        return self.tokens[at] if at < len(self.tokens) else _Token("end", "", last_line)

    def take(self, text: str) -> bool:
        if self.next != text:
            return False
        self.at += 1
        return True

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise Unreadable

    def skip(self, ends: tuple[str, ...]) -> None:
        """Up to one of `ends`, or to a bracket that was not opened here."""
        waited: list[str] = []
        while self.at < len(self.tokens):
            text = self.next
            if not waited and (text in ends or text in _CLOSING.values()):
                return
            if text in _CLOSING:
                waited.append(_CLOSING[text])
            elif waited and text == waited[-1]:
                waited.pop()
            self.at += 1

    def skip_block(self) -> None:
        """The next pair of braces, with what stands before it."""
        self.skip(("{", ";"))
        if self.take("{"):
            self.skip(())
            self.take("}")
        else:
            self.take(";")

    def check_depth(self) -> None:
        if self.depth > DEEPEST:
            raise Unreadable

    def check_end(self) -> None:
        if self.next not in _ENDS:
            raise Unreadable

    def computed(self, start: int) -> Computed:
        texts = ("single", "double", "heredoc")  # perhaps a part of a password
        written = " ".join("'…'" if token.kind in texts else token.text for token in self.tokens[start : self.at])
        return Computed(self.tokens[start].line if start < len(self.tokens) else 1, written[:80])

    def expression(self) -> Value:
        """Up to what ends it."""
        start = self.at
        self.depth += 1
        try:
            self.check_depth()
            value = self._choice()
            self.check_end()
        except Unreadable:
            self.at = start
            self.skip((",", ";", "=>"))
            return self.computed(start)
        else:
            return value
        finally:
            self.depth -= 1

    def _choice(self) -> Value:
        """`a ? b : c`, `a ?: c`."""
        value = self._coalesced()
        while self.take("?"):
            if self.take(":"):
                other = self._branch_value()
                value = value if known_truth(value) else other
            else:
                first = self._branch_value()
                self.expect(":")
                second = self._branch_value()
                value = first if known_truth(value) else second
        return value

    def _branch_value(self) -> Value:
        """One that is perhaps not taken, so that it may be anything."""
        start = self.at
        try:
            return self._coalesced()
        except Unreadable:
            self.at = start
            self.skip((":", ",", ";", "=>"))
            return self.computed(start)

    def _coalesced(self) -> Value:
        value = self._joined()
        while self.take("??"):
            other = self._joined()
            value = other if value is None or isinstance(value, Undefined) else value
        return value

    def _joined(self) -> Value:
        start, value = self.at, self._one()
        while self.take("."):
            left, right = _as_text(value), _as_text(self._one())
            value = self.computed(start) if left is None or right is None else left + right
        return value

    def _one(self) -> Value:
        self.depth += 1
        try:
            self.check_depth()
            return self._operand()
        finally:
            self.depth -= 1

    def _operand(self) -> Value:  # noqa: PLR0912, C901 - one case for each kind of expression
        start, token = self.at, self.token()
        self.at += 1
        match token.kind:
            case "single":
                value: Value = re.sub(r"\\([\\'])", r"\1", token.text[1:-1])
            case "double":
                value = _double_quoted(token.text[1:-1])
            case "heredoc":
                value = _heredoc(token.text)
            case "number":
                value = _number(token.text)
            case "variable":
                value = self._variable(token)
            case "name":
                value = self._named(start, token)
            case _ if token.text == "(":
                if (cast := self.next) in ("string", "int", "bool") and self.token(1).text == ")":
                    self.at += 2
                    return _cast(cast, self._one())
                value = self._choice()
                self.expect(")")
            case _ if token.text == "[":
                value = self._array("]")
            case _ if token.text == "!":
                return not known_truth(self._one())
            case _ if token.text == "@":
                return self._one()
            case _ if token.text == "-":
                number = self._one()
                if isinstance(number, bool) or not isinstance(number, int | float):
                    raise Unreadable
                return -number
            case _:
                raise Unreadable
        while self.next == "[" and isinstance(value, dict | Undefined):
            self.at += 1
            key = self.expression()
            self.expect("]")
            if isinstance(value, dict):
                value = value.get(key_of(key), Undefined(token.line, token.text))
        return value

    def _variable(self, token: _Token) -> Value:
        if token.text in ("$_ENV", "$_SERVER"):
            return dict(self.environ)
        return self.variables.get(token.text[1:], Undefined(token.line, token.text))

    def _named(self, start: int, token: _Token) -> Value:  # noqa: PLR0911 - one case for each function
        name = token.text.lower().lstrip("\\")
        if self.next != "(":
            return self._constant(token)
        if name == "array":
            self.at += 1
            return self._array(")")
        arguments = self._arguments()
        first = arguments[0] if arguments else None
        if name == "isset" and Computed not in map(type, arguments):
            return not any(isinstance(one, type(None) | Undefined) for one in arguments)
        if name == "defined" and isinstance(first, str):
            return first in self.constants
        if name == "constant" and isinstance(first, str) and first in self.constants:
            return self.constants[first]
        if name in ("getenv", "env", "getenv_docker") and isinstance(first, str):
            default = arguments[1] if len(arguments) > 1 and name != "getenv" else self.computed(start)
            missing = Undefined(default.line, default.text) if isinstance(default, Computed) else default
            return self.environ.get(first, missing)
        if name == "dirname" and isinstance(first, str) and len(arguments) in (1, 2):
            times = arguments[1] if len(arguments) == 2 else 1
            if isinstance(times, int) and 0 < times < DEEPEST:
                return str([PurePosixPath(first), *PurePosixPath(first).parents, PurePosixPath("/")][times])
        raise Unreadable

    def _constant(self, token: _Token) -> Value:
        name = token.text.lstrip("\\")
        words: dict[str, Value] = {"true": True, "false": False, "null": None}
        if name.lower() in words:
            return words[name.lower()]
        if name in ("__DIR__", "__FILE__") and self.path:
            return str(PurePosixPath(self.path).parent) if name == "__DIR__" else self.path
        if name == "DIRECTORY_SEPARATOR":
            return "/"
        if name not in self.constants or self.next in ("::", "("):
            raise Unreadable
        return self.constants[name]

    def _in_parentheses(self) -> Value:
        arguments = self._arguments()
        return arguments[0] if len(arguments) == 1 else Computed(self.token().line, "…")

    def _arguments(self) -> list[Value]:
        self.expect("(")
        found: list[Value] = []
        while self.next not in (")", ""):
            found.append(self.expression())
            if not self.take(","):
                break
        self.expect(")")
        return found

    def _array(self, end: str) -> Value:
        found: dict[str, Value] = {}
        number = 0
        while self.next not in (end, ""):
            if self.next == "...":
                raise Unreadable
            value = self.expression()
            if self.take("=>"):
                if isinstance(value, Computed | dict):
                    raise Unreadable
                key = key_of(value)
                found[key] = self.expression()
            else:
                key = str(number)
                found[key] = value
            if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", key):
                number = max(number, int(key) + 1)
            if not self.take(","):
                break
        self.expect(end)
        return found


def key_of(value: Value) -> str:
    return str(int(value)) if isinstance(value, bool | float) else "" if value is None else str(value)


def truth(value: Value) -> bool:
    return value not in ("", "0", 0, None, False, {}) and not isinstance(value, Computed)


def known_truth(value: Value) -> bool:
    if type(value) is Computed:
        raise Unreadable
    return truth(value)


def _as_text(value: Value) -> str | None:
    """What PHP makes of it when it is joined to a text. None: not known."""
    if isinstance(value, bool | None):
        return "1" if value else ""
    return str(value) if isinstance(value, str | int) else None


def _cast(kind: str, value: Value) -> Value:
    text = _as_text(value)
    if text is None:
        raise Unreadable
    if kind == "int":
        digits = re.match(r"\s*[+-]?[0-9]+", text)
        return int(digits[0]) if digits else 0
    return text if kind == "string" else truth(value)


def _number(text: str) -> int | float:
    if text.lower().startswith("0x"):
        return int(text, 16)
    if re.fullmatch(r"0[0-7]+", text):
        return int(text, 8)
    if not text.isdigit():
        return float(text)
    if len(text) > 18 or (text.startswith("0") and text.strip("0")):
        raise Unreadable
    return int(text)


def _double_quoted(body: str) -> str:
    if re.search(r"(?<!\\)(?:\\\\)*(?:\$[A-Za-z_{\x80-\uffff]|\{\$)", body):
        raise Unreadable
    parts = bytearray()
    at = 0
    for found in _ESCAPE.finditer(body):
        code, hexadecimal, octal, letter = found.groups()
        parts += body[at : found.start()].encode("utf-8", "surrogatepass")
        at = found.end()
        if code is not None:
            if int(code, 16) > 0x10FFFF:
                raise Unreadable
            parts += chr(int(code, 16)).encode("utf-8", "surrogatepass")
        elif hexadecimal is not None or octal is not None:
            parts.append(int(hexadecimal, 16) if hexadecimal else int(octal, 8) & 0xFF)
        else:
            parts += _ESCAPES.get(letter, f"\\{letter}").encode("utf-8", "surrogatepass")
    parts += body[at:].encode("utf-8", "surrogatepass")
    try:
        return parts.decode()
    except UnicodeDecodeError:
        raise Unreadable from None


def _heredoc(text: str) -> str:
    head, _, rest = text.partition("\n")
    body, _, end = rest.rpartition("\n")
    indent = len(end) - len(end.lstrip(" \t"))
    lines = [line[indent:] if line[:indent].strip() == "" else line for line in body.split("\n")]
    written = "\n".join(lines) if rest.count("\n") else ""
    if "'" in head:
        return written
    return _double_quoted(written.replace('\\"', '\\\\"'))
