"""A state that was written when blanks still were a part of values is upgraded, and nobody is told anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import text

from syncd.model import Content, Decision, Order, Seen
from syncd.pipeline.diff import Policy, diff
from syncd.state import ChangeView, State, open_state
from tests.made import check_counts
from tests.state.made import adopted, another, change, stage

OLD: Content = {"status": "new  ", "tracking": "T1\xa0", "paid": True, "payment_id": " p7"}
NOW: Content = {"status": "new", "tracking": "T1", "paid": True, "payment_id": "p7"}


@pytest.fixture
def url(request: pytest.FixtureRequest, kind: str) -> str:
    return str(request.getfixturevalue(f"{kind}_state"))


@pytest.fixture
def state(url: str) -> Iterator[State]:
    """One that no other test uses: its tables are changed."""
    with closing(open_state(url, redact=str)) as state:
        yield state
        check_counts(state)


def aged(state: State) -> None:
    """As an earlier version left it."""
    with state.store.write() as connection:
        connection.execute(text("DROP INDEX seen_unpaid"))
        connection.execute(text("CREATE INDEX changes_waiting ON changes (order_id, ended_at) WHERE ended_at IS NULL"))
        connection.execute(text("ALTER TABLE seen DROP COLUMN unpaid_since"))
        for trigger in ("inserted", "deleted", "updated"):
            on_table = "" if connection.dialect.name == "sqlite" else " ON changes"
            connection.execute(text(f"DROP TRIGGER changes_{trigger}{on_table}"))
        if connection.dialect.name == "postgresql":
            connection.execute(text("DROP FUNCTION count_changes"))
        connection.execute(text("DROP TABLE change_counts"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'leases'"))


def known(order_id: str, told: Content | None = OLD, content: Content = OLD) -> Decision:
    return Decision(Seen(order_id, content, told, "u-1  ", 3, shop_id=" 348"))


def test_upgrade_strips_blanks_from_ids_and_statuses(state: State, url: str) -> None:
    """The order keeps its uuid, revision and key; a row read without blanks is no change."""
    stage(state, known("A1   "), known("A2", told=None), known("A3", told={**OLD, "status": "paid "}))
    aged(state)
    with another(url) as upgraded:
        found = upgraded.polls.load(["A1", "A2", "A3"])
        assert found["A1"] == Seen("A1", NOW, NOW, "u-1", 3, shop_id="348")
        assert (found["A2"].content, found["A2"].told) == (NOW, None)
        assert (found["A3"].content, found["A3"].told) == (NOW, {**NOW, "status": "paid"})
        assert upgraded.polls.tracked() == 3
        shown = Order("A1", NOW, imshop_uuid="u-1", shop_id="348")
        assert diff([shown], found, Policy(lambda _status: "push"), "full") == []


def test_control_character_status_becomes_its_number(state: State, url: str) -> None:
    """A column of type BIT once gave a control character."""
    stage(state, adopted("1", "\x01"), adopted("2", "a\x01b"))
    aged(state)
    with another(url) as upgraded:
        assert {key: one.content["status"] for key, one in upgraded.polls.load(["1", "2"]).items()} == {
            "1": "1",
            "2": "a\x01b",
        }


def test_a_change_that_waits_goes_out_without_blanks(state: State, url: str) -> None:
    waits = change("A1  ", "paid ", content={"status": "paid ", "tracking": "T1 "}, imshop_uuid="u ", message="Paid ")
    stage(state, Decision(Seen("A1  ", waits.content, {"status": "new "}, "u ", 1), waits))
    with state.store.write() as connection:
        connection.execute(text("UPDATE changes SET tracking_url = 'https://t.example/T1%20'"))
    aged(state)
    with another(url) as upgraded:
        (found,) = upgraded.reports.changes()
        assert isinstance(found, ChangeView)
        assert (found.order_id, found.status, found.state) == ("A1", "paid", "pending")
        with upgraded.store.read() as connection:
            row = connection.execute(text("SELECT content, message, imshop_uuid, tracking_url FROM changes")).one()
        assert row == ('{"status":"paid","tracking":"T1"}', "Paid", "u", "https://t.example/T1")


def test_two_rows_of_one_order_become_one(state: State, url: str) -> None:
    stage(state, adopted("A1", "old"))
    stage(state, adopted("A1 ", "new"), adopted("A2"))
    with state.store.write() as connection:
        connection.execute(text("UPDATE seen SET changed_at = changed_at + 1 WHERE order_id = 'A1 '"))
    aged(state)
    with another(url) as upgraded:
        assert upgraded.polls.load(["A1"])["A1"].content == {"status": "new"}
        assert upgraded.polls.tracked() == 2


def test_many_padded_orders_are_all_upgraded(state: State, url: str) -> None:
    stage(state, *(adopted(f"{number:<10}", "new ") for number in range(2500)))
    aged(state)
    with closing(open_state(url, redact=str)) as upgraded:
        found = upgraded.polls.load(map(str, range(2500)))
        assert len(found) == upgraded.polls.tracked() == 2500
        assert {one.content["status"] for one in found.values()} == {"new"}


def test_former_numbers_lose_their_blanks(state: State, url: str) -> None:
    stage(state, adopted("A1"), adopted("A2"))
    with state.store.write() as connection:
        for former in ("old", "old ", "other "):
            connection.execute(text("INSERT INTO former_numbers VALUES (:former, 'A1 ')"), {"former": former})
    aged(state)
    with another(url) as upgraded, upgraded.store.read() as connection:
        numbers = connection.execute(text("SELECT former, order_id FROM former_numbers ORDER BY former")).all()
    assert [row[0] for row in numbers] == ["old", "other"]
    assert numbers[1][1] == "A1"


def test_told_differing_only_by_blanks_is_cleared(state: State, url: str) -> None:
    """It then equals what was seen, which is stored once."""
    stage(state, known("A1", told={**OLD, "status": "new"}))
    aged(state)
    with another(url) as upgraded, upgraded.store.read() as connection:
        assert connection.execute(text("SELECT told FROM seen")).scalar() is None


def test_of_two_rows_the_present_one_stays(state: State, url: str) -> None:
    """Of two rows that differ by blanks the one that is not missing stays."""
    stage(state, adopted("A1", "new"), adopted("A1 ", "gone"))
    with state.store.write() as connection:
        connection.execute(text("UPDATE seen SET missing_since = 1, segment = 5 WHERE order_id = 'A1 '"))
    aged(state)
    with another(url) as upgraded:
        assert upgraded.polls.load(["A1"])["A1"].content == {"status": "new"}
        assert upgraded.polls.tracked() == 2
