"""What happens to changes that wait: they end without being sent, or a hold is let go.

Wherever a change ends that may have been applied, nobody knows any more what IMSHOP knows of its order.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, literal_column, select, update

from syncd.model import ChangeState
from syncd.state.tables import DUE_SOMETIME, UNKNOWN, WAITING, changes, in_state, seen

newer = changes.alias("newer")


def newer_change(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether there is a newer change of the same order; `conditions` are on `newer`."""
    return exists().where(newer.c.order_id == changes.c.order_id, newer.c.id > changes.c.id, *conditions)


NEWER_WAITS = newer_change(newer.c.ended_at.is_(None))
NEWER_GOES = newer_change(newer.c.ended_at.is_(None), newer.c.state == literal_column("'pending'"))
"""An older change gives way to one that will be sent, not to one that is held: that may be discarded."""


def end(connection: Connection, state: ChangeState, now: datetime, *which: ColumnElement[bool]) -> int:
    """End changes that wait, or put those that ended into another final state. Returns how many there were."""
    in_doubt = select(changes.c.order_id).where(*which, changes.c.in_doubt)
    connection.execute(update(seen).where(seen.c.order_id.in_(in_doubt)).values(told=UNKNOWN))
    ended = update(changes).where(*which).values(state=state, ended_at=now, claimed_at=None)
    return connection.execute(ended).rowcount


def let_go(connection: Connection, now: datetime, hold: str, *which: ColumnElement[bool]) -> int:
    """Held changes become due; older ones of their orders that are not being sent give way. Returns how many."""
    let = [in_state("held"), changes.c.hold == hold, *which]
    orders = select(changes.c.order_id).where(*let).scalar_subquery()
    end(connection, "superseded", now, WAITING, DUE_SOMETIME, changes.c.order_id.in_(orders))
    going = update(changes).where(*let).values(state="pending", hold=None, next_attempt_at=now)
    return connection.execute(going).rowcount
