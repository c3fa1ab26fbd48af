"""Nothing that a shop or a buyer wrote steers the screen of whoever reads it; numbers come with their nouns."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.text import Count, json_text, printable

STEERING = "\u202egnp\x9b31m\x1b[2J\x7f\u2066\u200f\u2028\ufeff\x00"


def test_printable_replaces_controls_and_keeps_hard_spaces() -> None:
    assert printable("\u202egnp\x1b[31m\n в\xa0пути ✓") == "\ufffdgnp\ufffd[31m\ufffd в\xa0пути ✓"


def test_json_escapes_controls_and_keeps_letters() -> None:
    text = json_text({"статус": STEERING, "n": [1, None]}, indent=2)
    assert text.isascii() is False
    assert all(character == "\n" or character.isprintable() for character in text)
    assert r"\u202egnp\u009b31m\u001b[2J\u007f" in text
    assert json.loads(text) == {"статус": STEERING, "n": [1, None]}


@given(st.text())
def test_no_text_passes_a_control_character(text: str) -> None:
    """The JSON of any text still reads back as that text."""
    said = json_text([text])
    assert json.loads(said) == [text]
    assert not {unicodedata.category(character) for character in said + printable(text)} & {"Cc", "Cf", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("number", "english", "russian"),
    [
        (0, "0 orders", "0 заказов"),
        (1, "1 order", "1 заказ"),
        (2, "2 orders", "2 заказа"),
        (5, "5 orders", "5 заказов"),
        (11, "11 orders", "11 заказов"),
        (21, "21 orders", "21 заказ"),
        (112, "112 orders", "112 заказов"),
        (124, "124 orders", "124 заказа"),
    ],
)
def test_count_brings_its_noun(number: int, english: str, russian: str) -> None:
    assert f"{Count(number):order|orders}" == english
    assert f"{Count(number):заказ|заказа|заказов}" == russian
    assert f"{Count(number)}" == str(number)
