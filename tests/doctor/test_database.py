"""What the doctor says of a shop's database: SQLite, MariaDB, PostgreSQL."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import pytest

from syncd.doctor.database_checks import DatabaseChecks
from syncd.doctor.database_inspection import DatabaseInspection, Replication
from syncd.pipeline.statuses_file import Statuses, StatusesFile
from syncd.runtime import composition, pipeline_parts
from syncd.settings import load
from syncd.sources.database import DatabaseSource
from tests.doctor.installation import OLD, QUERY, Installation
from tests.made import NOON
from tests.servers import execute, kind_of

NEWER = "'2', 'packed', '2024-05-01 10:17:31'"


def test_a_well_shop_has_no_fault(each_database: Installation) -> None:
    each_database.has_orders(OLD, NEWER)
    assert each_database.found("source", "fault") == ""
    assert "written in different ways" not in each_database.found("source")


def test_used_and_possible_columns_are_reported(each_database: Installation) -> None:
    each_database.has_orders(OLD)
    found = each_database.found("source")
    assert "the query gives order_id, status, updated_at" in found
    assert "the query may also give message, tracking_url" in found


def test_query_without_updated_at_is_a_warning(each_database: Installation) -> None:
    """Every poll is then a full compare."""
    each_database.has_orders(OLD)
    query = "SELECT number AS order_id, state AS status FROM orders"
    found = each_database.found("source", SYNCD_SOURCE__QUERY=query)
    assert "warning: without a column updated_at every poll reads and compares all orders" in found
    assert 'order 1 would be pushed as {"id": "1", "code": "new"}' in found
    assert "index" not in found


def test_newest_three_orders_are_shown_as_pushes(each_database: Installation) -> None:
    each_database.has_orders(
        OLD, NEWER, "'007', 'Выдан', '2024-05-02 10:00:00'", "'4', 'x', '2024-05-01 11:00:00'", "'5', 'y', NULL"
    )
    shown = [line for line in each_database.found("source").splitlines() if "would be pushed" in line]
    assert shown == [
        'ok: order 007 would be pushed as {"id": "007", "code": "Выдан"}',
        'ok: order 4 would be pushed as {"id": "4", "code": "x"}',
        'ok: order 2 would be pushed as {"id": "2", "code": "packed"}',
    ]


def test_unreadable_rows_are_reported_with_the_reason(each_database: Installation) -> None:
    each_database.has_orders(OLD, "'2', NULL, '2024-05-01 10:00:00'")
    found = each_database.found("source", "warning")
    assert "of 2 rows read, 1 cannot be used: order 2 has no status" in found


def test_a_timestamp_that_is_null_is_told(each_database: Installation) -> None:
    each_database.has_orders(OLD, "'2', 'new', NULL")
    assert "orders have NULL as updated_at: 2 Have the shop set it" in each_database.found("source", "warning")


@pytest.mark.parametrize(
    ("database", "value"),
    [("sqlite", "'soon'"), ("mariadb", "'0000-00-00 00:00:00'"), ("postgresql", "'infinity'")],
)
def test_unreadable_timestamp_is_quoted(
    database: str, value: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/shop.db" if database == "sqlite" else request.getfixturevalue(f"{database}_database")
    installation = Installation(tmp_path, {"SYNCD_SOURCE__URL": url})
    installation.has_orders(OLD, column="DATETIME" if database == "mariadb" else "TIMESTAMP")
    lenient = ["SET sql_mode = ''"] if database == "mariadb" else []
    execute(url, *lenient, f"INSERT INTO orders VALUES ('2', 'new', {value})")
    found = installation.found("source", "warning")
    assert f"have an updated_at that cannot be read: {value.strip(chr(39))}" in found
    assert ("Have it given as a time: text such as" in found) == (database != "mariadb")


def test_times_that_do_not_sort_are_told(installation: Installation) -> None:
    """Text in two forms: a poll looks for one of them, and overlooks what is written in the other."""
    installation.has_orders(OLD, NEWER, "'3', 'new', '2024-05-01T10:00:00'")
    found = installation.found("source", "warning")
    assert "written in different ways, 2024-05-01 10:00:00 and 2024-05-01T10:00:00, which do not sort as times" in found


@pytest.mark.parametrize("null", ["NULL", "NOT NULL"])
def test_a_zero_date_is_told_apart_from_null(mariadb_database: str, tmp_path: Path, null: str) -> None:
    installation = Installation(tmp_path, {"SYNCD_SOURCE__URL": mariadb_database})
    execute(
        installation.shop,
        "SET sql_mode = ''",
        f"CREATE TABLE orders (number INT PRIMARY KEY, state VARCHAR(20), changed DATETIME {null})",
        "INSERT INTO orders VALUES (1, 'new', '2024-05-01'), (2, 'new', '0000-00-00')",
    )
    found = installation.found("source")
    assert "updated_at that cannot be read: 0000-00-00 00:00:00, which is neither NULL nor a time: 2 H" in found
    assert "ok: no order has NULL as updated_at" in found


def test_a_zero_in_a_number_is_no_time(each_database: Installation) -> None:
    each_database.has_orders("'1', 'new', 1795442400", "'2', 'new', 0", column="BIGINT")
    assert "orders have 0 as updated_at, which is neither NULL nor a time: 2 H" in each_database.found("source")


@pytest.mark.parametrize(
    ("column", "values", "form"),
    [
        ("DOUBLE PRECISION", (46000.5, 45991.25), "day count"),
        ("INT", (20261129, 20261101), "yyyymmdd"),
        ("BIGINT", (202611291030, 202611291029), "yyyymmddhhmm"),
        ("BIGINT", (20261129103000, 20261129102900), "yyyymmddhhmmss"),
        ("VARCHAR(20)", ("'20261129'", "'20261101'"), "yyyymmdd"),
        ("DOUBLE PRECISION", (2461374.25, 2461371.5), "Julian day"),
    ],
)
def test_number_that_is_no_unix_time_gets_advice(
    each_database: Installation, column: str, values: tuple[object, object], form: str
) -> None:
    """The advised expression makes it a time."""
    each_database.has_orders(f"'1', 'new', {values[0]}", f"'2', 'new', {values[1]}", column=column)
    found = each_database.found("source", "warning")
    assert f"of 2 rows read, 2 have an updated_at that cannot be read: {values[0]}".replace("'", "") in found
    advised = re.search(rf"It looks like a {form}, not unix time Have it given as a time: (.*) AS upd", found)
    assert advised
    query = QUERY.replace("changed AS", f"{advised[1].replace('…', 'changed')} AS")
    newest = {
        "day count": "2025-12-09 12:00:00",
        "yyyymmdd": "2026-11-29 00:00:00",
        "yyyymmddhhmm": "2026-11-29 10:30:00",
        "yyyymmddhhmmss": "2026-11-29 10:30:00",
        "Julian day": "2026-11-29 18:00:00",
    }[form]
    found = each_database.found("source", SYNCD_SOURCE__QUERY=query)
    assert "not unix time" not in found
    assert f"the newest is {newest} UTC" in found


def test_a_query_that_gives_nothing_is_told(each_database: Installation) -> None:
    each_database.has_orders()
    assert "warning: the query gives no rows" in each_database.found("source")


def test_failing_query_ends_the_shops_checks(each_database: Installation) -> None:
    each_database.has_orders(OLD)
    found = each_database.found("source", SYNCD_SOURCE__QUERY=QUERY.replace("FROM orders", "FROM order_s"))
    assert found.startswith("fault: ")
    assert "order_s" in found
    assert len(found.splitlines()) == 1


def test_a_column_that_looks_misspelt_is_told(installation: Installation) -> None:
    installation.has_orders(OLD)
    query = QUERY.replace("FROM", ", 'x' AS mesage, 1 AS total FROM")
    found = installation.found("source", SYNCD_SOURCE__QUERY=query)
    assert "warning: the column mesage is ignored If message is meant, give it that name" in found
    assert "ok: the column total is ignored" in found


def test_tracking_number_beside_url_needs_no_template(installation: Installation) -> None:
    installation.has_orders(OLD)
    columns = ", 'T 1' AS tracking_number, 'https://post.example/1' AS tracking_url FROM"
    installation.env["SYNCD_SOURCE__QUERY"] = QUERY.replace("FROM", columns)
    assert "of the columns tracking_url and tracking_number the first is used" in installation.found("source")


def test_a_tracking_number_needs_a_template(installation: Installation) -> None:
    installation.has_orders(OLD)
    installation.env["SYNCD_SOURCE__QUERY"] = QUERY.replace("FROM", ", 'T 1' AS tracking_number FROM")
    assert "Set SYNCD_SOURCE__TRACKING_TEMPLATE" in installation.found("source", "warning")
    found = installation.found("source", SYNCD_SOURCE__TRACKING_TEMPLATE="https://post.example/{tracking_number}")
    assert '"trackingUrl": "https://post.example/T%201"' in found


def test_paid_alone_is_told(installation: Installation) -> None:
    installation.has_orders(OLD)
    found = installation.found("source", "warning", SYNCD_SOURCE__QUERY=QUERY.replace("FROM", ", 1 AS paid FROM"))
    assert "payments cannot be pushed: there is a column paid, but no payment_id" in found


def test_example_push_masks_phone_and_key(installation: Installation) -> None:
    """The payment is shown in full."""
    installation.has_orders(OLD)
    query = QUERY.replace("FROM", ", '+7 916 123-45-67' AS phone, 1 AS paid, 'pid-1' AS payment_id FROM")
    found = installation.found(
        "source", SYNCD_SOURCE__QUERY=query, SYNCD_IMSHOP__AUTH="body", SYNCD_IMSHOP__API_KEY="abc"
    )
    assert '"userId": "*********67", "payment": {"paid": true, "paymentId": "pid-1"}, "key": "***"}' in found


def test_the_statuses_file_has_its_say(installation: Installation) -> None:
    installation.has_orders(OLD, NEWER, "'3', 'odd', '2024-05-02 10:00:00'")
    file = installation.home / "statuses.toml"
    file.write_text('unknown = "hold"\n[new]\ncode = "fresh"\nmessage = "Принят"\n[packed]\nskip = true\n')
    found = installation.found("source", SYNCD_STATUSES__FILE=str(file))
    assert 'order 1 would be pushed as {"id": "1", "code": "fresh", "message": "Принят"}' in found
    assert "order 2 would never be pushed, as the statuses file says for 'packed'" in found
    assert "order 3 would be held, as the statuses file says for 'odd'" in found


def test_local_time_is_told_from_an_instant(postgresql_database: str, tmp_path: Path) -> None:
    installation = Installation(tmp_path, {"SYNCD_SOURCE__URL": postgresql_database})
    installation.has_orders("'1', 'new', '2024-05-01 10:00:00.25+03'", column="TIMESTAMPTZ")
    expected = "has fractions of a second and is absolute time; the newest is 2024-05-01 07:00:00 UTC"
    assert expected in installation.found("source")


def test_future_orders_suggest_a_wrong_time_zone(each_database: Installation) -> None:
    there = {
        "sqlite": "datetime('now', '+178 minutes')",
        "mariadb": "UTC_TIMESTAMP() + INTERVAL 178 MINUTE",
        "postgresql": "(now() AT TIME ZONE 'UTC') + INTERVAL '178 minutes'",
    }[kind_of(each_database.shop)]
    each_database.has_orders(
        OLD, f"'2', 'new', {there}", column="DATETIME" if kind_of(each_database.shop) == "mariadb" else "TIMESTAMP"
    )
    found = each_database.found("source", "warning")
    assert "orders are dated up to 3.0 h in the future: SYNCD_SOURCE__TIMEZONE (+00:00 now) may be wrong" in found
    assert "the shop's local time is +03:00" in found
    assert "in the future" not in each_database.found("source", "warning", SYNCD_SOURCE__TIMEZONE="Europe/Moscow")


def test_late_changes_suggest_a_wrong_time_zone(installation: Installation) -> None:
    installation.has_orders(OLD, column="TEXT")
    installation.env["SYNCD_SOURCE__TIMEZONE"] = "+03:00"  # and the shop writes UTC
    settings, start = load(installation.env, usual_env_files=()).settings, datetime.now(UTC)
    with closing(composition.source(settings)) as source, closing(composition.state(settings, create=True)) as state:
        poller = pipeline_parts.poller(settings, source, state, StatusesFile(None), lambda _rows: None)
        for number in range(10, 18):
            at = start - timedelta(minutes=20 - number)
            execute(installation.shop, f"INSERT INTO orders VALUES ('{number}', 'new', '{at:%F %T}')")
            poller.poll(at + timedelta(seconds=20))
    found = installation.found("source", "warning")
    assert "of the last 7 polls that found changes, 7 found them 3.0 h after the time that the shop gives" in found
    assert "The shop's local time is probably +00:00: set SYNCD_SOURCE__TIMEZONE to it (better a name" in found
    assert "probably off" not in installation.found("source", SYNCD_SOURCE__TIMEZONE="UTC")


def test_the_shops_clock_is_compared_with_this_machines(each_database: Installation) -> None:
    each_database.has_orders(OLD)
    assert "ok: the source's clock is 0." in each_database.found("source")


@pytest.mark.skipif(find_spec("pymssql") is not None, reason="the driver is installed")
def test_missing_driver_is_a_fault(installation: Installation) -> None:
    found = installation.found("source", SYNCD_SOURCE__URL="mssql+pymssql://u:passw0rd@db.example/shop")
    assert "fault: the driver pymssql for the shop's database is not installed" in found


def test_nothing_is_written_to_the_shop(installation: Installation) -> None:
    installation.has_orders(OLD)
    before = (installation.home / "shop.db").read_bytes()
    installation.examined()
    assert (installation.home / "shop.db").read_bytes() == before
    assert [path.name for path in installation.home.iterdir()] == ["shop.db"]


class Behind:
    """A shop that is a replica, and asked nothing else."""

    def replication(self) -> Replication:
        return Replication(is_replica=True, behind=timedelta(minutes=5))


def test_a_replica_that_lags_is_told() -> None:
    replica = cast("DatabaseInspection", Behind())
    source = cast("DatabaseSource", None)
    shop = DatabaseChecks(source, Statuses(), lambda _: b"", lambda: NOON, inspect=lambda _: replica)
    (finding,) = shop.replica()
    assert (finding.level, finding.text) == ("warning", "the database is a replica, 300 s behind its primary")


def test_primary_database_is_not_reported_as_copy(each_database: Installation) -> None:
    each_database.has_orders(OLD)
    assert "replica" not in each_database.found("source")
    assert "ok: no order has NULL as updated_at" in each_database.found("source")
