"""The credentials of an API: SYNCD_SOURCE__AUTH, or what stands in its URL."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit, urlunsplit


def without_login(url: str) -> tuple[str, str | None]:
    """The URL, and the user and password that stand in it, as SYNCD_SOURCE__AUTH would have them."""
    parts = urlsplit(url)
    login, at, address = parts.netloc.rpartition("@")
    bare = urlunsplit(parts._replace(netloc=address, fragment=""))
    return bare, f"basic:{unquote(login)}" if at else None


def authorization(auth: str | None) -> Mapping[str, str]:
    if auth is None:
        return {}
    scheme, _, credentials = auth.partition(":")
    if scheme == "bearer":
        return {"Authorization": f"Bearer {credentials}"}
    login = credentials if ":" in credentials else f"{credentials}:"
    return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}
