"""What `syncd init` says is said in Russian too."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from syncd.cli.init_phrases import RUSSIAN, language_of

CLI = Path(__file__).parents[2] / "syncd" / "cli"


def said() -> set[str]:
    """The texts that are given to `say` or `_say`; those that come in a variable are called `what`."""
    found: list[ast.expr] = []
    for file in CLI.glob("init_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="say") | ast.Attribute(attr="say" | "_say"), args=[text]):
                    found.append(text)
                case ast.Assign(targets=[ast.Name(id="what")], value=text):
                    found.append(text)
    return {str(text.value) for text in found if isinstance(text, ast.Constant)}


def test_each_phrase_is_translated() -> None:
    assert said() == RUSSIAN.keys()


def test_each_translation_has_the_same_places() -> None:
    places = re.compile(r"\{\w+\}")
    assert [en for en, ru in RUSSIAN.items() if sorted(places.findall(en)) != sorted(places.findall(ru))] == []


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "ru_RU", "LC_ALL": ""}, "ru"),
    ],
)
def test_language_is_that_of_the_locale(environ: dict[str, str], language: str) -> None:
    assert language_of(environ) == language
