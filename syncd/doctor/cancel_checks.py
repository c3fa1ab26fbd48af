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

from syncd.cancel.by_command import CommandCanceller
from syncd.cancel.by_http import HttpCanceller
from syncd.cancel.by_sql import SqlCanceller
from syncd.doctor.findings import Finding, fault, ok, warning
from syncd.errors import CancelError, SourceError
from syncd.model import Order

INTERPRETER_SECONDS = 5.0
_INTERPRETERS = re.compile(r"(php|python|perl|ruby|node|nodejs|bash|zsh|ksh)[0-9.]*")
_INLINE_OPTIONS = {"php": "rm", "python": "cm", "perl": "eE", "ruby": "e", "node": "ep", "nodejs": "ep"}
"""The options after which an interpreter is given the code itself, or a module's name; a shell's is -c."""
_INLINE_OPTIONS_LONG = ("--run", "--eval", "--print")
_SHELLS = re.compile(r"(sh|dash|ash)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelChecks:
    """What the checks need.

    canceller            the way to cancel that is configured; None: none is
    database_url         of the UPDATE, if that is the way
    allowed, cancelled   SYNCD_CANCEL__FROM and …__STATUS
    preset               of the source: its platform does more when it cancels than write a status
    orders               some of the shop's orders; may raise SourceError
    codes                the shop's status codes; may raise SourceError
    has_list             whether the shop lists its codes, so that they are more than those of its orders
    """

    canceller: HttpCanceller | CommandCanceller | SqlCanceller | None
    has_key: bool
    database_url: str
    allowed: Collection[str] | None
    cancelled: str | None
    preset: str | None
    orders: Callable[[], Sequence[Order]]
    codes: Callable[[], Collection[str]]
    has_list: bool

    def findings(self) -> Iterator[Finding]:
        """Is cancelling on, is what it needs there, and would it name the right order?"""
        if self.canceller is None or not self.has_key:
            yield ok("cancel", "cancelling in the app is off: SYNCD_CANCEL__API_KEY is not set")
            return
        if isinstance(self.canceller, HttpCanceller):
            yield _resolved(self.canceller.host, self.canceller.proxy)
        elif isinstance(self.canceller, CommandCanceller):
            yield from _program(self.canceller.command)
        else:
            yield _login(self.canceller, self.database_url)
            if self.preset:
                advice = f"Cancel by the platform's own means; `syncd presets {self.preset}` says which"
                yield warning("cancel", "an UPDATE skips what this platform does when it cancels: stock, mail", advice)
        with suppress(SourceError):  # the checks of the source report it
            yield from self._check_identifiers()
            yield from self._check_codes()

    def _check_identifiers(self) -> Iterator[Finding]:
        """Would it name the right order? A public number may be another order's own key."""
        assert self.canceller is not None
        orders = self.orders()
        differing = next((order for order in orders if order.shop_id not in (None, order.order_id)), None)
        if differing and not isinstance(self.canceller, CommandCanceller) and self.canceller.names_number:
            advice = (
                "Write {shop_id} in place of {order_id}, or :shop_id for :order_id, unless the shop wants its number"
            )
            what = f"cancelling names orders by {{order_id}}, but order {differing.order_id} has the shop's own key"
            yield warning("cancel", f"{what} {differing.shop_id}: that may be another order's number", advice)
        if self.canceller.wants_shop_id and orders and all(order.shop_id is None for order in orders):
            advice = "Give shop_id in SYNCD_SOURCE__QUERY, or set SYNCD_SOURCE__FIELDS__SHOP_ID"
            yield fault("cancel", "cancelling needs shop_id, but none of the newest orders has one", advice)

    def _check_codes(self) -> Iterator[Finding]:
        """Are the codes of SYNCD_CANCEL__FROM and …__STATUS the shop's own?"""
        wanted = {**dict.fromkeys(self.allowed or (), "FROM"), **({self.cancelled: "STATUS"} if self.cancelled else {})}
        known = self.codes() if wanted else ()
        unknown = [code for code in wanted if code not in known]
        if known and self.cancelled in unknown and not self.has_list:
            unknown.remove(self.cancelled)
            what = f"no order has {self.cancelled!r} of SYNCD_CANCEL__STATUS yet"
            yield ok("cancel", f"{what}, and the shop gives no list of its codes to check it against")
        for code in unknown if known else ():
            advice = "Correct it; the shop's codes are shown by: syncd statuses"
            yield warning(
                "cancel", f"SYNCD_CANCEL__{wanted[code]} has {code!r}, which is not a code of the shop", advice
            )
        if self.allowed is None:
            yield ok("cancel", "the shop alone decides from which status it cancels: SYNCD_CANCEL__FROM is not set")


def _resolved(host: str, proxy: str | None) -> Finding:
    """Behind a proxy the host need not resolve here: the proxy resolves it."""
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
        yield fault("cancel", f"{program} is not a program that this user can execute", advice)
        return
    paths = _paths(program, arguments)
    faults = [*_files(paths), *_interpreter(path)]
    text = f"cancelling is on, by the program {program}, which is there and executable"
    yield from faults or [ok("cancel", f"{text}; its files are there" if paths else text)]


def _paths(program: str, arguments: Sequence[str]) -> list[str]:
    """The arguments that are certainly paths: absolute ones, and the script of an interpreter unless an option stands
    before it, since it may be that option's value. None if the interpreter is given code or a module's name."""
    name = Path(program).name
    known = _INTERPRETERS.fullmatch(name)
    if known or _SHELLS.fullmatch(name):
        options = list(takewhile(lambda one: one.startswith("-"), arguments))
        inline = _INLINE_OPTIONS.get(known[1] if known else name, "c")
        if any(set(inline) & set(one) if one[1:2] != "-" else one in _INLINE_OPTIONS_LONG for one in options):
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
    """Does the program's interpreter run? Only a known one is started, in a way that does nothing."""
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
            interpreter = " ".join(named) or "nothing"
            yield fault("cancel", f"{path} names {interpreter} as its interpreter, which is not there", advice)
            return
        tried.append(found)
    for program in tried:
        if why := _why_it_fails(program):
            yield fault("cancel", f"{program}, which runs the program, does not run itself: {why}", "Reinstall it")


def _why_it_fails(program: str) -> str | None:
    """Why an interpreter does not run; None: it does, or it is not a known one."""
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
    return None if ran.returncode == 0 else f"it exits with {ran.returncode}"


def _login(canceller: SqlCanceller, database_url: str) -> Finding:
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        return fault("cancel", f"there is no file {url.database}", "Correct SYNCD_CANCEL__DATABASE_URL")
    try:
        canceller.log_in()
    except CancelError as error:
        return fault("cancel", str(error))
    return ok("cancel", "cancelling is on, by an UPDATE, and its login can connect; whether it may write was not tried")
