"""README.ru.md says in Russian what README.md says: neither is changed without the other."""

from __future__ import annotations

import re
from collections import Counter
from itertools import zip_longest

import pytest

from syncd.model import CHANGE_STATES
from syncd.web.words import RUSSIAN
from tests.test_readme import README, ROOT, quoted

README_RU = (ROOT / "README.ru.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?:.|\n)*?^```$|^#+ .*$|(?:^\|.*\n)+|(?:^(?!```|\|).+\n)+", re.MULTILINE)
COMMENTS = {  # and what is left of each in its place
    "sh": (r"[ \t]+# .*$|(?<=<)[^<>\n]+(?=>)", ""),  # a placeholder too: <a key>
    "sql": (r"[ \t]+-- .*$", ""),
    "toml": (r"[ \t]+# .*$", ""),
    "text": (r"^(  \S+) .*$", r"\1"),  # the map: a room, and what it is for
}


def blocks(text: str) -> list[str]:
    """The headings, code blocks, tables and paragraphs of a page, in their order."""
    return BLOCK.findall(text)


def kind(block: str) -> str:
    """A heading with its level, a code block with its language, a table with its size, or a paragraph."""
    if block.startswith("```"):
        return block.splitlines()[0]
    if block.startswith("#"):
        return block.split(maxsplit=1)[0]
    return f"table of {len(rows(block))} rows" if block.startswith("|") else "paragraph"


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def anchor(heading: str) -> str:
    """What a link to a heading is called: small letters and digits, hyphens for spaces."""
    return re.sub(r"[^\w -]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def anchors(text: str) -> list[str]:
    return [anchor(block) for block in blocks(text) if block.startswith("#")]


def test_each_links_the_other_below_its_title() -> None:
    assert "](README.ru.md)" in blocks(README)[1]
    assert "](README.md)" in blocks(README_RU)[1]


def test_both_have_the_same_headings_paragraphs_tables_and_code_in_the_same_order() -> None:
    pairs = list(zip_longest(blocks(README), blocks(README_RU), fillvalue="nothing"))

    assert [pair for pair in pairs if kind(pair[0]) != kind(pair[1])][:1] == []


def test_code_differs_in_its_comments_alone() -> None:
    assert codes(README_RU) == codes(README)


def codes(text: str) -> list[str]:
    return [uncommented(block) for block in blocks(text) if block.startswith("```")]


def uncommented(code: str) -> str:
    prose, left = COMMENTS.get(code.splitlines()[0].strip("`"), (r"(?!)", ""))
    return re.sub(prose, left, code, flags=re.MULTILINE)


def test_what_a_table_lists_is_the_same_row_by_row() -> None:
    assert listed(README_RU) == listed(README)


def listed(text: str) -> list[list[str]]:
    """The names in the first column of each row: commands, settings, metrics, events, reasons."""
    return [quoted(row[0]) for block in blocks(text) if block.startswith("|") for row in rows(block)]


def test_each_paragraph_and_row_names_counts_and_links_the_same() -> None:
    pairs = list(zip_longest(facts(README), facts(README_RU), fillvalue=("nothing", Counter[str]())))

    assert [(english, russian) for (english, one), (russian, other) in pairs if one != other] == []


def facts(text: str) -> list[tuple[str, Counter[str]]]:
    """Each paragraph and each row, with what it has in any language: code, numbers, and files that it links."""
    prose = [block for block in blocks(text)[2:] if not block.startswith(("#", "```"))]
    parts = [part for block in prose for part in (block.splitlines() if block.startswith("|") else [block])]
    return [(part, Counter([*quoted(joined(part)), *numbers(part), *links(part)])) for part in parts]


def joined(part: str) -> str:
    return " ".join(part.split())


def numbers(part: str) -> list[str]:
    """Its numbers, without what parts their thousands: a comma in English, a space in Russian."""
    return re.findall(r"\d+", re.sub(r"(?<=\d)[,\s](?=\d{3}\b)", "", part))


def links(part: str) -> list[str]:
    return re.findall(r"\]\(([^)#]+)\)", part)


def test_each_link_within_a_page_leads_to_the_same_heading_of_it() -> None:
    assert leads(README_RU) == leads(README) != []


def leads(text: str) -> list[int]:
    """Which heading each link within the page leads to, by its place in the page."""
    return [anchors(text).index(name) for name in re.findall(r"\]\(#([^)]+)\)", text)]


def test_the_words_are_those_of_the_code_each_with_its_russian_one() -> None:
    assert re.findall(r"^\| \S[^|]*\((\w+)\) \|", words(README_RU), re.MULTILINE) == [
        row[0] for row in rows(words(README))[2:]
    ]


def words(text: str) -> str:
    """The table of words, the last one of the page."""
    return [block for block in blocks(text) if block.startswith("|")][-1]


@pytest.mark.parametrize(
    ("word", "phrase"),
    [
        ("Order", "Order"),
        ("Change", "Change"),
        ("Reconcile", "full"),
        ("Held", "held"),
        ("Dead", "dead"),
        ("Lag", "Lag now"),
        ("Answer", "IMSHOP's answer"),
    ],
)
def test_a_word_is_the_one_that_the_status_page_uses(word: str, phrase: str) -> None:
    (russian,) = re.findall(rf"^\| ([^|]+) \({word}\) \|", words(README_RU), re.MULTILINE)

    assert RUSSIAN[phrase].casefold().startswith(russian.casefold())


@pytest.mark.parametrize("state", CHANGE_STATES)
def test_a_state_of_a_change_is_called_what_the_status_page_calls_it(state: str) -> None:
    assert f"| `{state}` | {RUSSIAN[state]}" in README_RU
