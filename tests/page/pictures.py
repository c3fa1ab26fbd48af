"""`python -m tests.page.pictures` draws the documents' pictures of the pages anew, in docs/pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser

from syncd.model import Order
from syncd.shop_lookup import LookupResult
from syncd.state import open_state
from tests.docs.documents import DOCS
from tests.page.scenes import PageInputs, good_day, hold_some, launched, served, trouble

FOLDER = DOCS / "pictures"
DESKTOP = {"width": 1200, "height": 1130}
PHONE = {"width": 400, "height": 1320}


@dataclass(frozen=True)
class Picture:
    """`befalls`: what happens to a day that went well."""

    path: str = "/"
    befalls: Callable[[PageInputs], None] = lambda _: None
    options: Mapping[str, Any] = field(default_factory=dict)


def refused(shown: PageInputs) -> None:
    hold_some(shown.memory)
    shown.in_shop = LookupResult(Order("05671701", {"status": "lost"}, shown.now))


DARK, RUSSIAN = {"color_scheme": "dark"}, {"locale": "ru-RU"}
PICTURES = {
    "status-page": Picture(),
    "status-page-dark": Picture(options=DARK),
    "status-page-phone": Picture(options={"viewport": PHONE}),
    "status-page-ru": Picture(options=RUSSIAN),
    "status-page-ru-phone": Picture(options={**RUSSIAN, "viewport": PHONE}),
    "status-page-amber": Picture(
        befalls=lambda shown: hold_some(shown.memory), options={"viewport": {**DESKTOP, "height": 640}}
    ),
    "status-page-red": Picture(
        befalls=lambda shown: trouble(shown.memory), options={"viewport": {**DESKTOP, "height": 780}}
    ),
    "order-page": Picture("/order?id=05671701", refused, options={"viewport": {**DESKTOP, "height": 980}}),
}
"""By the names of their files."""


def draw(browser: Browser, picture: Picture, file: Path) -> None:
    with TemporaryDirectory() as folder, closing(open_state(f"sqlite:///{folder}/state.db", redact=str)) as state:
        shown = PageInputs(state)
        good_day(shown)
        picture.befalls(shown)
        with served(shown) as url:
            context = browser.new_context(**{"locale": "en-GB", "viewport": DESKTOP, **picture.options})
            page = context.new_page()
            page.goto(f"{url}{picture.path}")
            page.screenshot(path=file)
            context.close()


if __name__ == "__main__":
    with launched() as browser:
        for name, picture in PICTURES.items():
            draw(browser, picture, FOLDER / f"{name}.png")
