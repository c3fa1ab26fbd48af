"""Which login syncd reads the shop with, as `syncd init` asks it: one that only reads, unless the administrator says
otherwise."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import make_url

from syncd.cli.init_questions import Options, Questions
from syncd.cli.init_source import ShopSource
from syncd.errors import SourceError
from syncd.settings import urls
from syncd.settings.presets import URL
from syncd.settings.setting_sources import FoundSettings
from syncd.setup import trial
from syncd.setup.database_login import ReadLogin
from syncd.setup.shop_database import SOCKETS, Readable, ShopDatabase


@dataclass(frozen=True, slots=True)
class LoginPlan:
    """A login to be created, and the URLs of one that may create it."""

    login: ReadLogin
    admin_urls: Sequence[str]


def choose_login(options: Options, ask: Questions, existing: FoundSettings, source: ShopSource) -> LoginPlan | None:
    """What is to be created; None: from now on the source's URL is that of the right login. SyncdError, Abort."""
    kept = existing[URL].text if URL in existing else ""
    if options.reader_user and not urls.is_http(source.url):
        question = ask.say("The password of {user} (it is not shown)", user=options.reader_user)
        password = ask.secret(question, "--reader-password-file", options.reader_password_file)
        url = make_url(urls.source_url(source.url)).set(username=options.reader_user, password=password)
        source.url = url.render_as_string(hide_password=False)
    elif source.tables is None or options.shop_login:
        pass
    elif kept and not urls.is_http(kept) and _database(kept) == _database(source.url):
        source.url = kept
    elif _may_write(source.url):
        return _new_login(options, ask, source, source.tables)
    return None


def _new_login(options: Options, ask: Questions, source: ShopSource, tables: Sequence[Readable]) -> LoginPlan | None:
    login = ReadLogin("syncd", secrets.token_urlsafe(24), source.client_host, _database(source.url), tables)
    how = "create"
    if ask.asks and not options.dry_run:
        say = ask.say
        labels = [
            ("create", say("syncd creates it, with a login that may: {user}", user=options.admin_user)),
            ("print", say("I create it myself: show me the statements")),
            ("shop", say("nobody: use the shop's own login, which may write")),
        ]
        question = say("syncd should have a login of its own, which only reads. Who creates it?")
        how = ask.choice(question, labels, "--shop-login", default="create")
    if how == "create":
        return LoginPlan(login, [] if options.dry_run else _admin_urls(options, ask, source.url))
    if how == "print":  # under a name that is hardly taken: nobody here sees which are
        login = replace(login, name=f"{login.name}_{secrets.token_hex(3)}")
        ask.echo("\n".join(f"  {one};" for one in login.statements()))
        source.url = login_url(source.url, login)
        _wait_for_login(ask, source)
    return None


def _wait_for_login(ask: Questions, source: ShopSource) -> None:
    """Until the login reads what the daemon will read."""
    while True:
        ask.text(ask.say("Run these statements, then press Enter"), "--reader-user", default="")
        try:
            trial.read_one(source.variables())
        except SourceError as error:
            ask.echo(str(error))
        else:
            return


def _database(url: str) -> str:
    return str(make_url(urls.source_url(url)).database)


def login_url(url: str, login: ReadLogin) -> str:
    return make_url(url).set(username=login.name, password=login.password).render_as_string(hide_password=False)


def _may_write(url: str) -> bool:
    database = ShopDatabase(url)
    try:
        return database.may_write()
    finally:
        database.close()


def _admin_urls(options: Options, ask: Questions, shop_url: str) -> list[str]:
    """By a socket first: there MariaDB knows root without a password."""
    question = ask.say("The password of {user} (it is not shown or kept; empty: none)", user=options.admin_user)
    password = ask.secret(question, "--admin-password-file", options.admin_password_file, default="")
    url = make_url(shop_url)._replace(username=options.admin_user, password=password or None)
    found = [url]
    is_here = url.host in ("127.0.0.1", "localhost") and url.port in (None, 3306) and not url.query
    if url.get_backend_name() in ("mysql", "mariadb") and is_here:
        sockets = [one for one in SOCKETS if Path(one).exists()]
        found = [*(url._replace(port=None).set(host="localhost", query={"unix_socket": one}) for one in sockets), url]
    return [one.render_as_string(hide_password=False) for one in found]
