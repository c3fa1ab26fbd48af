"""What goes wrong at an installation is named, with the variable or the file, and what to do; never a traceback."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.world import SYNCD, World


def refusal(world: World, *arguments: str, code: int = 2, **env: str) -> str:
    """The one line that a command is refused with."""
    ran = world.syncd(*arguments, **env)
    assert ran.returncode == code, ran.stdout + ran.stderr
    (line,) = ran.stderr.splitlines()
    return line


def test_env_file_saved_by_windows_is_read(world: World, tmp_path: Path) -> None:
    """A byte order mark, CRLF and quotes change nothing."""
    file = tmp_path / "windows.env"
    lines = [f'{name}="{value}"' for name, value in world.env.items() if name.startswith("SYNCD_")]
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n")
    world.shop.put("1", "new")
    world.env = {name: value for name, value in world.env.items() if not name.startswith("SYNCD_")}
    world.done("--env-file", str(file), "once")
    assert world.syncd("--env-file", str(file), "explain", "1").returncode == 0


def test_env_file_in_another_encoding_is_named(world: World, tmp_path: Path) -> None:
    file = tmp_path / "utf16.env"
    file.write_text("SYNCD_FIRST_RUN=push\n", encoding="utf-16")
    assert refusal(world, "--env-file", str(file), "config").endswith(f"{file} is not UTF-8; save it as UTF-8")


@pytest.mark.parametrize("bind", ["192.0.2.1:9469", "nonesuch:80", "127.0.0.1:99999", "127.0.0.1", "banana"])
def test_a_wrong_bind_address_is_named(world: World, bind: str) -> None:
    assert "SYNCD_HTTP__BIND: " in refusal(world, "run", SYNCD_HTTP__BIND=bind)


def test_missing_directory_of_credentials_is_named(world: World, tmp_path: Path) -> None:
    said = refusal(world, "once", CREDENTIALS_DIRECTORY=f"{tmp_path}/none")
    assert said == f"syncd: CREDENTIALS_DIRECTORY: {tmp_path}/none cannot be read: No such file or directory"


def test_empty_or_missing_credential_is_named(world: World, tmp_path: Path) -> None:
    (tmp_path / "SYNCD_IMSHOP__API_KEY").touch()
    said = refusal(world, "once", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert "SYNCD_IMSHOP__API_KEY: the credential " in said
    assert said.endswith("is empty; write the value into it, or take the file away")
    assert refusal(world, "once", SYNCD_IMSHOP__URL="").startswith("syncd: SYNCD_IMSHOP__URL: required")


def test_a_full_disk_under_the_state_is_named(world: World) -> None:
    """A process that may write no file beyond a few blocks meets what a full disk gives it."""
    world.shop.put("1", "new")
    once = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *SYNCD, "once"]
    ran = subprocess.run(once, env=world.env, cwd=world.home, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"syncd: the state {world.home}/state.db cannot be ")
    assert "full" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frob"], "syncd: No such command 'frob'; see: syncd --help"),
        (
            ["changes", "--limit", "0"],
            "syncd: Invalid value for '--limit': 0 is not in the range x>=1; see: syncd changes",
        ),
        (["sandbox", "--port"], "syncd: Option '--port' requires an argument"),
        (["explain"], "syncd: Missing argument 'ORDER_ID'; see: syncd explain --help"),
    ],
)
def test_wrong_usage_is_reported_in_one_line(world: World, arguments: list[str], said: str) -> None:
    assert refusal(world, *arguments).startswith(said)
