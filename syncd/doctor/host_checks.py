"""What syncd needs of this machine and of the network, one check each:

settings   where they come from, and whether other users or the web server can read them
disk       whether the state's file is on a local disk, and how much room there is
address    whether the daemon can serve metrics and health there
endpoint   whether IMSHOP can be reached, and how long its certificate is trusted. No request is sent
"""

from __future__ import annotations

import errno
import re
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from syncd.doctor.findings import Area, Finding, fault, ok, warning
from syncd.http.addresses import is_insecure_remote, origin
from syncd.imshop.push import ImshopClient
from syncd.pipeline.statuses_file import Statuses
from syncd.runtime.health import faults_of_daemon
from syncd.settings import Loaded, masked, presets
from syncd.settings.values import Address

SHORT = 30
WEB_ROOTS = {"public_html", "htdocs", "httpdocs", "wwwroot", "webroot"}
"""What hosting providers and web servers call the folder that they serve."""
INDEXES = ("index.php", "index.html")
MOUNTS = Path("/proc/self/mounts")
NETWORK = re.compile(
    r"(nfs|cifs|smb|afs|ceph|gluster|lustre|gfs|ocfs|9p|davfs|beegfs|fuse\.(sshfs|s3fs|glusterfs|rclone|ceph|davfs))"
)
"""File systems on which SQLite must not rely on locks, by the beginnings of their names in the list of mounts."""
MEGABYTE = 1_000_000
LITTLE, HARDLY_ANY = 1000 * MEGABYTE, 100 * MEGABYTE
CONNECT_SECONDS = 8.0
CERTIFICATE_MARGIN = timedelta(days=21)
"""Certificates of 90 days are usually renewed 30 days before they end."""


def check_settings(loaded: Loaded, statuses: Statuses) -> Iterator[Finding]:
    """Where do the settings come from?"""
    places = Counter(found.origin.removeprefix("credential ") for found in loaded.found.values())
    counted = ", ".join(f"{count} from {place}" for place, count in places.items())
    yield ok("settings", f"the settings can be used: {counted}; the others are defaults")
    for place in places:
        if Path(place).is_file() and Path(place).stat().st_mode & 0o004:
            text = f"every user of this machine may read {place} and the secrets in it"
            yield warning("settings", text, f"Run: chmod o-r {place}")
        if Path(place).is_file():
            yield from check_web_root("settings", Path(place))
    if found := presets.overrides(loaded.found):
        if found.replaced:
            shown = {line.variable: line.value for line in masked(loaded)}
            names = [_replaced(name, shown.get(name, ""), text) for name, text in found.replaced.items()]
            yield ok("settings", f"set by hand instead of the preset {found.preset}: {', '.join(names)}")
        for parameter, why in found.idle.items():
            yield warning("settings", f"{parameter} has no effect: {why}", "Leave one of the two out")
    file = loaded.settings.statuses.file
    if file is None:
        yield ok("settings", "no statuses file: every status code is pushed as it is")
    else:
        yield ok("settings", f"statuses file {file}: {len(statuses.listed)} codes; others: {statuses.unknown}")


def _replaced(name: str, shown: str, preset: str) -> str:
    """With both values if they are short, so that an overridden time zone is seen at once."""
    short = all(0 < len(text) <= SHORT and "\n" not in text for text in (shown, preset))
    return f"{name} ({shown}, not {preset})" if short else name


def check_web_root(area: Area, file: Path) -> Iterator[Finding]:
    """Does the file lie where a web server would hand it out? It need not exist."""
    for folder in file.resolve().parents:
        if folder.name in WEB_ROOTS or any((folder / index).exists() for index in INDEXES):
            text = f"{file} lies within {folder}, which looks like a web server's folder: anyone might download it"
            yield warning(area, text, f"Move it to a folder outside {folder}")
            return


def check_disk(file: Path | None, mounts: Path = MOUNTS) -> Iterator[Finding]:
    """Is the disk of the state's file local, and is there room? Nothing if there is no file or no directory for it."""
    directory = file.absolute().parent.resolve() if file else None
    if directory is None or not directory.is_dir():
        return
    kind = _file_system(directory, mounts)
    if kind and NETWORK.match(kind):
        advice = "Name a file on a disk of this machine in SYNCD_STATE__URL, or PostgreSQL: SQLite's locks fail there"
        yield fault("state", f"{directory} is on a network disk ({kind})", advice)
    yield room_finding(directory, shutil.disk_usage(directory).free)


def room_finding(directory: Path, free: int) -> Finding:
    """`free`: bytes."""
    text = f"{directory} has {free / MEGABYTE:,.0f} MB free".replace(",", " ")
    if free < HARDLY_ANY:
        return fault("state", text, "Free some: when none is left, polls fail and nothing new is pushed")
    if free < LITTLE:
        return warning("state", text, "Find out what fills it: when none is left, polls fail and nothing is pushed")
    return ok("state", text)


def _file_system(directory: Path, mounts: Path) -> str | None:
    """The type of the directory's file system, the last one mounted on the longest path. None: not known."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return None
    under = []
    for order, fields in enumerate(line.split(" ") for line in lines):
        if len(fields) > 2:  # blanks and the like stand in the path as octal numbers
            place = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[1]))
            if directory.is_relative_to(place):
                under.append((len(place.parts), order, fields[2]))
    return max(under)[2] if under else None


def check_address(bind: Address | None, daemon_runs: Callable[[], bool]) -> Iterator[Finding]:
    """Is the address free, or does this installation's daemon answer there? `daemon_runs`: whether that daemon runs."""
    if bind is None:
        yield ok("http", "metrics and health are off: SYNCD_HTTP__BIND is empty")
        return
    try:  # as the daemon would, for a moment, without accepting a connection
        family, kind, protocol, _, address = socket.getaddrinfo(
            bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            yield _taken(bind, daemon_runs)
        else:  # a port below 1024, an address that this machine does not have, a name that does not resolve
            why = error.strerror or str(error)
            yield fault("http", f"cannot listen on {bind}: {why}", "Name another address in SYNCD_HTTP__BIND")
    else:
        yield ok("http", f"{bind} is free")


def _taken(bind: Address, daemon_runs: Callable[[], bool]) -> Finding:
    faults = faults_of_daemon(bind)
    if faults is None or not daemon_runs():
        whom = "another program" if faults is None else "a syncd that works with another state"
        return fault("http", f"{bind} is taken by {whom}", "Stop it, or name another address in SYNCD_HTTP__BIND")
    if faults:
        return warning("http", f"a daemon answers at {bind}: {'; '.join(faults)}", "Read its log, and restart it")
    return ok("http", f"a daemon answers at {bind}, and is well")


def check_endpoint(url: str, imshop: ImshopClient, now: datetime) -> Iterator[Finding]:
    """Does IMSHOP's host resolve, can a connection be made, and how long is its certificate trusted?"""
    _, host, port = origin(url)
    if imshop.proxy:
        yield ok("imshop", f"pushes go through the proxy {imshop.proxy}")
    else:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            advice = "Check SYNCD_IMSHOP__URL and this machine's DNS"
            yield fault("imshop", f"{host} does not resolve: {why}", advice)
            return
        addresses = dict.fromkeys(str(address[0]) for *_, address in found)
        yield ok("imshop", f"{host} resolves to {', '.join(addresses)}")
    ends = imshop.connect(CONNECT_SECONDS).certificate_ends
    if ends is None:
        yield ok("imshop", f"{host}:{port} accepts connections, without TLS")
    else:
        text = f"{host}:{port} accepts connections, and its certificate is trusted until {ends:%Y-%m-%d}"
        if ends - now >= CERTIFICATE_MARGIN:
            yield ok("imshop", text)
        else:
            advice = "Ask the operator of that server, or of the proxy, to renew it: when it ends, all pushes stop"
            yield warning("imshop", f"{text}, {(ends - now).days} days from now", advice)
    if is_insecure_remote(url):
        advice = "Have IMSHOP serve https, and write https:// in SYNCD_IMSHOP__URL"
        yield warning("imshop", "pushes and their key travel unencrypted", advice)
