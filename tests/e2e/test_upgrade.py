"""A state that version 0.1 wrote goes on under this version, and no buyer is told anything for it.

`state_of_0_1` was made once by the commands of version 0.1 (commit fa59574) with the clock in May 2024: a shop of 12
orders (shop.sql) and the state that they left, dumped from SQLite and PostgreSQL. In it

    0001, 0002   delivered; 0002 with a UUID and a payment
    0003         cancelled in the app
    0004         dead
    0005         held: its status is not listed
    0006         pending: IMSHOP failed once
    0007         pending: delivery is paused, because IMSHOP refused the key
    0008         its status is stored with blanks behind it
    0009..0012   held by the guard
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.e2e.world import World

DUMPS = Path(__file__).parent / "state_of_0_1"
WAITING = [("0006", "packed"), ("cfe64e76-dbc4-4f0f-b9d1-000000000007", "sent")]
HELD = ["0005", "0009", "0010", "0011", "0012"]


@pytest.fixture(params=["sqlite", "postgresql"])
def upgraded(request: pytest.FixtureRequest, world: World) -> World:
    """The shop and the state of version 0.1, in a world of this version."""
    for row in (DUMPS / "shop.sql").read_text().splitlines():
        world.shop.run(row)
    dump = (DUMPS / f"{request.param}.sql").read_text()
    if request.param == "sqlite":
        with closing(sqlite3.connect(world.home / "state.db")) as state:
            state.executescript(dump)
    else:
        world.env["SYNCD_STATE__URL"] = request.getfixturevalue("postgresql_database")
        login = make_url(world.env["SYNCD_STATE__URL"]).set(drivername="postgresql")
        with psycopg.connect(login.render_as_string(hide_password=False)) as database:
            database.execute(dump.encode())
    statuses = world.home / "statuses.toml"
    statuses.write_text('unknown = "hold"\n[new]\n[packed]\n[sent]\n[cancelled]\n')
    world.env |= {"SYNCD_STATUSES__FILE": str(statuses), "SYNCD_GUARD__MAX_CHANGES": "3"}
    return world


def told(world: World) -> list[tuple[str, str]]:
    return sorted((applied.id, applied.code) for applied in world.sandbox.applied)


def held(world: World) -> list[str]:
    return sorted(change["order_id"] for change in world.json("changes", "--state", "held"))


def test_what_waited_is_told_once_and_nothing_else(upgraded: World) -> None:
    for command in ("once", "once", "reconcile", "once"):
        assert upgraded.syncd(command).stderr == ""
    assert told(upgraded) == WAITING
    assert upgraded.sandbox.requests == len(WAITING)


def test_held_and_dead_changes_stay_until_decided(upgraded: World) -> None:
    for _ in range(2):
        upgraded.syncd("once")
    assert held(upgraded) == HELD
    assert [change["order_id"] for change in upgraded.json("changes", "--state", "dead")] == ["0004"]
    upgraded.done("release")
    upgraded.done("retry", "--all-dead")
    upgraded.syncd("once")
    upgraded.syncd("once")
    released = [(order, "sent") for order in HELD[1:]]
    assert told(upgraded) == sorted([*WAITING, *released, ("0004", "packed")])
    assert held(upgraded) == ["0005"]


def test_a_change_behind_the_upgrade_is_told(upgraded: World) -> None:
    upgraded.syncd("once")
    for order in ("0002", "0008"):
        upgraded.shop.put(order, "sent")
    upgraded.syncd("once")
    assert told(upgraded) == sorted([*WAITING, ("0008", "sent"), ("cfe64e76-dbc4-4f0f-b9d1-000000000002", "sent")])


def test_a_daemon_upgrades_and_tells_what_waited(upgraded: World) -> None:
    upgraded.started()
    upgraded.wait(lambda: len(upgraded.sandbox.applied) == len(WAITING), "what waited is told")
    polls = upgraded.metric("syncd_polls_total")
    upgraded.wait(lambda: upgraded.metric("syncd_polls_total") > polls + 2, "it polls on")
    assert told(upgraded) == WAITING
    assert upgraded.status()["changes"]["held"] == len(HELD)


def test_check_says_what_the_next_start_does(upgraded: World) -> None:
    ran = upgraded.syncd("check")
    assert "is there; the next start upgrades it to this version" in ran.stdout
