"""Single values of the state, by name, as JSON."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from syncd.model import Pause
from syncd.state.tables import facts

_GET = select(facts.c.value).where(facts.c.name == bindparam("fact"))
_CHANGE = update(facts).where(facts.c.name == bindparam("fact"))
_ALL = select(facts.c.name, facts.c.value)


def get_fact(connection: Connection, name: str) -> Any:
    """The value, or None where it was never put."""
    value = connection.execute(_GET, {"fact": name}).scalar()
    return None if value is None else json.loads(value)


def put_fact(connection: Connection, name: str, value: object) -> None:
    """Only within a transaction that writes."""
    text = json.dumps(value)
    if not connection.execute(_CHANGE, {"fact": name, "value": text}).rowcount:
        connection.execute(insert(facts), {"name": name, "value": text})


def all_facts(connection: Connection) -> dict[str, Any]:
    return {name: json.loads(value) for name, value in connection.execute(_ALL)}


def add_to_fact(connection: Connection, name: str, amount: int) -> int:
    """Returns the new value; a number that was never put is 0."""
    value = int(get_fact(connection, name) or 0) + amount
    if amount:
        put_fact(connection, name, value)
    return value


def instant(text: str | None) -> datetime | None:
    """A datetime as a fact holds it."""
    return None if text is None else datetime.fromisoformat(text)


def pause_fact(pause: Pause | None) -> dict[str, str] | None:
    if pause is None:
        return None
    return {"reason": pause.reason, "since": pause.since.isoformat(), "detail": pause.detail}


def pause_of(fact: dict[str, str] | None) -> Pause | None:
    if fact is None:
        return None
    return Pause(fact["reason"], datetime.fromisoformat(fact["since"]), fact["detail"])
