"""Many rows are written as they are given."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from syncd.state import State
from syncd.state.bulk import update_rows
from syncd.state.schema import changes, seen
from tests.state.made import adopted, decision, stage, take

ODD = ['"', "\\", '\\"', "{1,2}", "NULL", "null", "", " ", "a,b", "\n\t\r", "Готов №7 😀", "$1 %s :p", "'"]


def test_texts_arrive_as_they_are(state: State) -> None:
    stage(state, *(adopted(str(number)) for number in range(len(ODD))))
    rows = [(str(number), text, text or None) for number, text in enumerate(ODD)]
    with state.store.write() as connection:
        update_rows(connection, seen, ("order_id", "acknowledged_status", "told"), rows)
        stored = connection.execute(select(seen.c.order_id, seen.c.acknowledged_status, seen.c.told)).all()
    assert sorted(map(tuple, stored)) == sorted(rows)


@pytest.mark.parametrize("doubt", [True, False])
def test_truth_values_and_numbers_arrive_as_they_are(state: State, doubt: bool) -> None:
    stage(state, decision("7"))
    [push] = take(state)
    with state.store.write() as connection:
        update_rows(connection, changes, ("id", "in_doubt", "attempts"), [(push.change_id, doubt, -3)])
        assert connection.execute(select(changes.c.in_doubt, changes.c.attempts)).one() == (doubt, -3)
