"""What buyers read where the shop gives no words of its own, and the shop's words made fit to be read."""

from __future__ import annotations

import re

REFUSED = "Этот заказ уже нельзя отменить. Пожалуйста, свяжитесь с магазином."
NOT_KNOWN = "Заказ пока не найден. Попробуйте ещё раз через несколько минут или свяжитесь с магазином."
LONGEST_MESSAGE = 300


def plain(text: str) -> str | None:
    """One line of printable text, or None where there is nothing to read."""
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).strip()[:LONGEST_MESSAGE] or None
