"""The settings in force: where they came from, and whether strangers can read them.

The disk under a state that is a file: whether it is on this machine, and whether there is room.

Whether the daemon can serve metrics and health where it is to.

Whether pushes would reach IMSHOP: the way there, and the certificate at its end. No request is sent.
"""

from __future__ import annotations

import errno
import re
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from syncd.doctor.findings import Finding, fault, ok, warning
from syncd.http.addresses import is_insecure_remote, origin
from syncd.imshop import Connected, ImshopClient
from syncd.pipeline.statuses_file import Statuses
from syncd.settings import Loaded, masked, presets
from syncd.settings.values import Address

SHORT = 30


def check_settings(loaded: Loaded, statuses: Statuses) -> Iterator[Finding]:
    """Where do the settings come from?"""
    origins = Counter(_place(found.origin) for found in loaded.found.values())
    counted = ", ".join(f"{count} from {origin}" for origin, count in origins.items())
    yield ok("settings", f"can be used: {counted}; the others are defaults")
    for place in origins:
        if Path(place).is_file() and Path(place).stat().st_mode & 0o004:
            advice = f"Run: chmod o-r {place}"
            yield warning("settings", f"every user of this machine may read {place}, secrets and all", advice)
    yield from _beside_preset(loaded)
    file = loaded.settings.statuses.file
    if file is None:
        yield ok("settings", "no statuses file: every status code is pushed as it is")
    else:
        yield ok("settings", f"statuses file {file}: {len(statuses.listed)} codes; others: {statuses.unknown}")


def _beside_preset(loaded: Loaded) -> Iterator[Finding]:
    """What a person set beside a preset may be meant so, or left over."""
    found = presets.overrides(loaded.found)
    if found is None:
        return
    if found.replaced:
        shown = {line.variable: line.value for line in masked(loaded)}
        names = [_replaced(name, shown.get(name, ""), text) for name, text in found.replaced.items()]
        yield ok("settings", f"set by hand in place of what the preset {found.preset} says: {', '.join(names)}")
    for parameter, why in found.idle.items():
        yield warning("settings", f"{parameter} has no effect: {why}", "Leave it out, or change that")


def _replaced(name: str, shown: str, preset: str) -> str:
    """With both values where they are short: an overridden time zone is seen at once."""
    short = all(0 < len(text) <= SHORT and "\n" not in text for text in (shown, preset))
    return f"{name} ({shown}, not {preset})" if short else name


def _place(origin: str) -> str:
    return origin.removeprefix("credential ")


MOUNTS = Path("/proc/self/mounts")
NETWORK = re.compile(
    r"(nfs|cifs|smb|afs|ceph|gluster|lustre|gfs|ocfs|9p|davfs|beegfs|fuse\.(sshfs|s3fs|glusterfs|rclone|ceph|davfs))"
)
"""File systems, by the beginnings of their names in the list of mounts, whose locks SQLite must not rely on."""
MEGABYTE = 1_000_000
LITTLE, HARDLY_ANY = 1000 * MEGABYTE, 100 * MEGABYTE


def check_disk(file: Path | None, mounts: Path = MOUNTS) -> Iterator[Finding]:
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


ANSWER_SECONDS = 3.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never bound to


def check_address(bind: Address | None, daemon_runs: Callable[[], bool]) -> Iterator[Finding]:
    """Whether the address is free, or this installation's daemon answers there; `daemon_runs` says whether it runs."""
    if bind is None:
        yield ok("http", "off, as SYNCD_HTTP__BIND says")
        return
    try:
        _listen(bind)
    except OSError as error:
        yield _taken(bind, daemon_runs) if error.errno == errno.EADDRINUSE else _unusable(bind, error)
    else:
        yield ok("http", f"{bind} is free")


def _listen(bind: Address) -> None:
    """As the daemon would, for a moment: nobody is let in. OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)


def _taken(bind: Address, daemon_runs: Callable[[], bool]) -> Finding:
    try:
        status, said = _health(bind)
    except (OSError, HTTPException):
        status, said = 0, ""
    is_daemon = (status == 200 and said == "ok") or (status == 503 and said.startswith("stuck: "))
    if not is_daemon or not daemon_runs():
        whom = "a syncd that works with another state" if is_daemon else "another program"
        advice = "End that, or name another address in SYNCD_HTTP__BIND"
        return fault("http", f"{bind} is taken by {whom}", advice)
    if status == 503:
        return warning("http", f"a daemon answers at {bind}: {said}", "Look at its log, and restart it")
    return ok("http", f"a daemon answers at {bind}, and is well")


def _health(bind: Address) -> tuple[int, str]:
    """Status and first line of /healthz."""
    connection = HTTPConnection(_EVERYWHERE.get(bind.host, bind.host), bind.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        first_line = answer.read(1000).decode(errors="replace").partition("\n")[0]
        return answer.status, "".join(letter for letter in first_line if letter.isprintable())
    finally:
        connection.close()


def _unusable(bind: Address, error: OSError) -> Finding:
    """A port below 1024, an address that this machine does not have, a name that does not resolve."""
    why = error.strerror or str(error)
    return fault("http", f"cannot listen on {bind}: {why}", "Name another address in SYNCD_HTTP__BIND")


CONNECT_SECONDS = 8.0
CERTIFICATE_MARGIN = timedelta(days=21)
"""Certificates of 90 days are usually renewed 30 days before they end."""


def check_endpoint(url: str, imshop: ImshopClient, now: datetime) -> Iterator[Finding]:
    """Does IMSHOP's host resolve, and can a connection be made?"""
    _, host, port = origin(url)
    if imshop.proxy:
        yield ok("imshop", f"pushes go through the proxy {imshop.proxy}")
    else:
        try:
            yield _resolved(host, port)
        except (OSError, UnicodeError) as error:
            yield _unknown(host, error)
            return
    yield _reached(f"{host}:{port}", imshop.connect(CONNECT_SECONDS), now)
    if is_insecure_remote(url):
        advice = "Have IMSHOP serve https, and write https:// in SYNCD_IMSHOP__URL"
        yield warning("imshop", "pushes and their key travel unencrypted", advice)


def _resolved(host: str, port: int) -> Finding:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(address[0]) for *_, address in found)
    return ok("imshop", f"{host} resolves to {', '.join(addresses)}")


def _unknown(host: str, error: OSError | UnicodeError) -> Finding:
    why = getattr(error, "strerror", None) or error
    return fault("imshop", f"{host} does not resolve: {why}", "Check SYNCD_IMSHOP__URL and this machine's DNS")


def _reached(place: str, connected: Connected, now: datetime) -> Finding:
    ends = connected.certificate_ends
    if ends is None:
        return ok("imshop", f"{place} takes connections, without TLS")
    trusted = f"{place} takes connections, and its certificate is trusted until {ends:%Y-%m-%d}"
    if ends - now >= CERTIFICATE_MARGIN:
        return ok("imshop", trusted)
    advice = "Ask who runs that server, or the proxy before it, to renew it: with its end all pushes stop"
    return warning("imshop", f"{trusted}, {(ends - now).days} days from now", advice)
