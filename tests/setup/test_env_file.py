"""The env file: only what is changed changes, and it is there whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import SettingsError, SyncdError
from syncd.setup import env_file
from syncd.setup.env_file import changed, put_in_place, settings_in, variables_in

VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1, max_size=20)


@given(VALUES)
def test_any_value_is_read_back(value: str) -> None:
    assert variables_in(changed("", {"SYNCD_A": value, "SYNCD_B": "b"})) == {"SYNCD_A": value, "SYNCD_B": "b"}


LINES = st.lists(
    st.sampled_from(
        ["# a comment", "", "OTHER=1", "export MORE='a # b'", "SYNCD_A=old  # why", "#SYNCD_B=", "  SYNCD_C=3"]
    )
)


@given(LINES, VALUES)
def test_other_lines_stay_as_they_are(lines: list[str], value: str) -> None:
    content = "".join(f"{line}\n" for line in lines)
    after = changed(content, {"SYNCD_A": value, "SYNCD_B": None})
    others = [line for line in lines if "SYNCD_A" not in line]
    assert [line for line in after.splitlines() if line in others][: len(others)] == others
    assert variables_in(after)["SYNCD_A"] == value
    assert changed(after, {"SYNCD_A": value}) == after


def test_setting_takes_its_place_in_the_example() -> None:
    content = "# why\n#SYNCD_A=default\n\nSYNCD_B=<example>\nSYNCD_C=x\n"
    after = changed(content, {"SYNCD_A": "1", "SYNCD_B": "2", "SYNCD_C": None, "SYNCD_D": "4"})
    assert after == "# why\nSYNCD_A=1\n\nSYNCD_B=2\n# Written by syncd init\nSYNCD_D=4\n"


def test_setting_that_stands_twice_stands_once() -> None:
    assert changed("SYNCD_A=1\nSYNCD_A=2\n", {"SYNCD_A": "3"}) == "SYNCD_A=3\n"


def test_file_without_a_last_newline_keeps_its_last_line() -> None:
    assert variables_in(changed("SYNCD_A=1", {"SYNCD_B": "2"})) == {"SYNCD_A": "1", "SYNCD_B": "2"}


def test_line_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Before anything is asked or changed."""
    (tmp_path / "a.env").write_text("SYNCD_SOURCE__URL='mysql://\n")
    with pytest.raises(SettingsError, match="close its quotes"):
        settings_in(tmp_path / "a.env")


def test_old_file_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "a.env"
    assert put_in_place(file, "one") is None
    assert put_in_place(file, "two") == tmp_path / "folder" / "a.env.before-init"
    assert (file.read_text(), env_file.kept_copy(file).read_text()) == ("two", "one")
    assert sorted(path.name for path in file.parent.iterdir()) == ["a.env", "a.env.before-init"]


def test_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.env").write_text("one")
    (tmp_path / "a.env").symlink_to("real.env")
    put_in_place(tmp_path / "a.env", "two")
    assert (tmp_path / "a.env").is_symlink()
    assert (tmp_path / "real.env").read_text() == "two"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another")
def test_file_keeps_its_owner(tmp_path: Path) -> None:
    """A service without systemd reads its settings as its own user."""
    file = tmp_path / "a.env"
    file.touch()
    os.chown(file, 12345, 12345)
    put_in_place(file, "two")
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 12345)


def test_full_disk_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: writing fails in the middle, as it does there."""
    file = tmp_path / "a.env"
    file.write_text("old\n")
    code = (
        "import signal, resource, sys; from pathlib import Path; from syncd.setup.env_file import put_in_place\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        f"put_in_place(Path({str(file)!r}), 'new ' * 100)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert f"SyncdError: {file} cannot be written: {os.strerror(errno.EFBIG)}. Nothing was changed" in ran.stderr
    assert file.read_text() == "old\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.env", "a.env.before-init"]


def test_place_that_cannot_be_written_is_told() -> None:
    with pytest.raises(SyncdError, match=r"/proc/a\.env cannot be written"):
        put_in_place(Path("/proc/a.env"), "new")
