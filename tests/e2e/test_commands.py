"""The commands, as an administrator types them."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import closing

from syncd.cli.commands import COMMANDS
from syncd.sandbox import Applied, Failure
from syncd.state import open_state
from tests.e2e.world import QUERY, World, end


def told(world: World) -> list[tuple[str, str]]:
    return [(applied.id, applied.code) for applied in world.sandbox.applied]


def baseline(world: World, orders: int = 5) -> None:
    for number in range(orders):
        world.shop.put(f"{number:08d}", "new")
    world.done("once")


def bodies(applied: Sequence[Applied]) -> list[object]:
    return [one.body for one in applied]


CALLS = [
    *("once", "reconcile", "check", "status", "explain 1", "changes", "discard --held", "release", "resync 1"),
    *("cancellations", "config", "statuses", "presets"),
]
"""Of each command that ends by itself, without a fault, at a sound installation."""


def test_each_command_runs_in_a_fresh_process(world: World) -> None:
    """Other tests have most commands forked. The four that are not called here have tests of their own."""
    world.shop.put("1", "new")
    world.fresh = True
    for call in CALLS:
        world.done(*call.split())
    assert world.syncd("retry", "99").returncode == 1
    assert end(world.started()) == 0
    called = {call.split()[0] for call in CALLS}
    assert called | {"retry", "run"} | {"init", "notify", "sandbox", "demo"} == {*COMMANDS}


def test_first_run_records_orders_and_pushes_nothing(world: World) -> None:
    baseline(world)
    assert world.sandbox.requests == 0
    assert world.json("status")["orders"]["tracked"] == 5


def test_first_run_with_push_pushes_every_order_once(world: World) -> None:
    world.shop.put("1", "new")
    world.done("once", SYNCD_FIRST_RUN="push")
    world.done("once", SYNCD_FIRST_RUN="push")
    assert told(world) == [("1", "new")]


def test_one_change_is_one_push_of_protocol_fields(world: World) -> None:
    """The body holds nothing more than the protocol names."""
    baseline(world)
    world.shop.put("00000003", "packed", track="https://tracking.example/1")
    world.done("once")
    world.done("once")
    assert bodies(world.sandbox.applied) == [
        {"id": "00000003", "code": "packed", "trackingUrl": "https://tracking.example/1"}
    ]


def test_uuid_is_the_id_and_payment_is_whole(world: World) -> None:
    baseline(world)
    world.shop.put("00000003", "packed", app="cfe64e76-dbc4-4f0f-b9d1-7423aeb6f195", paid=1, pay_ref="p-1")
    world.done("once")
    payment = {"paid": True, "paymentId": "p-1"}
    assert bodies(world.sandbox.applied) == [
        {"id": "cfe64e76-dbc4-4f0f-b9d1-7423aeb6f195", "code": "packed", "payment": payment}
    ]


def test_orders_with_one_uuid_go_by_their_numbers(world: World) -> None:
    baseline(world)
    for number in ("00000001", "00000002"):
        world.shop.put(number, "packed", app="cfe64e76-dbc4-4f0f-b9d1-7423aeb6f195")
    world.done("once")
    assert sorted(told(world)) == [("00000001", "packed"), ("00000002", "packed")]


def test_a_new_order_is_told(world: World) -> None:
    baseline(world)
    world.shop.put("00000099", "new")
    world.done("once")
    assert told(world) == [("00000099", "new")]


def test_reconcile_finds_a_change_without_a_new_timestamp(world: World) -> None:
    baseline(world)
    world.shop.run("UPDATE orders SET state = 'packed', changed = '2001-01-01 00:00:00' WHERE number = '00000002'")
    world.done("once")
    assert told(world) == []
    world.done("reconcile")
    assert told(world) == [("00000002", "packed")]


def test_failing_endpoint_leaves_the_change_and_exits_1(world: World) -> None:
    """The change waits, and `retry` and `once` push it."""
    baseline(world)
    world.shop.put("00000001", "packed")
    world.sandbox.behave = lambda _: Failure("http", status=503)
    ran = world.syncd("once")
    assert ran.returncode == 1
    assert "waiting to be pushed: 1 change;" in ran.stdout
    world.sandbox.behave = None
    [change] = world.json("changes", "--state", "pending")
    assert (change["attempts"], change["order_id"], change["status"]) == (1, "00000001", "packed")
    world.done("retry", str(change["id"]))
    world.done("once")
    assert told(world) == [("00000001", "packed")]


def test_wrong_key_pauses_delivery_and_uses_no_attempt(world: World) -> None:
    baseline(world)
    world.shop.put("00000001", "packed")
    ran = world.syncd("once", SYNCD_IMSHOP__API_KEY="wrong-key")
    assert (ran.returncode, "delivery is paused (unauthorized)" in ran.stdout) == (1, True)
    assert world.json("changes")[0]["attempts"] == 0
    assert world.json("status")["delivery"]["state"] == "paused"
    world.done("once")
    assert told(world) == [("00000001", "packed")]
    assert world.json("status")["delivery"]["state"] == "flowing"


def test_too_many_changes_are_held_until_release(world: World) -> None:
    baseline(world, orders=6)
    world.shop.run("UPDATE orders SET state = 'archived', changed = '2999-01-01'")
    held = {"SYNCD_GUARD__MAX_CHANGES": "5"}
    assert world.syncd("once", **held).returncode == 1
    assert world.sandbox.requests == 0
    assert world.json("status")["changes"]["held"] == 6
    world.shop.put("00000099", "new")
    world.syncd("once", **held)
    assert told(world) == [("00000099", "new")]
    assert "6 changes" in world.done("release")
    world.done("once", **held)
    assert len(told(world)) == 7


def test_held_changes_that_are_discarded_are_never_told(world: World) -> None:
    baseline(world, orders=6)
    world.shop.run("UPDATE orders SET state = 'archived', changed = '2999-01-01'")
    world.syncd("once", SYNCD_GUARD__MAX_CHANGES="5")
    world.done("discard", "--held")
    world.done("once", SYNCD_GUARD__MAX_CHANGES="5")
    assert world.sandbox.requests == 0
    assert world.json("status")["changes"]["discarded"] == 6


def test_resync_tells_the_present_status_again(world: World) -> None:
    baseline(world)
    world.done("resync", "00000001")
    world.done("once")
    assert told(world) == [("00000001", "new")]


def test_resync_of_an_order_not_shown_fails(world: World) -> None:
    baseline(world)
    ran = world.syncd("resync", "nonesuch")
    assert (ran.returncode, "nonesuch" in ran.stderr) == (1, True)


def test_explain_tells_an_orders_story(world: World) -> None:
    baseline(world)
    world.shop.put("00000001", "packed")
    world.done("once")
    text = world.done("explain", "00000001")
    assert text.startswith("The buyer sees what the shop says\n")
    assert all(word in text for word in ("new → packed", "delivered", "ready_for_pickup", "200"))
    russian = world.done("explain", "00000001", LC_ALL="ru_RU.UTF-8")
    assert russian.startswith("Покупатель видит то же, что в магазине\n")
    story = world.json("explain", "00000001")
    assert story["buyer"]["agrees"] is True
    assert story["source"]["status"] == "packed"
    assert [change["state"] for change in story["changes"]] == ["delivered"]
    assert len(story["attempts"]) == 1


def test_tracking_number_is_told_as_such(world: World) -> None:
    baseline(world)
    world.shop.put("00000001", "new", track="https://tracking.example/TRK777")
    world.done("once")
    assert "tracking → https://tracking.example/TRK777" in world.done("changes")


def test_explain_of_an_unknown_order_suggests_another(world: World) -> None:
    baseline(world)
    ran = world.syncd("explain", "3")
    assert (ran.returncode, ran.stdout.splitlines()) == (
        1,
        ["Neither the shop nor syncd knows this order", "Did you mean: syncd explain 00000003"],
    )


def test_changes_are_told_as_the_contract_says(world: World) -> None:
    baseline(world)
    world.shop.put("00000001", "packed")
    world.done("once")
    [change] = world.json("changes", "--order", "00000001")
    fields = (
        "id order_id status previous_status state detected_at source_updated_at attempts next_attempt_at delivered_at"
        " last_error imshop_uuid imshop_status"
    )
    assert set(fields.split()) <= set(change)
    assert (change["state"], change["previous_status"], change["imshop_status"]) == (
        "delivered",
        "new",
        "ready_for_pickup",
    )
    assert "packed" in world.done("changes")
    assert world.json("changes", "--limit", "1") == [change]


def test_statuses_file_decides_what_is_pushed_and_how(world: World) -> None:
    path = world.home / "statuses.toml"
    path.write_text('unknown = "hold"\n[packed]\nmessage = "Готов к выдаче"\ncode = "ready"\n[draft]\nskip = true\n')
    env = {"SYNCD_STATUSES__FILE": str(path)}
    world.shop.put("1", "new")
    world.done("once", **env)
    for number, status in (("1", "packed"), ("2", "draft"), ("3", "odd")):
        world.shop.put(number, status)
    assert world.syncd("once", **env).returncode == 1
    assert bodies(world.sandbox.applied) == [{"id": "1", "code": "ready", "message": "Готов к выдаче"}]
    path.write_text(path.read_text() + "[odd]\n")
    world.done("once", **env)
    assert told(world)[1:] == [("3", "odd")]


def test_unreadable_rows_are_skipped_counted_and_stop_nothing(world: World) -> None:
    baseline(world)
    world.shop.put("00000001", None)
    world.shop.put("00000002", "packed")
    assert "1 no_status" in world.done("once")
    assert told(world) == [("00000002", "packed")]


def test_once_beside_another_poll_is_refused(world: World) -> None:
    """One line on stderr names the process that polls."""
    baseline(world)
    state = open_state(world.env["SYNCD_STATE__URL"], redact=str)
    with closing(state):
        lease = state.poll_lease()
        lease.acquire()
        ran = world.syncd("once", "--timeout", "1s")
        lease.release()
    assert (ran.returncode, len(ran.stderr.splitlines())) == (1, 1)
    assert "another poll of this shop is under way (process" in ran.stderr


def test_empty_source_is_a_fault_and_pushes_nothing(world: World) -> None:
    """Nothing is pushed when the orders are back either."""
    baseline(world)
    world.shop.run("ALTER TABLE orders RENAME TO away")
    world.shop.run("CREATE TABLE orders AS SELECT * FROM away WHERE 0")
    ran = world.syncd("reconcile")
    assert (ran.returncode, "0 of the 5 orders" in ran.stderr) == (1, True)
    world.shop.run("DROP TABLE orders")
    world.shop.run("ALTER TABLE away RENAME TO orders")
    world.done("reconcile")
    assert world.sandbox.requests == 0
    assert world.json("status")["orders"]["tracked"] == 5


def test_all_bad_settings_are_named_with_exit_2(world: World) -> None:
    ran = world.syncd("check", SYNCD_IMSHOP__URL="ftp://nowhere", SYNCD_POLL__INTERVAL="soon", SYNCD_IMSHOP__URI="x")
    assert ran.returncode == 2
    for name in ("SYNCD_IMSHOP__URL", "SYNCD_POLL__INTERVAL", "SYNCD_IMSHOP__URI"):
        assert name in ran.stderr
    assert "Traceback" not in ran.stderr


def test_unreachable_shop_is_one_line_and_exit_1(world: World) -> None:
    ran = world.syncd("once", SYNCD_SOURCE__URL=f"sqlite:///{world.home}/missing/shop.db")
    assert (ran.returncode, len(ran.stderr.splitlines())) == (1, 1)
    assert "SYNCD_SOURCE__URL" in ran.stderr


def test_missing_orders_block_no_push_and_await_release(world: World) -> None:
    """They are reported until an operator releases them."""
    query = {"SYNCD_SOURCE__QUERY": "SELECT number AS order_id, state AS status FROM orders"}
    for number in range(12):
        world.shop.put(f"{number:02d}", "new")
    world.done("once", **query)
    world.shop.run("DELETE FROM orders WHERE number < '11'")
    world.shop.put("11", "packed")
    ran = world.syncd("once", **query)
    assert (ran.returncode, "only 1 of the 12 orders" in ran.stdout) == (1, True)
    assert [change["state"] for change in world.json("changes")] == ["delivered"]
    assert world.json("status")["orders"] == {"tracked": 12, "missing_refused": 11}
    assert "syncd release" in world.done("status")
    world.done("release")
    assert "gone from the shop: 11 orders" in world.done("once", **query)
    assert world.json("status")["orders"] == {"tracked": 1, "missing_refused": 0}


def test_query_without_status_names_the_missing_column(world: World) -> None:
    ran = world.syncd("once", SYNCD_SOURCE__QUERY="SELECT number AS order_id FROM orders")
    assert (ran.returncode, "status" in ran.stderr) == (1, True)


def test_commands_that_look_make_no_state(world: World) -> None:
    ran = world.syncd("status")
    assert (ran.returncode, "there is no state yet" in ran.stderr) == (1, True)
    assert not (world.home / "state.db").exists()


def test_the_state_is_for_its_owner_only(world: World) -> None:
    baseline(world)
    assert stat.S_IMODE((world.home / "state.db").stat().st_mode) == 0o600


def test_a_state_of_a_newer_version_is_refused(world: World) -> None:
    baseline(world)
    with sqlite3.connect(world.home / "state.db") as db:
        db.execute("UPDATE alembic_version SET version_num = 'ffff'")
    db.close()
    ran = world.syncd("once")
    assert (ran.returncode, "newer" in ran.stderr) == (1, True)


def test_config_shows_settings_in_force_and_masks_secrets(world: World) -> None:
    printed = world.done("config", SYNCD_SOURCE__URL="mysql+pymysql://u:p4ssw0rd@127.0.0.1/x")
    assert "SYNCD_POLL__INTERVAL" in printed
    assert "environment" in printed
    assert not any(secret in printed for secret in ("test-key", "p4ssw0rd", "sandbox-token"))


def test_environment_overrides_the_env_file(world: World) -> None:
    path = world.home / "syncd.env"
    path.write_text("SYNCD_POLL__INTERVAL=7s\nSYNCD_SOURCE__BATCH=77\n")
    shown = json.loads(world.done("--env-file", str(path), "config", "--json"))
    assert shown["SYNCD_POLL__INTERVAL"]["value"] == "200ms"
    assert shown["SYNCD_SOURCE__BATCH"] == {"value": "77", "from": str(path)}


def test_help_names_every_command(world: World) -> None:
    text = world.done("--help")
    commands = "run once reconcile check status explain changes retry discard release resync config sandbox demo"
    assert all(f"  {command} " in text for command in commands.split())


def test_a_tracking_column_from_elsewhere_tells_nobody(world: World) -> None:
    baseline(world)
    query = QUERY.replace("track AS tracking_url", "'https://t.example/' || number AS tracking_url")
    assert "tracking: they come from elsewhere than before" in world.done("once", SYNCD_SOURCE__QUERY=query)
    world.shop.put("00000003", "packed")
    world.done("once", SYNCD_SOURCE__QUERY=query)
    assert bodies(world.sandbox.applied) == [
        {"id": "00000003", "code": "packed", "trackingUrl": "https://t.example/00000003"}
    ]
