"""What the doctor says of cancelling."""

from __future__ import annotations

import os
import sys

import pytest

from tests.doctor.installation import Installation
from tests.servers import execute, free_port

KEY = "imshop-cancels-with-this"
UPDATE = "UPDATE orders SET state = 'cancelled' WHERE number = :order_id"


def found(installation: Installation, **to: str) -> str:
    names = {f"SYNCD_CANCEL__{name.upper()}": value for name, value in to.items()}
    listens = {"SYNCD_HTTP__BIND": f"127.0.0.1:{free_port()}", "SYNCD_CANCEL__API_KEY": KEY}
    return installation.found("cancel", None, **listens, **names)


def test_without_a_key_it_is_off(installation: Installation) -> None:
    assert installation.found("cancel") == "ok: cancelling in the app is off: SYNCD_CANCEL__API_KEY is not set"


def test_call_to_resolvable_host_is_ok(installation: Installation) -> None:
    said = found(installation, url="http://127.0.0.1:1/{order_id}?token=T0KEN-T0KEN")
    assert said == "ok: cancelling is on, by a call to 127.0.0.1, which resolves"


def test_call_to_unresolvable_host_is_a_fault(installation: Installation) -> None:
    said = found(installation, url="https://host.invalid/{order_id}?token=T0KEN-T0KEN")
    assert said.startswith("fault: host.invalid does not resolve: ")
    assert "Check SYNCD_CANCEL__URL" in said
    assert "T0KEN" not in said


def test_host_behind_proxy_need_not_resolve(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:S3CRET-S3CRET@proxy.invalid:3128")
    said = found(installation, url="https://host.invalid/{order_id}")
    assert said.startswith("ok: cancelling is on, by a call to host.invalid through the proxy proxy.invalid")
    assert "S3CRET" not in said
    monkeypatch.setenv("NO_PROXY", "host.invalid")
    assert found(installation, url="https://host.invalid/{order_id}").startswith("fault: host.invalid does not resolve")


@pytest.mark.parametrize(("mode", "level"), [(0o755, "ok"), (0o644, "fault")])
def test_program_must_be_executable_but_is_not_started(installation: Installation, mode: int, level: str) -> None:
    program = installation.home / "cancel.sh"
    program.write_text(f"#!/bin/sh\ntouch {installation.home}/started\n")
    program.chmod(mode)
    said = found(installation, command=str(program))
    assert said.startswith(f"{level}: ")
    assert str(program) in said
    assert not (installation.home / "started").exists()


def test_the_login_of_the_update_is_tried(installation: Installation) -> None:
    installation.has_orders("'1', 'new', '2024-05-01 10:00:00'")
    assert found(installation, sql=UPDATE).startswith("ok: cancelling is on, by an UPDATE, and its login can connect")


def test_failed_login_is_a_fault_without_password(installation: Installation) -> None:
    said = found(
        installation, sql=UPDATE, database_url=f"postgresql://canceller:S3CRET-S3CRET@127.0.0.1:{free_port()}/shop"
    )
    assert said.startswith("fault: ")
    assert "SYNCD_CANCEL__DATABASE_URL" in said
    assert "S3CRET" not in said


def test_missing_file_is_a_fault_and_not_created(installation: Installation) -> None:
    said = found(installation, sql=UPDATE, database_url=f"sqlite:///{installation.home}/none.db")
    assert said.startswith(f"fault: there is no file {installation.home}/none.db")
    assert not (installation.home / "none.db").exists()


KEYED = "SELECT number AS order_id, id AS shop_id, state AS status, changed AS updated_at FROM orders"


@pytest.fixture
def keyed(installation: Installation) -> Installation:
    """Two orders whose numbers are not their keys."""
    installation.has_orders("'349', 'new', '2024-05-01 10:00:00'", "'350', 'sent', '2024-05-01 10:00:00'")
    execute(installation.shop, "ALTER TABLE orders ADD COLUMN id", "UPDATE orders SET id = number - 1")
    installation.env["SYNCD_SOURCE__QUERY"] = KEYED
    return installation


def test_number_differing_from_key_is_a_warning(keyed: Installation) -> None:
    said = found(keyed, url="http://127.0.0.1:1/{order_id}")
    assert "warning: cancelling names orders by {order_id}, but order 3" in said
    assert "Write {shop_id} in place of {order_id}" in said
    assert "names orders" in found(keyed, sql="UPDATE orders SET state = 'x' WHERE id = :order_id")
    assert "names orders" not in found(keyed, url="http://127.0.0.1:1/{shop_id}")


def test_key_that_no_order_has_is_fault(installation: Installation) -> None:
    installation.has_orders("'349', 'new', '2024-05-01 10:00:00'")
    said = found(installation, url="http://127.0.0.1:1/{shop_id}")
    assert "fault: cancelling needs shop_id, but none of the newest orders has one" in said


def test_unknown_status_code_is_a_warning(keyed: Installation) -> None:
    call = "http://127.0.0.1:1/{shop_id}"
    said = found(keyed, url=call, **{"from": "new,nwe"}, status="cancelled")
    assert "warning: SYNCD_CANCEL__FROM has 'nwe', which is not a code of the shop" in said
    assert "'new'" not in said
    assert "no order has 'cancelled' of SYNCD_CANCEL__STATUS yet, and the shop gives no list" in said
    assert "SYNCD_CANCEL__STATUS has" not in said
    keyed.env["SYNCD_SOURCE__STATUSES_QUERY"] = "SELECT 'new' AS status, 'New' AS message"
    assert "warning: SYNCD_CANCEL__STATUS has 'cancelled', which is not a code" in found(
        keyed, url=call, status="cancelled"
    )
    assert "is not a code" not in found(keyed, url=call, **{"from": "new,sent"})
    assert "SYNCD_CANCEL__FROM is not set" in found(keyed, url=call)


def test_a_key_of_two_orders_is_warned_of(keyed: Installation) -> None:
    execute(keyed.shop, "UPDATE orders SET id = 7")
    assert "shop_id 7 belongs to orders 349 and 350" in keyed.found("source")


def test_a_number_of_two_orders_is_warned_of(keyed: Installation) -> None:
    keyed.env["SYNCD_SOURCE__QUERY"] = KEYED.replace("number AS order_id", "'R1' AS order_id")
    assert "order_id R1 belongs to the orders with shop_id 348 and 349" in keyed.found("source")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("{python} {home}/cancel.py /", "which is there and executable"),
        ("{python} {home}/none.py", "none.py in SYNCD_CANCEL__COMMAND is not there"),
        ("{python} none.py", "none.py in SYNCD_CANCEL__COMMAND is not there"),
        ("{python} {home}/cancel.py {home}/no/shop", "no/shop in SYNCD_CANCEL__COMMAND is not there"),
        ("{python} -X utf8 -c pass", "ok: cancelling is on, by the program"),
        ("{python} -m json.tool none.py", "ok: cancelling is on, by the program"),
        ("{python} -X dev none.py", "ok: cancelling is on, by the program"),
        ("{python} -u {home}/none.py", "none.py in SYNCD_CANCEL__COMMAND is not there"),
        ("sh -c 'exec /no/such/program x'", "ok: cancelling is on, by the program"),
        ("sh -ec '/no/such x' /no/such", "ok: cancelling is on, by the program"),
        ("sh -e {home}/none.sh", "none.sh in SYNCD_CANCEL__COMMAND is not there"),
        ("{home}/by_env", "which is there and executable"),
        ("{home}/by_nobody", "names /no/such/interpreter as its interpreter, which is not there"),
        ("{home}/php {home}/cancel.py", "php, which runs the program, does not run itself: it exits with 3"),
    ],
)
def test_a_programs_files_and_its_interpreter_are_tried(installation: Installation, command: str, said: str) -> None:
    (installation.home / "cancel.py").write_text("open('started', 'w')")
    broken = {"by_env": "/usr/bin/env python3", "by_nobody": "/no/such/interpreter", "php": "/bin/sh"}
    for name, interpreter in broken.items():
        (installation.home / name).write_text(f"#!{interpreter}\nexit 3\n")
        (installation.home / name).chmod(0o755)
    names = {"python": sys.executable, "home": installation.home}
    assert said.format(**names) in found(installation, command=command.format(**names))


def test_program_file_without_read_access_is_fault(installation: Installation) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (installation.home / "cancel.py").touch(0o000)
    assert "cannot be read by this user" in found(
        installation, command=f"{sys.executable} {installation.home}/cancel.py"
    )


def test_an_update_under_a_preset_is_warned_of(installation: Installation, mariadb_database: str) -> None:
    installation.env |= {"SYNCD_SOURCE__URL": mariadb_database, "SYNCD_SOURCE__PRESET": "opencart"}
    del installation.env["SYNCD_SOURCE__QUERY"]
    execute(mariadb_database, "CREATE TABLE oc_order (order_id INT)")
    said = found(installation, sql="UPDATE oc_order SET order_status_id = 7 WHERE order_id = :order_id")
    assert "warning: an UPDATE skips what this platform does when it cancels: stock, mail" in said


def test_missing_column_of_the_update_is_fault(installation: Installation) -> None:
    installation.has_orders("'1', 'new', '2024-05-01 10:00:00'")
    assert found(installation, sql="UPDATE orders SET state = 'x' WHERE nummer = :order_id").startswith("fault: ")
