"""Where a URL leads, in whichever of its spellings it is written. ValueError: it is no URL."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import idna

_PORTS = {"http": 80, "https": 443}
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
"""What parts the labels of a host, also where it is written in Chinese or Japanese (RFC 3490, section 3.1)."""


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port, the same for each spelling of them: the letters of a host in Cyrillic or as `xn--…`, in
    capitals or not, with the root's dot or without, and the usual port or none."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, ascii_host(parts.hostname or ""), parts.port or _PORTS.get(scheme, 0)


def host_header(url: str) -> str:
    """The host as a request's header names it: with the port, unless it is the usual one."""
    scheme, host, port = origin(url)
    host = host.partition("%")[0]  # an IPv6 zone is known to this machine alone
    name = f"[{host}]" if ":" in host else host
    return name if port == _PORTS.get(scheme) else f"{name}:{port}"


def ascii_host(host: str) -> str:
    """A host's name as it is looked up: `магазин.рф` and `XN--80AAIRFTM.xn--p1ai.` are one."""
    return ".".join(_ascii_label(label) for label in _DOTS.split(host)).removesuffix(".")


def _ascii_label(label: str) -> str:
    if label.isascii():  # also such as no registry takes, with an underscore say
        return label.lower()
    try:
        return idna.encode(label, uts46=True).decode("ascii")
    except UnicodeError:
        return label.lower()


def spellings(url: str) -> Sequence[str]:
    """The URL without its login: as it is written, with its host as it is looked up, and with that in letters."""
    parts = urlsplit(url)
    host = ascii_host(parts.hostname or "")
    hosts = dict.fromkeys([parts.hostname or "", host, _in_letters(host)])
    return [urlunsplit(parts._replace(netloc=_place(one, parts.port))) for one in hosts]


def _in_letters(host: str) -> str:
    try:
        return idna.decode(host)
    except UnicodeError:
        return host


def _place(host: str, port: int | None) -> str:
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{port}" if port else host


def is_loopback(host: str) -> bool:
    name = ascii_host(host.strip("[]"))
    try:
        address = ip_address(name)
    except ValueError:
        return name == "localhost"
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (inner or address).is_loopback


def is_insecure_remote(url: str) -> bool:
    """Whether what is sent there, a key say, crosses a network unencrypted."""
    scheme, host, _ = origin(url)
    return scheme == "http" and not is_loopback(host)


def shown(url: str) -> str:
    """Host, and port if one is written, for a person: as they are written, without a login."""
    parts = urlsplit(url)
    return _place(parts.hostname or "nowhere", parts.port)


def without_login(url: str) -> tuple[str, str | None]:
    """The URL, and the user and password that stand in it, as SYNCD_SOURCE__AUTH would have them."""
    parts = urlsplit(url)
    login, at, address = parts.netloc.rpartition("@")
    bare = urlunsplit(parts._replace(netloc=address, fragment=""))
    return bare, f"basic:{unquote(login)}" if at else None


def authorization(auth: str | None) -> Mapping[str, str]:
    """The header that carries a login: `bearer:TOKEN` or `basic:USER:PASSWORD`."""
    if auth is None:
        return {}
    scheme, _, credentials = auth.partition(":")
    if scheme == "bearer":
        return {"Authorization": f"Bearer {credentials}"}
    login = credentials if ":" in credentials else f"{credentials}:"
    return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def join_path(url: str, path: str, instead_of: str = "") -> str:
    """The URL with `path` appended, which may bring parameters. If the URL ends in `instead_of`, `path` replaces that.

    A URL that already ends in `path` is not changed: people write either the shop's address or the whole URL.
    """
    if not path:
        return url
    parts = urlsplit(url)
    bare, _, query = path.partition("?")
    stem = parts.path.rstrip("/")
    for ending in (bare, instead_of.partition("?")[0]):
        stem = stem.removesuffix(ending).removesuffix(quote(ending))
    joined = "&".join(text for text in (parts.query, query) if text)
    return urlunsplit(parts._replace(path=stem + bare, query=joined))
