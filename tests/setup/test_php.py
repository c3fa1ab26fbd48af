"""The reader of PHP's configuration files: it agrees with PHP itself, and where it does not know, it says so."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.setup.php_files import PhpFile, read_php
from syncd.setup.php_literals import Computed, Value

PHP = shutil.which("php")


def value_of(expression: str, **environ: str) -> Value:
    return read_php(f"<?php return {expression};", "/srv/shop/config.php", environ).returned


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'it\\'s \\\\ \\n'", "it's \\ \\n"),
        ('"a\\tb\\x41\\101\\u{20ac}\\$x \\q"', "a\tbAA€$x \\q"),
        ('"costs $5"', "costs $5"),
        ("'a' . 3306 . true . null . 'b'", "a33061b"),
        ("'a' /* b */ . // c ' ?\n'd' # e\n", "ad"),
        ("[1, 'x' => ['y' => 2], 5 => 'a', 'b']", {"0": 1, "x": {"y": 2}, "5": "a", "6": "b"}),
        ("array('a' => array(),)", {"a": {}}),
        ("['a' => ['b' => 'c']]['a']['b']", "c"),
        ("(string) 0x1F . (int) '12abc'", "3112"),
        ("-5", -5),
        ("getenv('NO') ?: 'plan b'", "plan b"),
        ("getenv('DB') ?: 'plan b'", "mine"),
        ("$_ENV['DB'] ?? 'plan b'", "mine"),
        ("$_SERVER['NO'] ?? $x ?? 'plan c'", "plan c"),
        ("isset($_SERVER['NO']) ? $_SERVER['NO'] : 'plan b'", "plan b"),
        ("defined('X') ? X : 'none'", "none"),
        ("env('NO', 'plan b')", "plan b"),
        ("dirname(__DIR__) . '/shared'", "/srv/shared"),
        ("dirname(__FILE__, 2)", "/srv"),
        ("<<<'END'\n  a $b\n  END", "a $b"),
        ('<<<END\na \\"b\\"\nEND', 'a \\"b\\"'),
    ],
)
def test_literal_has_the_value_that_php_gives_it(expression: str, value: object) -> None:
    assert value_of(expression, DB="mine") == value


@pytest.mark.parametrize(
    "expression",
    [
        "file_get_contents('/run/secret')",
        '"interpolated $name"',
        "\"interpolated {$a['b']}\"",
        "getenv('NO')",
        "$_SERVER['NO']",
        "1 + 1",
        "'a' . base64_decode('YQ==')",
        "Vault::get('db')",
        "(new Vault)->password",
        "NOT_DEFINED",
        "$a['b']",
        "rand() ? 'a' : 'b'",
        "[...$more]",
        "fn() => 1",
        "'unclosed",
        "defined('X') or 'a'",
        "'a' == 'b'",
    ],
)
def test_what_only_php_can_know_is_computed(expression: str) -> None:
    assert isinstance(value_of(expression), Computed)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("define('A', 'x'); define('B', A . 'y');", "xy"),
        ("define('B', 'first'); define('B', 'second');", "first"),
        ("const A = 'x', B = A;", "x"),
        ("if (!defined('B')) { define('B', 'x'); }", "x"),
        ("if (!defined('B')): define('B', 'x'); endif;", "x"),
        ("defined('B') or define('B', 'x');", "x"),
        ("defined('B') || define('B', 'x');", "x"),
        ("define('B', 'x'); if (!defined('B')) define('B', 'y'); else define('C', 1);", "x"),
        ("if (!defined('BOOT')) { die('no'); } define('B', 'x');", "x"),
        ("if (false) { define('B', 'no'); } elseif (true) { define('B', 'x'); } else { define('B', 'n'); }", "x"),
        ("/* define('B', 'no'); */ # define('B', 'no');\n define('B', 'x');", "x"),
        ("$text = \"define('B', 'no');\"; define('B', 'x');", "x"),
        ("function f() { define('B', 'no'); } class C { const B = 'no'; } define('B', 'x');", "x"),
        ("define('A', 1) ?> <b>define('B', 'no')</b> <?php define('B', 'x') ?>", "x"),
        ("use A\\B; namespace C; $x = function () { return 1; }; \\define('B', 'x');", None),
        ("DEFINE(\"B\", 'x', true);", "x"),
    ],
)
def test_constant_is_what_was_defined_first(code: str, value: object) -> None:
    assert read_php(f"<?php\n{code}").look_up("B") == value


@pytest.mark.parametrize(
    "code",
    [
        "if ($_SERVER['HTTP_HOST'] == 'a') { define('B', 'x'); } else { define('B', 'y'); }",
        "if (getenv('NO') == 'a') define('B', 'x');",
        "switch ($host) { case 'a': define('B', 'x'); break; default: define('B', 'y'); }",
        "foreach ([1] as $i) { define('B', 'x'); }",
        "define('B', decrypt('…'));",
    ],
)
def test_definition_in_an_unknown_condition_is_computed(code: str) -> None:
    assert isinstance(read_php(f"<?php\n{code}").look_up("B"), Computed)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("$c['db']['host'] = 'a'; $c['db']['host'] = 'x';", "x"),
        ("$c = array('db' => array('host' => 'a')); $c['db']['host'] = 'x';", "x"),
        ("$c['db'] = ['host' => 'x']; $c['list'][] = 1; $c['list'][] = 2;", "x"),
        ("$c['db']['host'] ??= 'x'; $c['n'] = 1;", "x"),
    ],
)
def test_variable_is_what_was_assigned_last(code: str, value: object) -> None:
    assert read_php(f"<?php\n{code}").look_up("$c.db.host") == value


def test_variable_that_is_changed_otherwise_is_computed() -> None:
    found = read_php("<?php $a = 'x'; $a .= 'y'; $b = ['c' => 1]; $b = array_merge($b, $_POST);")
    assert isinstance(found.look_up("$a"), Computed)
    assert isinstance(found.look_up("$b.c"), Computed)


def test_included_file_counts_as_if_it_stood_there() -> None:
    files = {"/srv/shared/db.php": "<?php define('B', 'x'); return 1;", "/shop/config.php": "<?php"}
    code = "<?php require_once dirname(__DIR__) . '/shared/db.php'; include 'missing.php'; include __FILE__; $a = B;"
    found = read_php(code, "/srv/shop/config.php", {}, files.get)
    assert (found.look_up("$a"), found.returned) == ("x", None)


def test_computed_value_is_shown_with_its_line() -> None:
    value = read_php("<?php\n\ndefine('B',\n secret('a'));").look_up("B")
    assert isinstance(value, Computed)
    assert (value.line, value.text) == (4, "secret ( '…' )")


@given(st.text(alphabet="<?php$'\"\\(){}[];,.=>!:#/*\n abDEF0_&|-@", max_size=200))
@settings(max_examples=300)
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert isinstance(read_php(f"<?php {text}"), PhpFile)


@pytest.mark.parametrize("unit", ["(", "[", "!", "array(", "if (1) ", "{", "defined('a') or ", "'a' ?: ", "$a[", "<?"])
def test_deep_nesting_is_read_without_an_error(unit: str) -> None:
    for start in ("<?php return ", "<?php "):
        assert isinstance(read_php(start + unit * 5000), PhpFile)


SCALARS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.integers(-(10**15), 10**15),
    st.booleans(),
    st.none(),
)
KEYS = st.one_of(st.text("ab1-0.", max_size=3), st.integers(-3, 12))
VALUES = st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """A value as one of the ways in which PHP's files write it."""
    gap = draw(st.sampled_from(["", " ", "\n", "/* ' */", '# "\n', "// ?\n"]))
    match value:
        case None | bool():
            word = {None: "null", True: "true", False: "false"}[value]
            return gap + draw(st.sampled_from([word, word.upper()]))
        case int():
            return f"{gap}({value})" if draw(st.booleans()) else f"{gap}{value}"
        case str() if draw(st.booleans()) and value:
            at = draw(st.integers(0, len(value)))
            return f"{gap}{draw(written(value[:at]))} . {draw(written(value[at:]))}"
        case str() if draw(st.booleans()):
            return gap + "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n")
            return f'{gap}"{escaped}"'
        case _:
            items = [f"{draw(written(key))} =>{draw(written(one))}" for key, one in value.items()]
            return gap + draw(st.sampled_from(["array({})", "[{}]"])).format(", ".join(items))


@pytest.mark.skipif(PHP is None, reason="php is not installed")
def test_values_are_those_that_php_reads(tmp_path: Path) -> None:
    """PHP itself reads the same files; once for all examples, since it takes a while to start."""
    files: list[str] = []

    @settings(max_examples=150, database=None)
    @given(VALUES.flatmap(written))
    def collect(text: str) -> None:
        files.append(f"<?php return {text};")

    collect()
    (tmp_path / "cases.json").write_text(json.dumps(files))
    for number, text in enumerate(files):
        (tmp_path / f"{number}.php").write_text(text, newline="")
    code = (
        "foreach (json_decode(file_get_contents('cases.json')) as $i => $_) $all[] = require \"./$i.php\";"
        "echo json_encode($all, JSON_FORCE_OBJECT | JSON_THROW_ON_ERROR);"
    )
    ran = subprocess.run(["php", "-r", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    expected = json.loads(ran.stdout)
    for number, text in enumerate(files):
        assert read_php(text).returned == expected[str(number)], text
