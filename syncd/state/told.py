"""What IMSHOP knows of an order, in the column `seen.told`:

NULL               what was seen
a content          that content
UNKNOWN            nobody can say: IMSHOP was never told, or it is in doubt whether a push arrived
UNKNOWN_BUT_PAID   the same, but IMSHOP may have been told of a payment, so that one taken back must be told too

While a change is being sent, this is what IMSHOP knew before.
"""

from __future__ import annotations

from sqlalchemy import Text, case, exists, func, literal, or_, type_coerce

from syncd.model import Content
from syncd.state.schema import WAITING, canonical, changes, content_of, seen

UNKNOWN = "null"
UNKNOWN_BUT_PAID = '{"paid":true,"status":null}'  # to older versions it is a content without a status
_PAID = '"paid":true'  # in the JSON of a content, and in no text within, where quotes are escaped
_WAS_PAID = func.coalesce(seen.c.told, type_coerce(seen.c.content, Text)).like(f"%{_PAID}%")
_MAY_BE_PAID = exists().where(
    changes.c.order_id == seen.c.order_id, WAITING, changes.c.in_doubt, changes.c.with_payment
)
TOLD_IN_DOUBT = case((or_(_WAS_PAID, _MAY_BE_PAID), literal(UNKNOWN_BUT_PAID)), else_=literal(UNKNOWN))
"""For an UPDATE of `seen`: the value once what IMSHOP knows comes into doubt. It may know of the payment that it knew
before, or of that of a change that waits and is in doubt."""


def once_in_doubt(told: str) -> str:
    """As TOLD_IN_DOUBT, of an order of which no change is in doubt. `told`: the value now, or instead of NULL the
    content."""
    return UNKNOWN_BUT_PAID if _PAID in told else UNKNOWN


def told_of(content: Content, told: str | None) -> Content | None:
    """What IMSHOP knows, from these columns of `seen`; None: unknown."""
    if told is None:
        return content
    return None if told in (UNKNOWN, UNKNOWN_BUT_PAID) else content_of(told)


def told_column(told: Content | None, content: Content) -> str | None:
    """The reverse of `told_of`."""
    if told is None:
        return UNKNOWN
    return None if told == content else canonical(told)
