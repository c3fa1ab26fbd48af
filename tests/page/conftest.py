"""A state as a shop leaves it in a day, the page on it, and a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from syncd.state import State
from tests.made import NOON
from tests.page.scenes import CHROMIUM, PageInputs, launched, served

PICTURES = Path(__file__).parent.parent.parent / "build"


@pytest.fixture
def shown(memory: State) -> PageInputs:
    """One poll went well."""
    memory.polls.record_poll(NOON, None, rows=120)
    return PageInputs(memory)


@pytest.fixture
def url(shown: PageInputs) -> Iterator[str]:
    with served(shown) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed; run: apt-get install chromium")
        pytest.skip("chromium is not installed")
    with launched() as browser:
        yield browser
