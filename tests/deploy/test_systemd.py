"""The units in deploy/systemd, judged by systemd itself."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from syncd.settings import VARIABLES
from tests.deploy.tools import DEPLOY, program, ran

UNITS = ("syncd.service", "syncd@.service")
WORST_EXPOSURE = 1.5


def unit(name: str) -> str:
    return (DEPLOY / "systemd" / name).read_text(encoding="utf-8")


def values(name: str, setting: str) -> list[str]:
    return re.findall(rf"^{setting}=(.*)$", unit(name), re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "started"), [("syncd.service", "syncd.service"), ("syncd@.service", "syncd@shop.service")]
)
def test_systemd_finds_nothing_wrong(tmp_path: Path, name: str, started: str) -> None:
    """In a copy that starts a program which is there: where nothing is installed, that alone would be wrong."""
    (tmp_path / name).write_text(unit(name).replace("/opt/syncd/bin/syncd", sys.executable), encoding="utf-8")

    verified = ran(program("systemd-analyze", "systemd"), "verify", "--man=no", tmp_path / started)

    complaints = [line for line in verified.stderr.splitlines() if "syncd" in line]
    assert (verified.returncode, complaints) == (0, [])


@pytest.mark.parametrize("name", UNITS)
def test_exposure_is_low_and_each_exception_is_explained(name: str) -> None:
    rated = ran(
        program("systemd-analyze", "systemd"), "security", "--offline=true", "--no-pager", DEPLOY / "systemd" / name
    )

    (exposure,) = re.findall(r"Overall exposure level for \S+ (\d+\.\d)", rated.stdout)
    assert float(exposure) <= WORST_EXPOSURE
    explained = re.findall(r"^#   (\S+=\S*) ", unit(name), re.MULTILINE)
    left = [line.split()[1] for line in rated.stdout.splitlines() if line.startswith("✗")]
    assert sorted(left) == sorted(explained)


def test_both_units_have_the_same_hardening() -> None:
    one, several = (text[text.index("# Hardening.") :] for text in map(unit, UNITS))

    assert one == several


def test_credentials_of_the_unit_are_known_settings() -> None:
    secrets = [name for name in values("syncd.service", "LoadCredential") if ":" not in name]

    assert len(secrets) == 4
    assert set(secrets) <= VARIABLES.keys()


def test_operator_command_uses_the_directories_of_the_service() -> None:
    """A command that an operator runs finds the state where the service keeps it."""
    command = unit("syncd")

    for name, called in (("syncd.service", "syncd"), ("syncd@.service", "syncd-%i")):
        assert values(name, "User") == values(name, "StateDirectory") == [called]
        assert values(name, "WorkingDirectory") == [f"%S/{called}"]
    assert all(
        f'--property="{place}' in command
        for place in ("User=$name", "StateDirectory=$name", "WorkingDirectory=/var/lib/$name")
    )
    assert f"StateDirectoryMode={values('syncd.service', 'StateDirectoryMode')[0]}" in command


def test_operator_command_inherits_drop_ins_of_the_service(tmp_path: Path) -> None:
    """A command that an operator runs gets the folders, groups and credentials that drop-ins give to the service."""
    shown = "SupplementaryGroups=www-data bitrix\nProtectHome=tmpfs\nBindPaths=/home/shop/cache\nBindReadOnlyPaths=\n"
    for name, script in {
        "systemctl": f"case $1 in show) printf '{shown}';; cat) echo LoadCredential=SECRET;; esac",
        "systemd-run": 'printf "%s\\n" "$@"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)

    told = ran(
        "env", f"PATH={tmp_path}:/usr/bin:/bin", DEPLOY / "systemd" / "syncd", "explain", "a b"
    ).stdout.splitlines()

    for given in ("SupplementaryGroups=www-data bitrix", "ProtectHome=tmpfs", "BindPaths=/home/shop/cache"):
        assert f"--property={given}" in told
    assert "--property=LoadCredential=SECRET" in told
    assert not any(line.startswith("--property=BindReadOnlyPaths") for line in told)
    assert told[-3:] == ["syncd", "explain", "a b"]


def test_cancel_programs_are_installed_where_their_text_says() -> None:
    (place,) = re.findall(r"put 644 (\S+) deploy/cancel/\*\.php", unit("install"))
    programs = [each for each in (DEPLOY / "cancel").glob("*.php") if each.name != "cancellation.php"]

    assert len(programs) == 3
    for each in programs:
        assert f"SYNCD_CANCEL__COMMAND=php {place}/{each.name} FOLDER" in each.read_text(encoding="utf-8")
    assert Path(place).relative_to("/usr/local/share").as_posix() in unit("remove")


@pytest.mark.parametrize("script", ["install", "remove", "syncd"])
def test_scripts_are_executable_and_plain_sh_reads_them(script: str) -> None:
    path = DEPLOY / "systemd" / script

    assert path.stat().st_mode & 0o111 == 0o111
    assert ran("sh", "-n", path).returncode == 0
