"""The disk under a state that is a file: whether it is on this machine, and whether there is room."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from syncd.doctor.finding import Finding, fault, ok, warning

MOUNTS = Path("/proc/self/mounts")
NETWORK = re.compile(
    r"(nfs|cifs|smb|afs|ceph|gluster|lustre|gfs|ocfs|9p|davfs|beegfs|fuse\.(sshfs|s3fs|glusterfs|rclone|ceph|davfs))"
)
"""File systems, by the beginnings of their names in the list of mounts, whose locks SQLite must not rely on."""
MEGABYTE = 1_000_000
LITTLE, HARDLY_ANY = 1000 * MEGABYTE, 100 * MEGABYTE


def examine_disk(file: Path | None, mounts: Path = MOUNTS) -> Iterator[Finding]:
    """Is the state's disk local, and is there room? Nothing where there is no file, or no directory for it yet."""
    directory = file.absolute().parent.resolve() if file else None
    if directory is None or not directory.is_dir():
        return
    kind = _file_system(directory, mounts)
    if kind and NETWORK.match(kind):
        advice = "Name a file on a disk of this machine in SYNCD_STATE__URL, or PostgreSQL: SQLite's locks fail there"
        yield fault("state", f"{directory} is on a network disk ({kind})", advice)
    yield _room(directory, shutil.disk_usage(directory).free)


def _room(directory: Path, free: int) -> Finding:
    text = f"{directory} has {free / MEGABYTE:,.0f} MB free".replace(",", " ")
    if free < HARDLY_ANY:
        return fault("state", text, "Free some: when none is left, polls fail and nothing new is pushed")
    if free < LITTLE:
        return warning("state", text, "See what fills it: when none is left, polls fail and nothing new is pushed")
    return ok("state", text)


def _file_system(directory: Path, mounts: Path) -> str | None:
    """The type of the file system that is mounted there, the last one mounted on the longest path. None: not known."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return None
    at = [(Path(_unescaped(fields[1])), fields[2]) for line in lines if len(fields := line.split(" ")) > 2]
    under = [
        (len(place.parts), order, kind) for order, (place, kind) in enumerate(at) if directory.is_relative_to(place)
    ]
    return max(under)[2] if under else None


def _unescaped(path: str) -> str:
    """Blanks and the like stand there as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)
