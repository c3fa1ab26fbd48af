"""Whether a buyer's cancellation would reach the shop, and the right order. Nothing is cancelled or called."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from sqlalchemy import make_url

from syncd.cancel import CommandCanceller, HttpCanceller, SqlCanceller
from syncd.doctor.findings import Finding, fault, ok, warning
from syncd.errors import CancelError, SourceError
from syncd.model import Order

INTERPRETER_SECONDS = 5.0
_INTERPRETERS = re.compile(r"(php|python|perl|ruby|node|nodejs|bash|zsh|ksh)[0-9.]*")
_GIVE_TEXT = {"php": "rm", "python": "cm", "perl": "eE", "ruby": "e", "node": "ep", "nodejs": "ep"}
"""The options behind which an interpreter is given what to run itself, or a name of it; a shell's is -c."""
_GIVE_TEXT_LONG = ("--run", "--eval", "--print")
_SHELLS = re.compile(r"(sh|dash|ash)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelChecks:
    """`shop`: the way that is configured; None: none is. `database_url`: of the UPDATE, if that is the way. `allowed`,
    `cancelled`: SYNCD_CANCEL__FROM and …__STATUS. `preset`: of the source; the platform of one does more to cancel than
    to write a status. `orders`: some of the shop's orders; `statuses`: its codes; both may raise SourceError.
    `lists_codes`: those are more than the codes that its orders have."""

    shop: HttpCanceller | CommandCanceller | SqlCanceller | None
    has_key: bool
    database_url: str
    allowed: Collection[str] | None
    cancelled: str | None
    preset: str | None
    orders: Callable[[], Sequence[Order]]
    statuses: Callable[[], Collection[str]]
    lists_codes: bool

    def findings(self) -> Iterator[Finding]:
        """Is cancelling on, is what it needs there, and would it name the right order?"""
        if self.shop is None or not self.has_key:
            yield ok("cancel", "cancelling in the app is off: SYNCD_CANCEL__API_KEY is not set")
            return
        if isinstance(self.shop, HttpCanceller):
            yield _resolved(self.shop.host, self.shop.proxy)
        elif isinstance(self.shop, CommandCanceller):
            yield from _program(self.shop.command)
        else:
            yield _logged_in(self.shop, self.database_url)
            if self.preset:
                advice = f"Cancel by the platform's own means; `syncd presets {self.preset}` says which"
                yield warning("cancel", "an UPDATE skips what this platform does when it cancels: stock, mail", advice)
        with suppress(SourceError):  # the checks of the source tell of it
            yield from self._order_named()
            yield from self._codes()

    def _order_named(self) -> Iterator[Finding]:
        """A public number may be another order's own key."""
        assert self.shop is not None
        orders = self.orders()
        differing = next((order for order in orders if order.shop_id not in (None, order.order_id)), None)
        if differing and not isinstance(self.shop, CommandCanceller) and self.shop.names_number:
            advice = (
                "Write {shop_id} in place of {order_id}, or :shop_id for :order_id, unless the shop wants its number"
            )
            what = f"cancelling names orders by {{order_id}}, but order {differing.order_id} is {differing.shop_id}"
            yield warning("cancel", f"{what} by the shop's own key: that may be another order's number", advice)
        if self.shop.wants_shop_id and orders and all(order.shop_id is None for order in orders):
            advice = "Give shop_id in SYNCD_SOURCE__QUERY, or set SYNCD_SOURCE__FIELDS__SHOP_ID"
            yield fault("cancel", "cancelling asks for shop_id, but none of the newest orders has one", advice)

    def _codes(self) -> Iterator[Finding]:
        """Are the codes of SYNCD_CANCEL__FROM and …__STATUS the shop's own?"""
        wanted = {**dict.fromkeys(self.allowed or (), "FROM"), **({self.cancelled: "STATUS"} if self.cancelled else {})}
        known = self.statuses() if wanted else ()
        unknown = [code for code in wanted if code not in known]
        if known and self.cancelled in unknown and not self.lists_codes:
            unknown.remove(self.cancelled)
            what = f"no order has {self.cancelled!r} of SYNCD_CANCEL__STATUS yet"
            yield ok("cancel", f"{what}, and the shop gives no list of its codes to look it up in")
        for code in unknown if known else ():
            advice = "See the shop's codes: syncd statuses"
            yield warning("cancel", f"SYNCD_CANCEL__{wanted[code]} has {code!r}, which is no code of the shop", advice)
        if self.allowed is None:
            yield ok("cancel", "the shop alone says from which status it cancels: SYNCD_CANCEL__FROM is not set")


def shared_keys(orders: Sequence[Order]) -> Iterator[Finding]:
    """Does the shop's own key name one order only?"""
    numbers: dict[str, set[str]] = {}
    keys: dict[str, set[str]] = {}
    for order in orders:
        if order.shop_id:
            numbers.setdefault(order.shop_id, set()).add(order.order_id)
            keys.setdefault(order.order_id, set()).add(order.shop_id)
    shared = next(((key, found) for key, found in numbers.items() if len(found) > 1), None)
    if shared:
        advice = "They stay two orders. Give the key that each order has for itself as shop_id"
        what = f"shop_id {shared[0]} is that of orders {' and '.join(sorted(shared[1])[:2])}"
        yield warning("source", what, advice)
    several = next(((number, found) for number, found in keys.items() if len(found) > 1), None)
    if several:
        advice = "Nothing is told of the one that came later. Give a number that each order has for itself as order_id"
        what = f"order_id {several[0]} is that of the orders with shop_id {' and '.join(sorted(several[1])[:2])}"
        yield warning("source", what, advice)


def _resolved(host: str, proxy: str | None) -> Finding:
    """A proxy resolves the host itself; then what must resolve here is the proxy."""
    if proxy is not None:
        return ok("cancel", f"cancelling is on, by a call to {host} through the proxy {proxy}, which resolves it")
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        return fault(
            "cancel", f"{host} does not resolve: {why}", "Check SYNCD_CANCEL__URL, this machine's DNS, or the proxy"
        )
    return ok("cancel", f"cancelling is on, by a call to {host}, which resolves")


def _program(command: Sequence[str]) -> Iterator[Finding]:
    program, *arguments = command
    path = shutil.which(program)
    if path is None:
        advice = "Correct SYNCD_CANCEL__COMMAND, or let this user execute it (chmod +x)"
        yield fault("cancel", f"{program} is no program that this user can execute", advice)
        return
    paths = _paths(program, arguments)
    faults = [*_files(paths), *_interpreter(path)]
    well = f"cancelling is on, by the program {program}, which is there and executable"
    yield from faults or [ok("cancel", f"{well}, as are its files" if paths else well)]


def _paths(program: str, arguments: Sequence[str]) -> list[str]:
    """The arguments that are paths for certain: absolute ones, and what an interpreter is to run where no option stands
    before it, whose value it might be. None where the interpreter is given its program's text or a module's name."""
    name = Path(program).name
    known = _INTERPRETERS.fullmatch(name)
    if known or _SHELLS.fullmatch(name):
        options = list(takewhile(lambda one: one.startswith("-"), arguments))
        text = _GIVE_TEXT.get(known[1] if known else name, "c")
        if any(set(text) & set(one) if one[1:2] != "-" else one in _GIVE_TEXT_LONG for one in options):
            return []
    script = arguments[:1] if known or _SHELLS.fullmatch(name) else ()
    return [one for one in arguments if (one.startswith("/") and " " not in one) or (one in script and one[:1] != "-")]


def _files(paths: Sequence[str]) -> Iterator[Finding]:
    advice = "Correct SYNCD_CANCEL__COMMAND, or let the service's user read it"
    for argument in paths:
        if not Path(argument).exists():
            yield fault("cancel", f"{argument} in SYNCD_CANCEL__COMMAND is not there", advice)
        elif not os.access(argument, os.R_OK):
            yield fault("cancel", f"{argument} in SYNCD_CANCEL__COMMAND cannot be read by this user", advice)


def _interpreter(path: str) -> Iterator[Finding]:
    """Does what runs the program run itself? Only what is known to do nothing but tell its version is tried."""
    with Path(path).open("rb") as file:
        beginning = file.readline(200)
    tried = [path]
    if beginning.startswith(b"#!"):
        named = beginning[2:].decode(errors="replace").split()
        if named and Path(named[0]).name == "env":
            named = [word for word in named[1:] if not word.startswith("-")]
        found = shutil.which(named[0]) if named else None
        if found is None:
            advice = "Install it, or correct the first line"
            yield fault("cancel", f"{path} is to be run by {' '.join(named) or 'nothing'}, which is not there", advice)
            return
        tried.append(found)
    for program in tried:
        if why := _fails(program):
            yield fault("cancel", f"{program}, which runs the program, does not run itself: {why}", "Install it anew")


def _fails(program: str) -> str | None:
    """Why an interpreter does not run; None: it does, or is none that is known."""
    name = Path(program).name
    if not (_INTERPRETERS.fullmatch(name) or _SHELLS.fullmatch(name)):
        return None
    harmless = ["-c", ":"] if _SHELLS.fullmatch(name) else ["--version"]
    try:
        ran = subprocess.run(  # noqa: S603 - the operator's own interpreter
            [program, *harmless], capture_output=True, timeout=INTERPRETER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(getattr(error, "strerror", None) or error)
    return None if ran.returncode == 0 else f"it ends with {ran.returncode}"


def _logged_in(shop: SqlCanceller, database_url: str) -> Finding:
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        return fault("cancel", f"there is no file {url.database}", "Correct SYNCD_CANCEL__DATABASE_URL")
    try:
        shop.log_in()
    except CancelError as error:
        return fault("cancel", str(error))
    return ok("cancel", "cancelling is on, by an UPDATE, and its login can connect; whether it may write was not tried")
