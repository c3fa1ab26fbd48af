"""README.ru.md and the Russian runbook say what the English ones say: neither is changed without the other."""

from __future__ import annotations

import re
from collections import Counter
from itertools import zip_longest
from pathlib import Path

import pytest

from syncd.model import CHANGE_STATES
from syncd.web.translations import RUSSIAN
from tests.test_readme import ROOT, quoted

README = ROOT / "README.md"
PAGES = [README, ROOT / "deploy" / "prometheus" / "RUNBOOK.md"]
BLOCK = re.compile(r"^```(?:.|\n)*?^```$|^#+ .*$|(?:^\|.*\n)+|(?:^(?!```|\|).+\n)+", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]*)#?([^)]*)\)")
COMMENTS = {  # and what is left of each in its place
    "sh": (r"[ \t]+# .*$|(?<=<)[^<>\n]+(?=>)", ""),  # a placeholder too: <a key>
    "sql": (r"[ \t]+-- .*$", ""),
    "toml": (r"[ \t]+# .*$", ""),
    "text": (r"^(  \S+) .*$", r"\1"),  # the map: a room, and what it is for
}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def russian(page: Path) -> Path:
    return page.with_suffix(".ru.md")


def blocks(page: Path) -> list[str]:
    """Its headings, code blocks, tables and paragraphs, in their order."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def kind(block: str) -> str:
    """A heading with its level, a code block with its language, a table with its size, or a paragraph."""
    if block.startswith("```"):
        return block.splitlines()[0]
    if block.startswith("#"):
        return block.split(maxsplit=1)[0]
    return f"table of {len(rows(block))} rows" if block.startswith("|") else "paragraph"


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


@each_page
def test_each_links_the_other_below_its_title(page: Path) -> None:
    assert f"]({russian(page).name})" in blocks(page)[1]
    assert f"]({page.name})" in blocks(russian(page))[1]


@each_page
def test_both_have_the_same_headings_paragraphs_tables_and_code_in_the_same_order(page: Path) -> None:
    pairs = list(zip_longest(blocks(page), blocks(russian(page)), fillvalue="nothing"))

    assert [pair for pair in pairs if kind(pair[0]) != kind(pair[1])][:1] == []


@each_page
def test_code_differs_in_its_comments_alone(page: Path) -> None:
    assert codes(russian(page)) == codes(page)


def codes(page: Path) -> list[str]:
    return [uncommented(block) for block in blocks(page) if block.startswith("```")]


def uncommented(code: str) -> str:
    prose, left = COMMENTS.get(code.splitlines()[0].strip("`"), (r"(?!)", ""))
    return re.sub(prose, left, code, flags=re.MULTILINE)


@each_page
def test_what_a_table_lists_is_the_same_row_by_row(page: Path) -> None:
    assert listed(russian(page)) == listed(page)


def listed(page: Path) -> list[list[str]]:
    """The names in the first column of each row: commands, settings, metrics, events, reasons."""
    return [quoted(row[0]) for block in blocks(page) if block.startswith("|") for row in rows(block)]


@each_page
def test_each_paragraph_and_row_names_counts_and_links_the_same(page: Path) -> None:
    pairs = zip_longest(facts(page), facts(russian(page)), fillvalue=("nothing", Counter[str]()))

    assert [(one, other) for (one, said), (other, also) in pairs if said != also] == []


def facts(page: Path) -> list[tuple[str, Counter[str]]]:
    """Each paragraph and each row, with what it has in any language: code, numbers and links."""
    prose = [block for block in blocks(page)[2:] if not block.startswith(("#", "```"))]
    parts = [part for block in prose for part in (block.splitlines() if block.startswith("|") else [block])]
    return [(part, Counter([*quoted(joined(part)), *numbers(part), *links(part, page)])) for part in parts]


def joined(part: str) -> str:
    return " ".join(part.split())


def numbers(part: str) -> list[str]:
    """Its numbers, without what parts their thousands: a comma in English, a space in Russian."""
    return re.findall(r"\d+", re.sub(r"(?<=\d)[,\s](?=\d{3}\b)", "", part))


def links(part: str, page: Path) -> list[str]:
    """Where its links lead: a file, whichever its language, and the place of a heading among that file's."""
    targets = [(page.parent / name if name else page, heading) for name, heading in LINK.findall(part)]
    return [
        f"{file.resolve()}".replace(".ru.md", ".md") + (f" {anchors(file).index(heading)}" if heading else "")
        for file, heading in targets
    ]


def anchors(page: Path) -> list[str]:
    """What links to its headings are called: small letters and digits, hyphens for spaces."""
    headings = [block.lstrip("# ").lower() for block in blocks(page) if block.startswith("#")]
    return [re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", [russian(page) for page in PAGES], ids=lambda page: page.name)
def test_a_russian_page_links_files_that_are_there_and_in_russian_if_they_can_be(page: Path) -> None:
    files = [(page.parent / name).resolve() for block in blocks(page)[2:] for name, _ in LINK.findall(block) if name]

    assert [file for file in files if not file.exists() or russian(file) in map(russian, PAGES)] == []


def test_the_words_are_those_of_the_code_each_with_its_russian_one() -> None:
    english = [row[0] for row in rows(words(README))[2:]]

    assert re.findall(r"^\| \S[^|]*\((\w+)\) \|", words(russian(README)), re.MULTILINE) == english


def words(page: Path) -> str:
    """The table of words, the last one of the page."""
    return [block for block in blocks(page) if block.startswith("|")][-1]


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
    (ours,) = re.findall(rf"^\| ([^|]+) \({word}\) \|", words(russian(README)), re.MULTILINE)

    assert RUSSIAN[phrase].casefold().startswith(ours.casefold())


@pytest.mark.parametrize("state", CHANGE_STATES)
def test_a_state_of_a_change_is_called_what_the_status_page_calls_it(state: str) -> None:
    assert f"| `{state}` | {RUSSIAN[state]}" in russian(README).read_text(encoding="utf-8")
