"""`syncd init`: finds the shop, shows what it would do, does it, and can undo it.

    init_source: the shop ──► init_login: who reads it ──► IMSHOP ──► init_preview: what would come of it
        ──► confirm ──► the login and the env file, both or neither ──► the service

Until it is confirmed nothing is changed. What can be known is not asked; every question has an option.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from syncd.cli.context import stopped_by_signals
from syncd.cli.init_login import LoginPlan, choose_login, login_url
from syncd.cli.init_phrases import Phrases, language_of
from syncd.cli.init_preview import show_preview
from syncd.cli.init_questions import Options, Questions
from syncd.cli.init_source import QUERY_FILE, TIMEZONE, ShopSource, SourceFinder, preset_before, preset_named
from syncd.cli.init_statuses import StatusesOffer
from syncd.cli.output import json_option, print_json
from syncd.errors import SyncdError
from syncd.sandbox.judgement import PATH
from syncd.settings import presets, urls, values
from syncd.settings.presets import NAME, PARAMS, URL
from syncd.settings.setting_sources import FoundSettings
from syncd.setup import env_file, trial
from syncd.setup.database_login import Administrator, ReadLogin, left_login
from syncd.setup.platforms import LOGINS

ENV_FILE = Path("/etc/syncd/syncd.env")
SYSTEMD = Path("/run/systemd/system")
"""It is there if systemd runs this machine."""
SANDBOX = f"http://127.0.0.1:9470{PATH}"
REHEARSAL = "sqlite:///rehearsal.db"
"""A state of its own: what the sandbox received must not count as told to buyers."""
IMSHOP_URL, IMSHOP_KEY, STATE_URL = "SYNCD_IMSHOP__URL", "SYNCD_IMSHOP__API_KEY", "SYNCD_STATE__URL"
TEMPLATE, BIND = "SYNCD_SOURCE__TRACKING_TEMPLATE", "SYNCD_HTTP__BIND"
SECOND_PORTS = range(9471, 9999)
"""Of daemons for further shops; 9469 is the first one's, 9470 the sandbox's."""
FILE = click.Path(path_type=Path)


def _built_in(_ctx: click.Context, _param: click.Parameter, name: str | None) -> str | None:
    try:
        return presets.built_in_name(name) if name else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("place", required=False, metavar="[PATH|URL]")
@click.option("--preset", metavar="NAME", callback=_built_in, help="The platform, if several fit or none is found.")
@click.option("--param", metavar="NAME=VALUE", multiple=True, help="A parameter of the preset; may be repeated.")
@click.option("--database-url", metavar="URL", help="Instead of what the shop's configuration says.")
@click.option("--database-password-file", type=FILE, help="Holds the password for that URL, or for the argument.")
@click.option("--query-file", type=FILE, help="A SELECT of your own, for a shop that no preset knows.")
@click.option("--timezone", metavar="ZONE", help="Of the times that this SELECT gives.")
@click.option("--api-user", metavar="USER", help="The user of the API, where it has one.")
@click.option("--api-key-file", type=FILE, help="Holds the key, token or password of the API.")
@click.option("--shop-login", is_flag=True, help="Read with the login that the shop itself, or the URL, has.")
@click.option("--reader-user", metavar="USER", help="A login that only reads and is there already.")
@click.option("--reader-password-file", type=FILE, help="Holds its password.")
@click.option(
    "--admin-user", metavar="USER", default="root", show_default=True, help="Creates a login that only reads."
)
@click.option("--admin-password-file", type=FILE, help="Holds its password, which is not kept.")
@click.option("--imshop-url", metavar="URL", help="The whole URL, as IMSHOP's manager gave it.")
@click.option("--imshop-key-file", type=FILE, help="Holds IMSHOP's key.")
@click.option("--sandbox", is_flag=True, help="A rehearsal: `syncd sandbox` instead of IMSHOP, and a state of its own.")
@click.option("--tracking-template", metavar="URL", help="The carrier's page, with {tracking_number} in it.")
@click.option("--statuses", type=FILE, help="Write the shop's statuses to this file; one that is there stays.")
@click.option("--enable/--no-enable", default=None, help="Whether systemd starts the service now and at each boot.")
@click.option("--output", type=FILE, help=f"The file to write. Default: --env-file, else {ENV_FILE}.")
@click.option("--yes", is_flag=True, help="Ask nothing: take the defaults, and fail where there is none.")
@click.option("--dry-run", is_flag=True, help="Show everything, change nothing.")
@click.option("--force", is_flag=True, help="Write the file though something is at fault.")
@click.option("--undo", is_flag=True, help="Put the file back that the last run replaced.")
@json_option
@click.pass_context
def init(ctx: click.Context, /, *, output: Path | None, undo: bool, **options: Any) -> None:
    """Set up a new installation: from the shop's folder to a running service.

    Looks for the shop in PATH, or where web servers keep sites; or in the database or API at URL. Reads the shop's
    configuration without running it, asks what it cannot know, shows what it would write and push, and after your yes
    creates a login that only reads and writes the settings. Run it again to change single answers: hand-made lines
    stay. Exit status 1: something failed or is at fault, and nothing was changed.
    """
    target = output or ctx.find_root().obj or ENV_FILE
    chosen = Options(**options)
    say = Phrases(language_of(os.environ))
    ask = Questions(say, asks=not undo and _asks(chosen), quiet=chosen.json)
    ctx.exit(_undo(target, ask) if undo else _Setup(chosen, ask, target).run())


def _asks(options: Options) -> bool:
    """Whether there is somebody to ask. UsageError: there is not, and it was not said that there is nothing to ask."""
    if options.yes:
        return False
    if options.json and not options.dry_run:
        raise click.UsageError("--json asks nothing, so it needs --yes or --dry-run")
    if options.json or sys.stdin.isatty():
        return not options.json
    if options.dry_run:
        return False
    raise click.UsageError(
        "there is no terminal to ask on. Give --yes with PATH or URL, --imshop-url and --imshop-key-file (or "
        "--sandbox), and one of --admin-user with --admin-password-file, --reader-user with --reader-password-file, "
        "--shop-login"
    )


class _Setup:
    def __init__(self, options: Options, ask: Questions, output: Path) -> None:
        self._options = options
        self._ask = ask
        self._say = ask.say
        self._output = output
        if not options.dry_run:
            env_file.check_place(output)
        self._before = env_file.read(output) or ""
        self._existing: FoundSettings = env_file.settings_in(output)

    def run(self) -> int:
        """The exit status. SyncdError, UsageError, Abort: nothing was changed."""
        with ExitStack() as stack:
            source = SourceFinder(self._options, self._ask, self._existing, stack).find()
            plan = choose_login(self._options, self._ask, self._existing, source)
            imshop = self._imshop()
            changes = {**self._of_another_platform(source), **source.variables(), **imshop, **self._tracking(source)}
            changes |= self._address()
        statuses = StatusesOffer(self._ask, self._options.statuses, self._existing, self._output)
        content = env_file.changed(self._before, self._only_new({**changes, **statuses.before()}))
        is_rehearsal = env_file.variables_in(content).get(IMSHOP_URL) == SANDBOX
        login = plan.login if plan else None
        contents = (content, _with_login(content, source, login) if login else content)
        preview = show_preview(self._ask, contents, self._output, source, login, is_rehearsal=is_rehearsal)
        statuses.choose(preview.statuses)
        report: dict[str, object] = {
            "written": False,
            "output": str(self._output),
            "preset": source.preset,
            "folder": str(source.folder) if source.folder else None,
            "statuses_file": str(statuses.path) if statuses.path else None,
            **preview.as_json(),
        }
        status = int(preview.has_fault)
        if self._options.dry_run:
            self._ask.echo("\n" + self._say("A dry run: nothing was changed."))
        elif self._is_confirmed(has_fault=preview.has_fault):
            report |= self._apply(content, source, plan, statuses)
            report |= self._afterwards(is_rehearsal=is_rehearsal, is_new=bool(report["written"]))
            status = 0
        else:
            status = 1
        if self._options.json:
            print_json(report)
        return status

    def _imshop(self) -> dict[str, str | None]:
        options, say = self._options, self._say
        kept = self._existing[IMSHOP_URL].text if IMSHOP_URL in self._existing else None
        if options.sandbox:
            return {IMSHOP_URL: SANDBOX, IMSHOP_KEY: None, STATE_URL: REHEARSAL}
        if kept not in (None, SANDBOX) and not options.imshop_url and not options.imshop_key_file:
            return {}
        given = options.imshop_url or (None if kept == SANDBOX else kept)
        question, option = say("IMSHOP's URL, from IMSHOP's manager (it is not shown)"), "--imshop-url or --sandbox"
        url = self._ask.text(question, option, given=given, secret=True, check=urls.imshop_url)
        question = say("IMSHOP's key (it is not shown; empty: none)")
        file, check = options.imshop_key_file, _empty_or(urls.api_key)
        key = self._ask.secret(question, "--imshop-key-file", file, default="", check=check)
        was_rehearsal = STATE_URL in self._existing and self._existing[STATE_URL].text == REHEARSAL
        return {IMSHOP_URL: url, IMSHOP_KEY: key or None, **({STATE_URL: None} if was_rehearsal else {})}

    def _tracking(self, source: ShopSource) -> dict[str, str | None]:
        """The page of a parcel, where the preset knows only its number."""
        given = self._options.tracking_template
        if given is None and (source.preset is None or TEMPLATE in self._existing or not _knows_number(source.preset)):
            return {}
        question = self._say(
            "The carrier's page of a parcel, with {place} in it (empty: none)", place="{tracking_number}"
        )
        check = _empty_or(values.tracking_template)
        template = self._ask.text(question, "--tracking-template", given=given, default="", check=check)
        return {TEMPLATE: template or None}

    def _of_another_platform(self, source: ShopSource) -> dict[str, str | None]:
        """What `init` wrote for another platform goes."""
        before = preset_before(self._existing)
        logins = {login[0] for login in LOGINS.values() if login}
        own = {NAME, QUERY_FILE, TIMEZONE, *logins, *(one for one in self._existing if one.startswith(PARAMS))}
        return {} if before in (None, source.preset) else dict.fromkeys(own & self._existing.keys())

    def _address(self) -> dict[str, str | None]:
        """A port of its own for a second shop's daemon."""
        service = _service(self._output)
        if service in (None, "syncd") or BIND in self._existing:
            return {}
        others = [env_file.settings_in(one) for one in self._output.parent.glob("*.env")]
        taken = {one[BIND].text for one in others if BIND in one}
        return {BIND: next(one for port in SECOND_PORTS if (one := f"127.0.0.1:{port}") not in taken)}

    def _only_new(self, changes: dict[str, str | None]) -> dict[str, str | None]:
        """Those that differ from what the file says: its other lines stay as they are written."""
        found = self._existing
        return {name: value for name, value in changes.items() if name not in found or found[name].text != value}

    def _is_confirmed(self, *, has_fault: bool) -> bool:
        self._ask.echo("")
        if has_fault and not self._options.force:
            self._ask.echo(self._say("There is a fault above. Correct it first; --force writes the file all the same."))
            return self._ask.asks and self._ask.confirm(self._say("Write it all the same?"), default=False)
        return self._ask.confirm(self._say("Write {file}?", file=self._output))

    def _apply(
        self, content: str, source: ShopSource, plan: LoginPlan | None, statuses: StatusesOffer
    ) -> dict[str, object]:
        """The login and the files, all or none. A signal waits until that is done, or undone."""
        with stopped_by_signals() as stopped, ExitStack() as closing:
            admin = closing.enter_context(Administrator.connected(plan.admin_urls)) if plan else None
            undo = closing.enter_context(ExitStack())
            created = None
            if plan and admin:
                login = admin.create(plan.login)
                created = login.grantee
                undo.callback(admin.remove, login)
                content = _with_login(content, source, login)
                trial.read_one(env_file.variables_in(content))
            if stopped.is_set():
                raise click.Abort
            if listed := statuses.write():
                undo.callback(listed.unlink)
            content = statuses.named_in(content)
            is_new = content != self._before
            kept = env_file.put_in_place(self._output, content) if is_new else None
            undo.pop_all()
        if created:
            self._ask.echo(self._say("Created the login {name}", name=created))
        for file in (listed, self._output if is_new else None):
            if file:
                self._ask.echo(self._say("Written: {file}", file=file))
        if not is_new:
            self._ask.echo(self._say("{file} is as it should be already", file=self._output))
        if kept:
            self._ask.echo(self._say("The old file is {kept}; `syncd init --undo` puts it back", kept=kept))
        return {"written": is_new, "kept": str(kept) if kept else None, "created_login": created}

    def _afterwards(self, *, is_rehearsal: bool, is_new: bool) -> dict[str, object]:
        """Starts the service if that is wanted, and names the next two commands."""
        service = _service(self._output)
        has_service = service is not None and SYSTEMD.is_dir()
        command = f"sudo {service}" if has_service else f"syncd --env-file {self._output.absolute()}"
        is_enabled = has_service and not is_rehearsal and self._enable(str(service), is_new=is_new)
        if is_rehearsal:
            steps = ["/opt/syncd/bin/syncd sandbox" if has_service else "syncd sandbox", f"{command} once"]
        elif is_enabled:
            steps = [f"{command} check", f"{command} status"]
        else:
            steps = [f"{command} check", f"{command} once"]
        self._ask.heading(self._say("Next, in two terminals:") if is_rehearsal else self._say("Next:"))
        self._ask.echo("\n".join(f"  {step}" for step in steps))
        return {"next": steps, "enabled": is_enabled}

    def _enable(self, service: str, *, is_new: bool) -> bool:
        """`is_new`: the settings are, so that a daemon that runs must begin anew."""
        question = self._say("Start {service} now and at each boot? Its first run tells nobody", service=service)
        if not self._ask.confirm(question, given=self._options.enable):
            return False
        for verb in ("enable", "restart" if is_new else "start"):
            command = ["systemctl", verb, service]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            if ran.returncode != 0:
                why = " ".join(ran.stderr.split())
                raise SyncdError(f"{self._output} is written, but {' '.join(command)} failed: {why}")
        return True


def _with_login(content: str, source: ShopSource, login: ReadLogin) -> str:
    return env_file.changed(content, {URL: login_url(source.url, login)})


def _knows_number(name: str) -> bool:
    """Whether the preset gives a parcel's number and no address."""
    texts = preset_named(name)[0].texts(cancels=False)
    query = texts.get("SYNCD_SOURCE__QUERY", "")
    has_number = "AS tracking_number" in query or "SYNCD_SOURCE__FIELDS__tracking_number" in texts
    has_address = "AS tracking_url" in query or "SYNCD_SOURCE__FIELDS__tracking_url" in texts or TEMPLATE in texts
    return has_number and not has_address


def _empty_or(check: Callable[[str], object]) -> Callable[[str], object]:
    return lambda text: check(text) if text else None


def _service(output: Path) -> str | None:
    """The unit that reads this file; None: no unit does."""
    if output.absolute().parent != ENV_FILE.parent or output.suffix != ".env":
        return None
    return "syncd" if output.name == ENV_FILE.name else f"syncd@{output.stem}"


def _undo(output: Path, ask: Questions) -> int:
    kept = env_file.kept_copy(output.resolve())
    content = env_file.read(kept)
    if content is None:
        raise SyncdError(f"there is nothing to undo: {kept} is not there")
    replaced = env_file.settings_in(output)
    env_file.put_in_place(output, content)
    ask.echo(ask.say("{file} is as it was before; what it was is now {kept}", file=output, kept=kept))
    used = env_file.settings_in(output)
    url = replaced[URL].text if URL in replaced else ""
    login = left_login(url) if url and not urls.is_http(url) and (URL not in used or used[URL].text != url) else None
    statements = login.removal() if login else []
    if login:
        ask.echo(ask.say("If syncd init created the login {name}, drop it:", name=login.grantee))
        ask.echo("\n".join(f"  {one};" for one in statements))
    if (service := _service(output)) and SYSTEMD.is_dir():
        ask.heading(ask.say("Next:"))
        ask.echo(f"  sudo systemctl restart {service}")
    if ask.quiet:
        print_json({"written": True, "output": str(output), "kept": str(kept), "drop": statements})
    return 0
