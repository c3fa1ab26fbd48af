"""What the columns of the merchant's query mean, and how a row of them becomes an Order.

Pure. Each column has a meaning by its name; others are ignored. A row that cannot be read is Skipped, never an error:
one bad row must not stop the polling of the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from math import isfinite
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from syncd.blanks import without_blanks
from syncd.model import Content, Identified, Order, Page, Skipped
from syncd.sources.timestamps import instant, moment

REQUIRED = ("order_id", "status")
CURSORS = ("sequence", "updated_at")
"""Those that polls can go by, the better one first."""
KNOWN = (
    *REQUIRED,
    "updated_at",
    "sequence",
    "message",
    "tracking_url",
    "tracking_number",
    "user_id",
    "phone",
    "imshop_uuid",
    "shop_id",
    "paid",
    "payment_id",
)

NO_KEYS: Mapping[str, str] = MappingProxyType({})
"""Of no order the shop's own key is known."""
LONGEST_ID = 255
"""No shop has longer ones. One over 2,700 bytes would fit no index of a state in PostgreSQL, and fail every poll."""

_YES = frozenset({"1", "y", "yes", "t", "true"})
_NO = frozenset({"0", "n", "no", "f", "false"})


@dataclass(frozen=True, slots=True)
class Meaning:
    """How the source's columns are to be taken.

    `zone` is that of timestamps without an offset. `tracking_template` makes a URL of a `{tracking_number}`.
    `message_is_change`: a different message alone is a change.
    """

    zone: tzinfo
    tracking_template: str | None = None
    message_is_change: bool = False


class Layout:
    """The known columns that a query has, in the order in which they are read: those compared come first."""

    def __init__(self, available: Sequence[str], meaning: Meaning) -> None:
        self.meaning = meaning
        self.compared = tuple(name for name in self._comparable() if name in available)
        others = [name for name in KNOWN if name in available and name not in self.compared]
        if "tracking_number" in others:
            others.remove("tracking_number")
        self.names = (*self.compared, *others)
        self._at = {name: position for position, name in enumerate(self.names)}
        self._tracks = "tracking_url" in self._at or "tracking_number" in self._at

    @property
    def width(self) -> int:
        """How many columns, from the first, suffice for `content`."""
        return len(self.compared)

    @property
    def cursor(self) -> str | None:
        """The column that polls can go by, if there is one."""
        return next((name for name in CURSORS if name in self._at), None)

    @property
    def counts(self) -> bool:
        """Whether that is a number, so that there may be many rows of one order."""
        return self.cursor == "sequence"

    def value(self, row: Sequence[Any], name: str) -> Any:
        """The raw value of a column; None also where the query has no such column."""
        position = self._at.get(name)
        return None if position is None else row[position]

    def content(self, row: Sequence[Any]) -> Identified | Skipped:
        """What is compared of the order. The first `width` values of the row suffice."""
        order_id = text_of(self.value(row, "order_id"))
        if order_id is None:
            return Skipped("no_id", None, "a row has no order_id")
        status = text_of(self.value(row, "status"))
        if status is None:
            return Skipped("no_status", order_id, f"order {order_id} has no status")
        try:
            _check_length("order_id", order_id)
            return Identified(
                order_id,
                self._content(row, status),
                _check_length("imshop_uuid", self._text(row, "imshop_uuid")),
                self.shop_id(row),
            )
        except ValueError as error:
            return Skipped("bad_value", order_id[:LONGEST_ID], f"order {order_id[:LONGEST_ID]}: {error}")

    def order(self, row: Sequence[Any], *, beyond_cursor: bool = True) -> Order | Skipped:
        """A whole row as an order; a timestamp that cannot be read counts as none."""
        found = self.content(row)
        if isinstance(found, Skipped):
            return found
        try:
            updated_at = instant(moment(self.value(row, "updated_at")), self.meaning.zone)
        except ValueError:
            updated_at = None
        return Order(
            found.order_id,
            found.content,
            updated_at,
            self.message(row),
            self._tracking_url(row),
            self._text(row, "user_id") or _digits(self._text(row, "phone")),
            found.imshop_uuid,
            found.shop_id,
            beyond_cursor,
        )

    def message(self, row: Sequence[Any]) -> str | None:
        """The status in words, if the source knows any."""
        return self._text(row, "message")

    def page(self, rows: Sequence[Sequence[Any]]) -> Page:
        """The orders in whole rows."""
        read = [self.order(row) for row in rows]
        return Page(
            [order for order in read if isinstance(order, Order)], [row for row in read if isinstance(row, Skipped)]
        )

    def _comparable(self) -> Sequence[str]:
        tracking = ("tracking_url", "tracking_number") if self.meaning.tracking_template else ("tracking_url",)
        message = ("message",) if self.meaning.message_is_change else ()
        return *REQUIRED, *tracking, "paid", "payment_id", *message, "imshop_uuid", "shop_id"

    def _content(self, row: Sequence[Any], status: str) -> Content:
        content: dict[str, str | bool | None] = {"status": status}
        if self._tracks:
            content["tracking"] = self._text(row, "tracking_url") or self._text(row, "tracking_number")
        if "paid" in self._at:
            content["paid"] = flag_of(self.value(row, "paid"))
        if "payment_id" in self._at:
            content["payment_id"] = self._text(row, "payment_id")
        if "message" in self.compared:
            content["message"] = self._text(row, "message")
        return content

    def shop_id(self, row: Sequence[Any]) -> str | None:
        """The shop's own key of the order. None also where it is too long to be one: that must not cost the status."""
        shop_id = self._text(row, "shop_id")
        return shop_id if shop_id is None or len(shop_id) <= LONGEST_ID else None

    def _text(self, row: Sequence[Any], name: str) -> str | None:
        return text_of(self.value(row, name))

    def _tracking_url(self, row: Sequence[Any]) -> str | None:
        url, number = self._text(row, "tracking_url"), self._text(row, "tracking_number")
        if url or not number or not self.meaning.tracking_template:
            return url
        return self.meaning.tracking_template.replace("{tracking_number}", quote(number, safe=""))


def text_of(value: object) -> str | None:
    """A value as text, as a person would write it: 5 for 5.00 and for 5.0, text without the blanks at its ends. None:
    NULL, or nothing but blanks."""
    match value:
        case None:
            return None
        case str():
            text = value
        case bool():
            text = str(int(value))
        case float() | Decimal() if isfinite(value) and value == int(value):
            text = str(int(value))
        case Decimal():
            text = format(value, "f")
        case bytes():
            text = _decoded(value)
        case _:
            text = str(value)
    if "\0" in text:
        text = text.replace("\0", "")  # PostgreSQL, where the state may be kept, takes no NUL in text
    return without_blanks(text) or None


def flag_of(value: object) -> bool | None:
    """Yes or no, in the ways shops write it. None: NULL or blank. ValueError: none of them."""
    text = (text_of(value) or "").lower()
    if text in _YES:
        return True
    if text in _NO or not text:
        return False if text else None
    raise ValueError(f"paid is {text[:40]!r}, which is neither yes nor no")


def _check_length(name: str, identifier: str | None) -> str | None:
    if identifier is not None and len(identifier) > LONGEST_ID:
        raise ValueError(f"{name} is longer than {LONGEST_ID} characters")
    return identifier


def _decoded(value: bytes) -> str:
    if len(value) == 1 and value < b"\x20":  # MariaDB's BIT
        return str(value[0])
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()  # a UUID in BINARY(16), say


def _digits(phone: str | None) -> str | None:
    return re.sub(r"[^0-9]", "", phone) or None if phone else None
