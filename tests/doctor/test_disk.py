"""The disk under the state."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.doctor.host_checks import HARDLY_ANY, LITTLE, check_disk, room_finding


def found(folder: Path, *mounts: str) -> str:
    table = folder / "mounts"
    table.write_text("\n".join(mounts))
    (folder / "my state").mkdir(exist_ok=True)
    findings = check_disk(folder / "my state" / "syncd.db", table)
    return "\n".join(f"{finding.level}: {finding.text} {finding.advice or ''}" for finding in findings)


@pytest.mark.parametrize("kind", ["nfs4", "nfs", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "glusterfs"])
def test_network_disk_of_any_kind_is_fault(tmp_path: Path, kind: str) -> None:
    mounted = f"server:/export {tmp_path}/my\\040state {kind} rw 0 0"
    assert f"fault: {tmp_path}/my state is on a network disk ({kind})" in found(
        tmp_path, "/dev/sda1 / ext4 rw 0 0", mounted
    )


def test_local_disk_among_remote_ones_is_ok(tmp_path: Path) -> None:
    far = (f"a:/b {tmp_path}/my nfs4 rw 0 0", "a:/c / nfs4 rw 0 0", f"/dev/sda1 {tmp_path} ext4 rw 0 0")
    assert "network" not in found(tmp_path, *far)


def test_what_was_mounted_last_on_a_place_counts(tmp_path: Path) -> None:
    assert "network" in found(tmp_path, f"x {tmp_path} ext4 rw", f"y {tmp_path} nfs4 rw", "", "odd line")


def test_without_mounts_only_free_space_is_reported(tmp_path: Path) -> None:
    (finding,) = check_disk(tmp_path / "syncd.db", tmp_path / "none")
    assert "MB free" in finding.text


def test_state_without_local_disk_is_not_checked(tmp_path: Path) -> None:
    assert [*check_disk(None), *check_disk(tmp_path / "none" / "syncd.db")] == []


@pytest.mark.parametrize(
    ("free", "level"), [(HARDLY_ANY - 1, "fault"), (HARDLY_ANY, "warning"), (LITTLE - 1, "warning"), (LITTLE, "ok")]
)
def test_the_less_room_the_worse(free: int, level: str) -> None:
    finding = room_finding(Path("/var/lib/syncd"), free)
    assert finding.level == level
    assert ("when none is left" in (finding.advice or "")) == (level != "ok")


def test_room_is_told_in_megabytes() -> None:
    assert room_finding(Path("/var"), 12_345_000_000).text == "/var has 12 345 MB free"
