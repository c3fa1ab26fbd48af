"""PHP configuration files, read without running them: what they define, assign and return.

Pure. As in PHP the first definition of a constant counts, and the last value of a variable; what stands in a condition
that is not known is computed. Files that are included are read too. `die` is passed over: it guards a file against
being opened by a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from syncd.setup.php_literals import Computed, Expressions, Undefined, Unreadable, Value, key_of, truth

LONGEST = 1_000_000
MOST_INCLUDED = 10
_INCLUDES = ("include", "include_once", "require", "require_once")


@dataclass(frozen=True, slots=True)
class PhpFile:
    """What a file leaves behind."""

    constants: Mapping[str, Value]
    variables: Mapping[str, Value]
    returned: Value

    def look_up(self, path: str) -> Value:
        """`DB_HOST`: a constant; `$config.db_host`: in a variable; `return.db.table_prefix`: in what the file returns.
        None: it is not there."""
        first, *steps = path.split(".")
        if first == "return":
            value = self.returned
        elif first.startswith("$"):
            value = self.variables.get(first[1:])
        else:
            value = self.constants.get(first)
        for step in steps:
            if isinstance(value, Computed):
                return value
            value = value.get(step) if isinstance(value, dict) else None
        return value


def read_php(
    text: str,
    path: str = "",
    environ: Mapping[str, str] | None = None,
    load: Callable[[str], str | None] = lambda _path: None,
) -> PhpFile:
    """`path` is the file's own. `load` gives the text of a file that it includes, or None. Raises nothing."""
    read = _Statements(text[:LONGEST], path, environ or {}, {}, {}, load=load)
    read.statements()
    return PhpFile(read.constants, read.variables, read.returned)


@dataclass
class _Statements(Expressions):
    load: Callable[[str], str | None] = lambda _path: None
    returned: Value = None
    included: list[str] = field(default_factory=list)
    has_returned: bool = False

    def statements(self, ends: tuple[str, ...] = (), *, certain: bool = True) -> None:
        while self.at < len(self.tokens) and self.next not in ends and not self.has_returned:
            before = self.at
            self.statement(certain=certain)
            if self.at == before:
                self.at += 1

    def statement(self, *, certain: bool) -> None:
        self.depth += 1
        start = self.at
        try:
            self.check_depth()
            self._statement(certain=certain)
        except Unreadable:
            self.at = max(self.at, start)
            self.skip((";",))
            self.take(";")
        finally:
            self.depth -= 1

    def _statement(self, *, certain: bool) -> None:  # noqa: C901, PLR0912 - one case for each kind of statement
        word, following = self.next, self.token(1).text
        if word == "{":
            self.at += 1
            self.statements(("}",), certain=certain)
            self.take("}")
        elif word == "if":
            self._condition(certain=certain)
        elif word in ("while", "for", "foreach", "switch", "catch"):
            self.at += 1
            self._in_parentheses()
            self._body(certain=False)
        elif word in ("try", "finally", "else", "do"):
            self.at += 1
            self._body(certain=certain and word in ("try", "finally"))
        elif word in ("case", "default") and following != "(":
            self.skip((":", ";"))
            self.at += 1
        elif word in ("function", "class", "interface", "trait", "abstract", "final", "enum"):
            self.skip_block()
        elif word == "return" and following not in (";", ""):
            self.at += 1
            value = self.expression()
            self.returned = value if certain else self.computed(self.at)
            self.has_returned = certain
        elif word in _INCLUDES:
            self.at += 1
            self._include(certain=certain)
        elif word == "defined" and following == "(":
            self.at += 1
            known = self._arguments()
            if not (self.take("or") or self.take("||")):
                raise Unreadable
            if known != [] and isinstance(known[0], str) and known[0] not in self.constants:
                self.statement(certain=certain)
            else:
                raise Unreadable
        elif word == "define" and following == "(":
            self._define(certain=certain)
        elif word == "const":
            self._constants(certain=certain)
        elif self.token().kind == "variable":
            self._assign(certain=certain)
        else:
            raise Unreadable

    def _condition(self, *, certain: bool) -> None:
        """`if`, its `elseif`s and its `else`. Branches that are certainly not taken are passed over."""
        taken: bool | None = False  # one before; None: perhaps
        while self.take("if") or self.take("elseif"):
            value = self._in_parentheses()
            holds = None if isinstance(value, Computed) else truth(value)
            self._branch(taken, holds, certain=certain)
            taken = True if taken is True or holds is True else None if taken is None or holds is None else False
            if self.next == "else" and self.token(1).text.lower() == "if":
                self.at += 1
        if self.take("else"):
            self._branch(taken, True, certain=certain)  # noqa: FBT003
        self.take("endif")

    def _branch(self, taken: bool | None, holds: bool | None, *, certain: bool) -> None:  # noqa: FBT001
        if taken is True or holds is False:
            if self.take(":"):
                self._skip_to("elseif", "else", "endif")
            elif self.next == "{":
                self.skip_block()
            else:
                self.skip((";",))
                self.take(";")
            return
        self._body(certain=certain and taken is False and holds is True)

    def _skip_to(self, *words: str) -> None:
        while self.at < len(self.tokens) and self.next not in words:
            self.at += 1

    def _body(self, *, certain: bool) -> None:
        if self.take(":"):
            ends = ("elseif", "else", "endif", "endwhile", "endfor", "endforeach", "endswitch")
            self.statements(ends, certain=certain)
            if self.next not in ("elseif", "else", "endif"):
                self.at += 1
        else:
            self.statement(certain=certain)

    def _include(self, *, certain: bool) -> None:
        path = self.expression()
        if not isinstance(path, str) or len(self.included) >= MOST_INCLUDED or path in self.included:
            return
        self.included.append(path)
        text = self.load(path)
        if text is not None:
            known = (self.environ, self.constants, self.variables)
            _Statements(text[:LONGEST], path, *known, load=self.load, included=self.included).statements(
                certain=certain
            )

    def _define(self, *, certain: bool) -> None:
        start = self.at
        self.at += 1
        name, value, *_ = [*self._arguments(), None, None]
        if isinstance(name, str):
            self._set_constant(name, value, start, certain=certain)

    def _constants(self, *, certain: bool) -> None:
        self.at += 1
        while self.token().kind == "name":
            start, name = self.at, self.token().text
            self.at += 1
            self.expect("=")
            self._set_constant(name, self.expression(), start, certain=certain)
            self.take(",")

    def _set_constant(self, name: str, value: Value, start: int, *, certain: bool) -> None:
        self.constants.setdefault(name, value if certain else self.computed(start))

    def _assign(self, *, certain: bool) -> None:
        start, name = self.at, self.token().text[1:]
        self.at += 1
        keys: list[Value] = []
        while self.take("["):
            keys.append(None if self.next == "]" else self.expression())
            self.expect("]")
        sign = self.next
        self.at += 1
        value = self.expression() if sign in ("=", "??=") else None
        if sign not in ("=", "??=") or not certain:
            if sign in ("=", "??=", ".=", "+="):
                self.skip((";",))
                value = self.computed(start)
            else:
                raise Unreadable
        elif sign == "??=" and not isinstance(self.variables.get(name), type(None) | Undefined):
            return
        self.variables[name] = _placed(self.variables.get(name), keys, value, self.computed(start))


def _placed(there: Value, keys: list[Value], value: Value, computed: Computed) -> Value:
    """`there` with the value in the place that the keys name."""
    if not keys:
        return value
    if isinstance(keys[0], Computed | dict) or not isinstance(there, dict | None | Undefined):
        return computed
    found = dict(there) if isinstance(there, dict) else {}
    numbers = [int(key) for key in found if key.isdigit()]
    key = str(max(numbers, default=-1) + 1) if keys[0] is None else key_of(keys[0])
    return {**found, key: _placed(found.get(key), keys[1:], value, computed)}
