"""The shop's side of `syncd init`: where its orders are, and what only a person can say of them.

a folder ──► its configuration ──┐
the URL of a database ───────────┴──► which shop is in it ──► its settings, zone, number
the address of an API ──────────────► its platform, login, number
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import click

from syncd.cli.init_questions import Options, Questions
from syncd.errors import SourceError, SyncdError
from syncd.settings import presets, urls, values
from syncd.settings.presets import NAME, PARAMS, URL
from syncd.settings.setting_sources import FoundSettings
from syncd.setup import trial
from syncd.setup.platforms import API_PLATFORMS, LOGINS, ApiPlatform, ShopPlatform
from syncd.setup.shop_database import (
    Readable,
    ShopDatabase,
    ShopInDatabase,
    choose_shop,
    connected,
    database_urls,
    found_params,
    preset_of,
    shops_in,
    tables_of_query,
    wanted_tables,
)
from syncd.setup.shop_folder import WEB_ROOTS, FoundShop, find_shops, likely_zone, read_configuration

QUERY, QUERY_FILE, TIMEZONE = "SYNCD_SOURCE__QUERY", "SYNCD_SOURCE__QUERY_FILE", "SYNCD_SOURCE__TIMEZONE"
ANY_PLACE = "Name the shop's folder, the URL of its database, or the address of its API"


@dataclass
class ShopSource:
    """The shop as it is read now: `url` may be the shop's own login.

    settings      those beside URL, preset and parameters
    folder        the shop's
    tables        what a login of syncd's own must read; None: it needs none
    client_host   this machine in the names of such logins; None: they have none
    """

    url: str
    preset: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    tables: Sequence[Readable] | None = None
    client_host: str | None = None

    def variables(self) -> dict[str, str]:
        params = {f"{PARAMS}__{name.upper()}": value for name, value in self.params.items()}
        return {URL: self.url, **({NAME: self.preset} if self.preset else {}), **self.settings, **params}


def preset_named(name: str) -> tuple[presets.Preset, str]:
    """A preset and its file's text. UsageError."""
    try:
        return presets.preset_named(name), presets.preset_text(name)
    except ValueError as error:
        raise click.UsageError(f"--preset: {error}") from None


def preset_before(existing: FoundSettings) -> str | None:
    """The preset that an env file names, under its own name where it has others. None: it names none."""
    name = existing[NAME].text if NAME in existing else None
    try:
        return presets.built_in_name(name) if name else None
    except ValueError:
        return name


class SourceFinder:
    """`existing`: the settings that the env file has already; what they say is not asked again. SyncdError, UsageError,
    Abort."""

    def __init__(self, options: Options, ask: Questions, existing: FoundSettings, stack: ExitStack) -> None:
        self._options = options
        self._ask = ask
        self._say = ask.say
        self._existing = {name: found.text for name, found in existing.items()}
        self._stack = stack
        self._preset_before = preset_before(existing)

    def find(self) -> ShopSource:
        place, preset = self._options.place, self._options.preset
        if place is None and URL in self._existing and preset in (None, self._preset_before):
            if self._existing.keys() & {NAME, QUERY, QUERY_FILE}:
                return self._as_before()
            place = self._existing[URL]
        if place is None and preset and (api := _api_named(preset)):
            return self._api(api.address, api)
        if place is None or "://" not in place:
            found = self._folder(place)
            if isinstance(found, FoundShop):
                return self._shop_in_folder(found)
            place = found
        if urls.is_http(place):
            return self._api(place, _api_named(preset or "") or _api_at(place))
        if self._options.query_file:
            return self._own_query([self._with_password(place)])
        return self._shop_in_database([self._with_password(place)])

    def _known_params(self, preset: str) -> dict[str, str]:
        """Those that the env file has for this preset, and those that are given."""
        start = f"{PARAMS}__"
        before = self._existing if preset == self._preset_before or self._preset_before is None else {}
        known = {name.removeprefix(start).lower(): text for name, text in before.items() if name.startswith(start)}
        return known | self._options.params()

    def _as_before(self) -> ShopSource:
        """What the env file says, with the parameters that are given."""
        return ShopSource(self._existing[URL], self._existing.get(NAME), params=self._options.params())

    # ---- a folder

    def _folder(self, place: str | None) -> FoundShop | str:
        """The shop in the folder, or in the usual ones; or the URL that is typed instead."""
        if place is not None and not Path(place).is_dir():
            raise SyncdError(f"{place} is no folder. {ANY_PLACE}")
        found = find_shops([Path(place)] if place is not None else [Path(root) for root in WEB_ROOTS])
        if self._options.preset:
            found = [one for one in found if _is_of(self._options.preset, one.platform)]
        if not found:
            where = place or ", ".join(WEB_ROOTS)
            if place is not None or not self._ask.asks:
                raise SyncdError(f"no shop of a platform that syncd knows is in {where}. {ANY_PLACE}")
            question = self._say("There is no shop in {where}. Its folder, the URL of its database or API", where=where)
            typed = self._ask.text(question, "PATH|URL")
            return typed if "://" in typed else self._folder(typed)
        if len(found) > 1:
            labels = [(str(one.file), f"{one.platform.preset}: {one.folder}") for one in found]
            if not self._ask.asks:
                listed = "; ".join(label for _, label in labels)
                raise SyncdError(f"several shops are there: {listed}. Name the folder of one")
            chosen = self._ask.choice(self._say("Several shops are there. Which one?"), labels, "PATH")
            found = [one for one in found if str(one.file) == chosen]
        (shop,) = found
        self._ask.echo(self._say("Found: {preset} in {folder}", preset=shop.platform.preset, folder=shop.folder))
        return shop

    def _shop_in_folder(self, shop: FoundShop) -> ShopSource:
        config = read_configuration(shop, os.environ)
        known = dict(config.known)
        if self._options.database_url:
            candidates = [self._with_password(self._options.database_url)]
        else:
            for name, value in config.unknown.items():
                where = {"file": shop.file, "line": value.line, "written": value.text, "name": name}
                question = self._say("{file} computes the {name} in line {line} ({written}); type it", **where)
                option = "--param prefix=PREFIX" if name == "prefix" else "--database-url"
                given = self._options.params().get("prefix") if name == "prefix" else None
                known[name] = self._ask.text(question, option, given=given, secret=name == "password")
            for name in ("database", "user"):
                if name not in known:
                    question = self._say("{file} does not name the {name}; type it", file=shop.file, name=name)
                    known[name] = self._ask.text(question, "--database-url")
            candidates = database_urls(known)
        source = self._shop_in_database(candidates, shop.platform, known.get("prefix"))
        source.folder = shop.folder
        return source

    # ---- a database

    def _with_password(self, url: str) -> str:
        """The URL with the password of --database-password-file."""
        file = self._options.database_password_file
        try:
            if file is not None:
                password = self._ask.secret("", "--database-password-file", file)
                parsed = urls.parsed_database_url(url).set(password=password)
                url = parsed.render_as_string(hide_password=False)
            urls.source_url(url)
        except ValueError as error:
            raise click.UsageError(f"the URL of the database {error}") from None
        return url

    def _connected(self, candidates: Sequence[str]) -> ShopDatabase:
        while True:
            try:
                database = connected(candidates)
            except SourceError as error:
                if not self._ask.asks:
                    raise SourceError(
                        f"{error} Where this is not the database's address, give --database-url"
                    ) from error
                self._ask.echo(str(error))
                question = self._say("The URL of the database: mysql://user:password@host/database")
                candidates = [self._ask.text(question, "--database-url", secret=True, check=urls.source_url)]
            else:
                self._stack.callback(database.close)
                return database

    def _shop_in_database(
        self, candidates: Sequence[str], platform: ShopPlatform | None = None, prefix: str | None = None
    ) -> ShopSource:
        database = self._connected(candidates)
        tables = database.tables()
        shop = self._which_shop(database.name, shops_in(tables), platform, prefix)
        name = self._options.preset or preset_of(database, shop)
        preset, text = preset_named(name)
        known = found_params(database, preset, shop)
        if self._existing.get("SYNCD_CANCEL__PRESET") is None:
            known.pop("cancelled", None)
        source = ShopSource(database.url, name, params=known | self._known_params(name))
        if shop.platform.has_prefix:
            source.params["prefix"] = shop.prefix
        source.tables = wanted_tables(preset, text, shop, tables)
        source.client_host = database.client_host()
        self._ask_params(source, preset, shop.platform.asked)
        self._ask_number(source, preset)
        return source

    def _which_shop(
        self, name: str, found: Sequence[ShopInDatabase], platform: ShopPlatform | None, prefix: str | None
    ) -> ShopInDatabase:
        """`prefix`: what the configuration says; the option says it better."""
        prefix = self._options.params().get("prefix", prefix) if platform is None or platform.has_prefix else None
        if self._options.preset:
            found = [one for one in found if _is_of(self._options.preset, one.platform)]
        of_platform = [one for one in found if platform in (None, one.platform)]
        fitting = [one for one in of_platform if prefix in (None, one.prefix)]
        if len(fitting) != 1 and of_platform and self._ask.asks:
            labels = [(str(at), f"{one.platform.preset}: {one.prefix}…") for at, one in enumerate(of_platform)]
            what = "The prefix {prefix} is not in the database {name}. These shops are; which one is it?"
            if fitting or prefix is None:
                what = "Several shops are in the database {name}. Which one is it?"
            question = self._say(what, name=name, prefix=repr(prefix))
            return of_platform[int(self._ask.choice(question, labels, "--param prefix=PREFIX"))]
        return choose_shop(found, platform, prefix)

    def _own_query(self, candidates: Sequence[str]) -> ShopSource:
        """A shop with tables of its own, and a SELECT that reads them."""
        file = self._options.query_file
        assert file is not None
        try:
            query = values.readable(file)
        except ValueError as error:
            raise click.UsageError(f"--query-file: {error}") from None
        database = self._connected(candidates)
        given = self._options.timezone or self._existing.get(TIMEZONE)
        zone = self._ask_zone("--timezone", given, likely_zone() or "UTC")
        source = ShopSource(database.url, None, {QUERY_FILE: str(file.absolute()), TIMEZONE: zone})
        if database.has_logins:
            source.tables = tables_of_query(query)
            source.client_host = database.client_host() if database.is_mariadb else None
        return source

    # ---- an API

    def _api(self, address: str | None, platform: ApiPlatform | None) -> ShopSource:
        if platform is None:
            labels = [(one.preset, preset_named(one.preset)[0].title) for one in API_PLATFORMS]
            question = self._say("Which platform answers at {host}?", host=urlsplit(address or "").hostname)
            platform = _api_named(self._ask.choice(question, labels, "--preset"))
        assert platform is not None
        question = self._say("The address of the API, as `syncd presets {name}` shows it", name=platform.preset)
        has_key = platform.login == "webhook"
        address = self._ask.text(question, "URL", given=address, secret=has_key, check=urls.source_url)
        preset, _ = preset_named(platform.preset)
        source = ShopSource(address, platform.preset, params=self._known_params(platform.preset))
        while True:
            source.settings = self._api_login(platform)
            try:
                trial.read_one(source.variables())
            except SourceError as error:
                if not self._ask.asks or platform.login == "webhook":
                    raise
                self._ask.echo(str(error))
                self._existing = {}
            else:
                self._ask_number(source, preset)
                return source

    def _api_login(self, platform: ApiPlatform) -> dict[str, str]:
        login = LOGINS[platform.login]
        if login is None:
            return {}
        (variable, form), options = login, self._options
        if variable in self._existing and not options.api_key_file:
            return {variable: self._existing[variable]}
        user = ""
        if platform.login == "basic":
            user = self._ask.text(self._say("The user of the API"), "--api-user", given=options.api_user)
        question = self._say("The key, token or password of the API (it is not shown)")
        return {
            variable: form.format(user=user, key=self._ask.secret(question, "--api-key-file", options.api_key_file))
        }

    # ---- what only a person can say

    def _ask_params(self, source: ShopSource, preset: presets.Preset, asked: Sequence[str]) -> None:
        for name in asked:
            if name in source.params:
                continue
            option, usual = f"--param {name}=VALUE", preset.params[name].default
            if name == "zone":
                source.params[name] = self._ask_zone(option, None, likely_zone() or usual)
            else:
                question = self._say("In which language do buyers read the names of statuses?")
                source.params[name] = self._ask.text(question, option, default=usual)

    def _ask_zone(self, option: str, given: str | None, default: str | None) -> str:
        question = self._say("In which time zone does the shop write its times? A wrong one finds changes hours late")
        return self._ask.text(question, option, given=given, default=default, check=values.time_zone)

    def _ask_number(self, source: ShopSource, preset: presets.Preset) -> None:
        """Which of several numbers IMSHOP knows: asked only if orders really have several."""
        parameter = preset.params.get("number")
        options = trial.choices(parameter) if parameter else []
        if parameter is None or "number" in source.params or not options:
            return
        numbers = trial.numbers_by_choice(source.variables(), options)
        if len({tuple(shown) for shown in numbers.values()}) > 1:
            labels = [(name, f"{name}: {', '.join(shown)}") for name, shown in numbers.items()]
            question = self._say("Which number of an order does the app know? The orders that changed last have")
            usual = parameter.default if parameter.default in numbers else None
            source.params["number"] = self._ask.choice(question, labels, "--param number=NAME", default=usual)


def _is_of(preset: str, platform: ShopPlatform) -> bool:
    older = platform.older[0] if platform.older else None
    return preset in (platform.preset, older)


def _api_named(preset: str) -> ApiPlatform | None:
    return next((one for one in API_PLATFORMS if one.preset == preset), None)


def _api_at(address: str) -> ApiPlatform | None:
    host = urlsplit(address).hostname or ""
    return next((one for one in API_PLATFORMS if one.hosts and re.fullmatch(one.hosts, host)), None)
