"""docs/glossary.md and the code use the same words."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

import pytest

from syncd.cli.commands import COMMANDS
from syncd.model import CHANGE_STATES
from syncd.settings import VARIABLES
from tests.docs.documents import DOCS, ROOT, quoted, rows
from tests.docs.test_metrics_and_logs import logged, metrics, reasons

GLOSSARY = DOCS / "glossary.md"
SOURCES = sorted((ROOT / "syncd").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}


def entries() -> list[list[str]]:
    return rows(GLOSSARY, "term")


def named() -> list[str]:
    """What the third column names."""
    return [name for _, _, where in entries() for name in quoted(where)]


def test_each_term_is_explained_once() -> None:
    terms = [term for term, _, _ in entries()]

    assert sorted(set(terms)) == sorted(terms)
    assert all(meaning for _, meaning, _ in entries())


def test_each_name_in_the_glossary_exists() -> None:
    known = {*in_code(), *metrics(), *logged(), *reasons(), *VARIABLES, *COMMANDS, *CHANGE_STATES}

    assert sorted(set(named()) - known) == []


def in_code() -> Iterator[str]:
    """Modules, packages, and what is defined in them: classes, constants, fields of classes, keys of dictionaries."""
    for path, tree in TREES.items():
        yield path.parent.name if path.name == "__init__.py" else path.stem
        for node in ast.walk(tree):
            match node:
                case ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                    yield name
                case ast.Assign(targets=[ast.Name(id=name)]) if name.isupper():
                    yield name
                case ast.Dict(keys=keys):
                    yield from (
                        key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
                    )


def test_no_name_stands_for_two_classes() -> None:
    classes = Counter(node.name for tree in TREES.values() for node in tree.body if isinstance(node, ast.ClassDef))

    assert [name for name, times in classes.items() if times > 1] == []


def test_no_name_stands_for_two_modules() -> None:
    modules = Counter(path.name for path in SOURCES if path.name != "__init__.py")

    assert [name for name, times in modules.items() if times > 1] == []


def test_each_type_of_the_model_is_in_the_glossary() -> None:
    types = [node.name for node in TREES[ROOT / "syncd" / "model.py"].body if isinstance(node, ast.ClassDef)]

    assert sorted(set(types) - set(named())) == []


def test_each_metric_is_in_the_glossary() -> None:
    assert sorted(metrics().keys() - set(named())) == []


@pytest.mark.parametrize("state", CHANGE_STATES)
def test_each_state_of_a_change_is_a_term(state: str) -> None:
    assert state in [term for term, _, _ in entries()]
