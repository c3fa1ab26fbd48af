"""What the doctor says of cancelling."""

from __future__ import annotations

import pytest

from tests.doctor.patient import Patient
from tests.imshop.stub import free_port

KEY = "imshop-cancels-with-this"
UPDATE = "UPDATE orders SET state = 'cancelled' WHERE number = :order_id"


def found(patient: Patient, **to: str) -> str:
    names = {f"SYNCD_CANCEL__{name.upper()}": value for name, value in to.items()}
    listens = {"SYNCD_HTTP__BIND": f"127.0.0.1:{free_port()}", "SYNCD_CANCEL__API_KEY": KEY}
    return patient.found("cancel", None, **listens, **names)


def test_without_a_key_it_is_off(patient: Patient) -> None:
    assert patient.found("cancel") == "ok: cancelling in the app is off: SYNCD_CANCEL__API_KEY is not set"


def test_a_call_to_a_host_that_resolves_is_well(patient: Patient) -> None:
    said = found(patient, url="http://127.0.0.1:1/{order_id}?token=T0KEN-T0KEN")
    assert said == "ok: cancelling is on, by a call to 127.0.0.1, which resolves"


def test_a_call_to_a_host_that_does_not_resolve_is_a_fault(patient: Patient) -> None:
    said = found(patient, url="https://host.invalid/{order_id}?token=T0KEN-T0KEN")
    assert said.startswith("fault: host.invalid does not resolve: ")
    assert "Check SYNCD_CANCEL__URL" in said
    assert "T0KEN" not in said


@pytest.mark.parametrize(("mode", "level"), [(0o755, "ok"), (0o644, "fault")])
def test_a_program_must_be_executable_and_is_not_started(patient: Patient, mode: int, level: str) -> None:
    program = patient.home / "cancel.sh"
    program.write_text(f"#!/bin/sh\ntouch {patient.home}/started\n")
    program.chmod(mode)
    said = found(patient, command=str(program))
    assert said.startswith(f"{level}: ")
    assert str(program) in said
    assert not (patient.home / "started").exists()


def test_the_login_of_the_update_is_tried(patient: Patient) -> None:
    patient.has_orders("'1', 'new', '2024-05-01 10:00:00'")
    assert found(patient, sql=UPDATE).startswith("ok: cancelling is on, by an UPDATE, and its login can connect")


def test_a_login_that_cannot_connect_is_a_fault_without_its_password(patient: Patient) -> None:
    said = found(patient, sql=UPDATE, database_url=f"postgresql://canceller:S3CRET-S3CRET@127.0.0.1:{free_port()}/shop")
    assert said.startswith("fault: ")
    assert "SYNCD_CANCEL__DATABASE_URL" in said
    assert "S3CRET" not in said


def test_a_file_that_is_not_there_is_a_fault_and_is_not_made(patient: Patient) -> None:
    said = found(patient, sql=UPDATE, database_url=f"sqlite:///{patient.home}/none.db")
    assert said.startswith(f"fault: there is no file {patient.home}/none.db")
    assert not (patient.home / "none.db").exists()
