"""What the columns of the merchant's query mean, and how a row of them becomes an Order.

Pure. Each column has a meaning by its name; others are ignored. A row that cannot be read is Skipped, never an error:
one bad row must not stop the polling of the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from html import unescape
from math import isfinite
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from syncd.model import Content, Dropped, Identified, Order, Page, Skipped
from syncd.sources.timestamps import EPOCH, instant, moment
from syncd.text import without_blanks

REQUIRED = ("order_id", "status")
CURSORS = ("sequence", "updated_at")
"""The columns by which polls can go, the better one first."""
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


@dataclass(frozen=True, slots=True)
class Fault:
    """Stands in a row for a value that cannot be read."""

    why: str

    def __str__(self) -> str:
        return self.why


class FaultError(ValueError):
    """The value is a Fault; its text is the whole reason."""


NO_KEYS: Mapping[str, str] = MappingProxyType({})
"""The shop's own key is known of no order."""
LONGEST_ID = 255
"""Characters. No shop has longer ids. One over 2,700 bytes would fit no index of a state in PostgreSQL, and every poll
would fail."""

LONGEST = {"message": 1_000_000, "tracking_url": 2048}
"""Characters of a field that has no id in it. A long message is cut when it is sent."""
_LARGEST_DIGITS = 300
_LARGEST_BITS = 1000
_UUID_BYTES = 16
_UUID_DIGITS = 32
_UNDASHED_UUID = re.compile(r"([0-9a-fA-F]{8})([0-9a-fA-F]{4})([0-9a-fA-F]{4})([0-9a-fA-F]{4})([0-9a-fA-F]{12})")
_PLAIN = re.compile(r"(?![aOCEsbid]:)[!-Z\\-z~\u0400-\u04ff](?:[ -~\u0400-\u04ff]*[!-~\u0400-\u04ff])?").fullmatch
"""Matches text of printable ASCII and Cyrillic without blanks at its ends that is certainly not `_NOTATION`: most
values."""
_NOTATION = re.compile(r'[{\[]|a:\d+:\{|[OCE]:\d+:"|s:\d+:"|[bid]:-?[0-9.E+-]+;\Z')

_YES = frozenset({"1", "y", "yes", "t", "true"})
_NO = frozenset({"0", "n", "no", "f", "false"})


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """How the columns of a source are read.

    `zone` is that of timestamps without an offset. `tracking_template` makes a URL of a `{tracking_number}`.
    `message_is_change`: a different message alone is a change. `message_is_html`: messages are escaped as HTML writes
    text.
    """

    zone: tzinfo
    tracking_template: str | None = None
    message_is_change: bool = False
    message_is_html: bool = False

    def message(self, raw: object) -> str | None:
        """The name of a status as buyers read it. None also for what has no text."""
        return self.unescaped(text_or_none(raw))

    def unescaped(self, text: str | None) -> str | None:
        return unescape(text) if text and self.message_is_html else text


class Layout:
    """The known columns that a query has, in the order in which they are read: those compared come first."""

    def __init__(self, available: Sequence[str], options: ColumnOptions) -> None:
        self.options = options
        tracking = ("tracking_url", "tracking_number") if options.tracking_template else ("tracking_url",)
        message = ("message",) if options.message_is_change else ()
        comparable = (*REQUIRED, *tracking, "paid", "payment_id", *message, "imshop_uuid", "shop_id")
        self.compared = tuple(name for name in comparable if name in available)
        others = [name for name in KNOWN if name in available and name not in self.compared]
        if "tracking_number" in others:
            others.remove("tracking_number")
        self.names = (*self.compared, *others)
        self._at = {name: position for position, name in enumerate(self.names)}
        self._tracks = "tracking_url" in self._at or "tracking_number" in self._at

    @property
    def width(self) -> int:
        """How many columns, from the first, `content` needs."""
        return len(self.compared)

    @property
    def cursor(self) -> str | None:
        """The column by which polls can go, if there is one."""
        return next((name for name in CURSORS if name in self._at), None)

    @property
    def by_sequence(self) -> bool:
        """Whether that column is `sequence`, so that there may be many rows of one order."""
        return self.cursor == "sequence"

    def value(self, row: Sequence[Any], name: str) -> Any:
        """The raw value of a column; None also where the query has no such column."""
        position = self._at.get(name)
        return None if position is None else row[position]

    def content(self, row: Sequence[Any]) -> Identified | Skipped:
        """What is compared of the order. Needs only the first `width` values of the row."""
        return self._identified(OptionalFields(self._at, row))

    def order(
        self, row: Sequence[Any], *, beyond_cursor: bool = True, changed: datetime | None = None
    ) -> Order | Skipped:
        """A whole row as an order; a timestamp that cannot be read counts as none. `changed`: its moment, if that is
        known already."""
        fields = OptionalFields(self._at, row)
        found = self._identified(fields)
        if isinstance(found, Skipped):
            return found
        try:
            at = instant(changed or moment(self.value(row, "updated_at")), self.options.zone)
            updated_at = at if at > EPOCH else None
        except ValueError:
            updated_at = None
        message = self.message(str(found.content["status"]), fields)
        user_id = fields.text("user_id") or _digits(fields.text("phone"))
        return Order(
            found.order_id,
            found.content,
            updated_at,
            message,
            self._tracking_url(found.content, fields),
            user_id,
            found.imshop_uuid,
            found.shop_id,
            beyond_cursor,
            dropped=fields.dropped,
        )

    def message(self, status: str, fields: OptionalFields) -> str | None:
        """The status in words, if the source knows any."""
        return self.options.unescaped(fields.text("message"))

    def page(self, rows: Sequence[Sequence[Any]]) -> Page:
        """The orders in whole rows."""
        read = [self.order(row) for row in rows]
        return Page(
            [order for order in read if isinstance(order, Order)], [row for row in read if isinstance(row, Skipped)]
        )

    def _identified(self, fields: OptionalFields) -> Identified | Skipped:
        row, order_id, status = fields.row, None, None
        try:
            order_id = self._required(row, "order_id")
            if order_id is None:
                return Skipped("no_id", None, "a row has no order_id")
            status = self._required(row, "status")
        except ValueError as error:
            return Skipped("bad_value", order_id, f"order {order_id or 'without an id'}: {error}")
        if status is None:
            return Skipped("no_status", order_id, f"order {order_id} has no status")
        fields.order_id = order_id
        content = self._content(fields, status)
        uuid = _dashed(fields.text("imshop_uuid"))
        return Identified(order_id, content, uuid, fields.text("shop_id"), fields.dropped)

    def _content(self, fields: OptionalFields, status: str) -> Content:
        content: dict[str, str | bool | None] = {"status": status}
        if self._tracks:
            content["tracking"] = fields.text("tracking_url") or fields.text("tracking_number")
        if "paid" in self._at:
            content["paid"] = fields.flag("paid")
        if "payment_id" in self._at:
            content["payment_id"] = fields.text("payment_id")
        if "message" in self.compared:
            content["message"] = self.options.unescaped(fields.text("message"))
        return content

    def shop_id(self, row: Sequence[Any]) -> str | None:
        """The shop's own key of the order, where it can be read."""
        return OptionalFields(self._at, row).text("shop_id")

    def _required(self, row: Sequence[Any], name: str) -> str | None:
        """The text of a column that every row has. ValueError: it cannot be read."""
        try:
            text = text_of(row[self._at[name]])
        except ValueError as error:
            raise ValueError(_why(name, error)) from None
        if text is not None and len(text) > LONGEST_ID:
            raise ValueError(f"{name} is longer than {LONGEST_ID} characters")
        return text

    def _tracking_url(self, content: Content, fields: OptionalFields) -> str | None:
        template, tracking = self.options.tracking_template, content.get("tracking")
        if not isinstance(tracking, str):
            return None
        if not template or fields.text("tracking_url"):
            return tracking
        return template.replace("{tracking_number}", quote(tracking, safe=""))


@dataclass(slots=True)
class OptionalFields:
    """The optional fields of a row; `at`: their positions in it. One that cannot be read counts as None, and is noted
    in `dropped` once, with `order_id`: whoever reads the row sets that first."""

    at: Mapping[str, int]
    row: Sequence[Any]
    order_id: str = ""
    dropped: Sequence[Dropped] = ()

    def text(self, name: str) -> str | None:
        position = self.at.get(name)
        if position is None or (value := self.row[position]) is None:
            return None
        if type(value) is str and len(value) <= LONGEST_ID and _PLAIN(value):  # most values: the rest changes nothing
            return value
        try:
            text = text_of(value)
        except ValueError as error:
            self._drop(name, _why(name, error))
            return None
        if text is None or len(text) <= LONGEST_ID or len(text) <= LONGEST.get(name, LONGEST_ID):
            return text
        self._drop(name, f"{name} is longer than {LONGEST.get(name, LONGEST_ID):,} characters")
        return None

    def flag(self, name: str) -> bool | None:
        try:
            return flag_of(self.row[self.at[name]])
        except ValueError as error:
            self._drop(name, _why(name, error))
            return None

    def _drop(self, name: str, why: str) -> None:
        if all(one.field != name for one in self.dropped):
            self.dropped = *self.dropped, Dropped(name, self.order_id, f"order {self.order_id}: {why}")


def _digits(phone: str | None) -> str | None:
    return (phone and re.sub(r"[^0-9]", "", phone)) or None


def _why(name: str, error: ValueError) -> str:
    return str(error) if isinstance(error, FaultError) else f"{name} {error}"


def text_of(value: object) -> str | None:
    """A value as text, as a person would write it: 5 for 5.00 and for 5.0, text without the blanks at its ends. None:
    NULL, or nothing but blanks. ValueError: it has no such text, as a list or a program's own notation has none."""
    if value is None:
        return None
    if type(value) is int:  # most ids: none of what follows concerns them
        return _whole(value)
    if type(value) is str and _PLAIN(value):
        return value
    text = value if isinstance(value, str) else _written(value)
    if "\0" in text:
        text = text.replace("\0", "")  # PostgreSQL, where the state may be kept, takes no NUL in text
    text = without_blanks(text)
    if _NOTATION.match(text):
        _refuse_notation(text)
    return text or None


def _written(value: object) -> str:
    match value:
        case bool():
            return str(int(value))
        case int():
            return _whole(value)
        case float() | Decimal():
            return _number(value)
        case bytes() | bytearray() | memoryview():
            return _decoded(bytes(value))
        case timedelta():
            return _duration(value)
        case Fault():
            raise FaultError(value.why)
        case Mapping() | list() | tuple() | set() | frozenset():
            raise ValueError(f"is {'an object' if isinstance(value, Mapping) else 'a list'}, and not one value")
    return str(value)


def text_or_none(value: object) -> str | None:
    """As `text_of`, but None also for what has no text."""
    try:
        return text_of(value)
    except ValueError:
        return None


def flag_of(value: object) -> bool | None:
    """Yes or no, in the ways shops write it. None: NULL or blank. ValueError: it is neither."""
    text = (text_of(value) or "").lower()
    if text in _YES:
        return True
    if text in _NO or not text:
        return False if text else None
    raise ValueError(f"is {text[:40]!r}, which is neither yes nor no")


def _whole(value: int) -> str:
    if value.bit_length() > _LARGEST_BITS:
        raise ValueError("is a number of hundreds of digits")
    return str(value)


def _number(value: float | Decimal) -> str:
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"is {value}: no number, or one too large to be read")
        return str(int(value)) if value.is_integer() else str(value)
    if not value.is_finite() or value.adjusted() > _LARGEST_DIGITS:
        raise ValueError(f"is {str(value)[:40]}: no number, or one too large to be read")
    return str(int(value)) if value == value.to_integral_value() else format(value, "f")


def _duration(value: timedelta) -> str:
    """A time of day, or a longer duration, as databases write it."""
    minutes, seconds = divmod(abs(value).days * 86400 + abs(value).seconds, 60)
    fraction = f".{abs(value).microseconds:06}" if value.microseconds else ""
    sign = "-" if value < timedelta() else ""
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{fraction}"


def _decoded(value: bytes) -> str:
    if len(value) == 1 and value < b"\x20":  # MariaDB's BIT
        return str(value[0])
    try:
        return value.decode()
    except UnicodeDecodeError:
        if len(value) == _UUID_BYTES:
            return value.hex()
        raise ValueError(f"is {len(value)} bytes that are no text in UTF-8") from None


def _refuse_notation(text: str) -> None:
    """ValueError: the text is what PHP's serialize() writes, or a whole object or list in JSON."""
    if text[0] not in "{[":
        raise ValueError(f"is serialized by PHP ({text[:20]}…): nobody can read that")
    if text[-1] in "}]":
        try:
            json.loads(text)
        except json.JSONDecodeError:
            return
        except (ValueError, RecursionError):  # it has too long a number, or is too deep, and is JSON all the same
            pass
        raise ValueError(f"is {'an object' if text[0] == '{' else 'a list'} in JSON, and not one value")


def _dashed(uuid: str | None) -> str | None:
    """A UUID with dashes, as IMSHOP writes it: columns of 16 bytes or of 32 characters have no room for them."""
    found = _UNDASHED_UUID.fullmatch(uuid) if uuid and len(uuid) == _UUID_DIGITS else None
    return "-".join(found.groups()) if found else uuid
