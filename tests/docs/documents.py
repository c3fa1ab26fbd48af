"""The English documents as data: their tables, code blocks, names in backquotes, links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "deploy" / "cancel" / "README.md", *DOCS.glob("*.md")]
TABLE = re.compile(r"^\| (?P<heading>.+?) \|.*\n\|[ |-]+\n(?P<rows>(?:\|.*\n)+)", re.MULTILINE)
FENCED = re.compile(r"^```(?P<language>\w+)\n(?P<lines>.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page on one line: a sentence is found wherever its lines are broken."""
    return " ".join(text(page).split())


def rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of every table whose first column has this heading."""
    tables = [found["rows"] for found in TABLE.finditer(text(page)) if found["heading"] == heading]
    assert tables, f"{page.name} has no table of {heading}"
    lines = [line for table in tables for line in table.splitlines()]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def quoted(written: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", written)


def named(page: Path, heading: str) -> list[str]:
    """What the first column of a table names."""
    return [name for row in rows(page, heading) for name in quoted(row[0])]


def block_after(page: Path, before: str) -> list[str]:
    """The lines of the first fenced block behind this text."""
    found = FENCED.search(text(page), text(page).index(before))
    assert found
    return found["lines"].splitlines()


def code(page: Path) -> Iterator[str]:
    """Each line of a shell block, and each name in backquotes."""
    for block in FENCED.finditer(text(page)):
        if block["language"] == "sh":
            yield from block["lines"].splitlines()
    yield from quoted(FENCED.sub("", text(page)))


def anchors(page: Path) -> list[str]:
    """What links to its headings are called: small letters and digits, a hyphen for each space."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text(page)), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
