"""What buyers read where the shop gives no words of its own, and the shop's words made fit to be read."""

from __future__ import annotations

from html.parser import HTMLParser

REFUSED = "Этот заказ уже нельзя отменить. Пожалуйста, свяжитесь с магазином."
NOT_KNOWN = "Заказ пока не найден. Попробуйте ещё раз через несколько минут или свяжитесь с магазином."
LONGEST_MESSAGE = 200


def for_the_buyer(text: str) -> str | None:
    """The shop's words without HTML, at most 200 characters; None where there is nothing to read, or where bytes of it
    were no text in the charset that they should be in."""
    words = one_line(_without_html(text) if "<" in text or "&" in text else text, LONGEST_MESSAGE)
    return None if words and "\ufffd" in words else words


def one_line(text: str, longest: int) -> str | None:
    """Its beginning in one line of printable text; None where there is nothing to read."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:longest].strip() or None


def _without_html(text: str) -> str:
    found = _Text()
    found.feed(text)
    found.close()
    return found.text


class _Text(HTMLParser):
    """The text between tags; what scripts and styles hold is none."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else data
