"""Whether pushes would reach IMSHOP: the way there, and the certificate at its end. No request is sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime, timedelta

from syncd.doctor.finding import Finding, fault, ok, warning
from syncd.http.addresses import is_insecure_remote, origin
from syncd.imshop import Connected, Imshop

CONNECT_SECONDS = 8.0
CERTIFICATE_MARGIN = timedelta(days=21)
"""Certificates of 90 days are usually renewed 30 days before they end."""


def examine_endpoint(url: str, imshop: Imshop, now: datetime) -> Iterator[Finding]:
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
