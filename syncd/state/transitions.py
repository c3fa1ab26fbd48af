"""How changes move between states other than by a push: a held change is released, or a change ends unsent.

    held ──release──► pending ──claim and push──► delivered, refused, dead
      │                  │
      └──────────────────┴──► superseded   a newer change of the order will be sent instead
                         └──► discarded    by an operator, or by the statuses file

Whenever a change ends that IMSHOP may have applied, it is unknown from then on what IMSHOP knows of the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, literal_column, or_, select, update

from syncd.model import ChangeState
from syncd.news import is_news
from syncd.state.schema import UNSENT, WAITING, changes, in_state, is_listed, list_parameter, seen
from syncd.state.told import TOLD_IN_DOUBT, told_of

newer = changes.alias("newer")


def newer_change(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether there is a newer change of the same order; `conditions` are on `newer`."""
    return exists().where(newer.c.order_id == changes.c.order_id, newer.c.id > changes.c.id, *conditions)


NEWER_WAITS = newer_change(newer.c.ended_at.is_(None))
NEWER_WILL_BE_SENT = newer_change(newer.c.ended_at.is_(None), newer.c.state == literal_column("'pending'"))
"""An older change is superseded by one that will be sent, not by one that is held: a held change may be discarded."""
_LAST_WAITING = (
    select(
        *(changes.c.order_id, changes.c.id, changes.c.content, NEWER_WAITS.label("newer_waits")),
        *(seen.c.content.label("seen_content"), seen.c.told),
    )
    .join(seen, seen.c.order_id == changes.c.order_id)
    .where(WAITING, ~NEWER_WILL_BE_SENT, ~changes.c.in_doubt, is_listed(changes.c.order_id, list_parameter("orders")))
)
"""The newest change that waits of each order, and the one that will be sent next if that is held."""


_DUE_OF_AN_ORDER = (WAITING, changes.c.state != literal_column("'held'"), changes.c.claimed_at.is_(None))
"""DUE_SOMETIME in words that fit no index but that of an order's changes. PostgreSQL without statistics takes the index
of all that is due for a short one, and would read it for each change that is released."""


def end_changes(connection: Connection, state: ChangeState, now: datetime, *which: ColumnElement[bool]) -> int:
    """End changes that wait, or move changes that ended to another final state. Returns how many there were."""
    in_doubt = select(changes.c.order_id).where(*which, changes.c.in_doubt)
    connection.execute(update(seen).where(seen.c.order_id.in_(in_doubt)).values(told=TOLD_IN_DOUBT))
    ended = update(changes).where(*which).values(state=state, ended_at=now, claimed_at=None)
    return connection.execute(ended).rowcount


def release_held(connection: Connection, now: datetime, hold: str, *which: ColumnElement[bool]) -> int:
    """Make held changes due. Older changes of their orders are superseded unless they are being sent. Returns how many
    were released."""
    released = [in_state("held"), changes.c.hold == hold, *which]
    orders = select(changes.c.order_id).where(*released).scalar_subquery()
    end_changes(connection, "superseded", now, *_DUE_OF_AN_ORDER, changes.c.order_id.in_(orders))
    due = update(changes).where(*released).values(state="pending", hold=None, next_attempt_at=now)
    return connection.execute(due).rowcount


def supersede_without_news(connection: Connection, order_ids: Sequence[str], now: datetime) -> None:
    """Supersede the waiting changes of orders that went back to what IMSHOP knows while a push of theirs was under way:
    they would tell IMSHOP nothing new. If it is only the one before a held change that would not, then that one."""
    rows = connection.execute(_LAST_WAITING, {"orders": order_ids}).all()
    silent = [row for row in rows if (told := told_of(row.seen_content, row.told)) and not is_news(row.content, told)]
    if silent:
        orders = {row.order_id for row in silent if not row.newer_waits}
        these = or_(changes.c.order_id.in_(orders), changes.c.id.in_([row.id for row in silent]))
        end_changes(connection, "superseded", now, UNSENT, these)
