"""Whether a buyer's cancellation would reach the shop. Nothing is called, started or written."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import make_url

from syncd.cancel import CommandShop, HttpShop, SqlShop
from syncd.doctor.finding import Finding, fault, ok
from syncd.errors import CancelError


def examine_cancelling(
    shop: HttpShop | CommandShop | SqlShop | None, *, has_key: bool, database_url: str
) -> Iterator[Finding]:
    """Is cancelling on, and is what it needs there? `database_url`: of the UPDATE, if that is how it cancels."""
    if shop is None or not has_key:
        yield ok("cancel", "cancelling in the app is off: SYNCD_CANCEL__API_KEY is not set")
    elif isinstance(shop, HttpShop):
        yield _resolved(str(urlsplit(shop.url).hostname))
    elif isinstance(shop, CommandShop):
        yield _found(shop.command[0])
    else:
        yield _logged_in(shop, database_url)


def _resolved(host: str) -> Finding:
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        return fault(
            "cancel", f"{host} does not resolve: {why}", "Check SYNCD_CANCEL__URL, this machine's DNS, or the proxy"
        )
    return ok("cancel", f"cancelling is on, by a call to {host}, which resolves")


def _found(program: str) -> Finding:
    if shutil.which(program) is None:
        advice = "Correct SYNCD_CANCEL__COMMAND, or let this user execute it (chmod +x)"
        return fault("cancel", f"{program} is no program that this user can execute", advice)
    return ok("cancel", f"cancelling is on, by the program {program}, which is there and executable")


def _logged_in(shop: SqlShop, database_url: str) -> Finding:
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        return fault("cancel", f"there is no file {url.database}", "Correct SYNCD_CANCEL__DATABASE_URL")
    try:
        shop.log_in()
    except CancelError as error:
        return fault("cancel", str(error))
    return ok("cancel", "cancelling is on, by an UPDATE, and its login can connect; whether it may write was not tried")
