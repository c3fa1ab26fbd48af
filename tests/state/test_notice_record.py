"""What people were told is kept; and which changes wait for delivery, as they are told of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.errors import LeaseLostError
from syncd.state import State
from tests.made import NOON
from tests.state.made import MINUTE, decision, outcome, stage, take, write_down


def test_record_is_kept(state: State) -> None:
    assert state.notices.read() is None
    state.notices.keep({"announced": {"dead": 1}})
    state.notices.keep({"announced": {}})
    assert state.notices.read() == {"announced": {}}


def test_only_the_leader_keeps_a_record(state: State) -> None:
    lease = state.lease()
    assert lease.acquire()
    lease.release()
    with pytest.raises(LeaseLostError):
        state.under(lease).notices.keep({})


def test_refused_change_does_not_wait_for_delivery(state: State) -> None:
    """It is tried again within the hour, whatever becomes of the others."""
    stage(state, decision("1"), now=NOON - timedelta(hours=1))
    (refused,) = take(state)
    write_down(state, outcome(refused, "retry", refused=True, next_attempt_at=NOON + MINUTE))
    stage(state, decision("2"))
    stage(state, decision("3"), now=NOON - MINUTE)
    assert [change.order_id for change in state.reports.waiting(5)] == ["3", "2"]
    assert len(state.reports.waiting(1)) == 1
