"""`syncd` itself: the index of its commands, each imported only when it is called, and the exit codes.

0 done; 1 something failed or is still undelivered; 2 bad usage or configuration, one clear line a fault.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, clear_overloads

import click

from syncd import __version__
from syncd.deadline import no_thread
from syncd.errors import SettingsError, SyncdError
from syncd.text import printable


class Entry(NamedTuple):
    """In which module of this package a command is, and its line in `syncd --help`, which imports none of them."""

    module: str
    line: str


COMMANDS = {
    "init": Entry("init_command", "Set up a new installation: find the shop, write the settings, start the service."),
    "run": Entry("run_command", "Run the daemon: poll, push, serve metrics, until SIGTERM."),
    "once": Entry("once_commands", "Poll once, deliver what is due, and end."),
    "reconcile": Entry("once_commands", "Compare every order once, deliver what is due, and end."),
    "check": Entry("check_command", "Try everything without changing or pushing anything, and say what to fix."),
    "status": Entry("report_commands", "Say how polling and delivery are doing."),
    "explain": Entry("explain_command", "Tell one order's story: what was seen and pushed, what IMSHOP answered."),
    "changes": Entry("report_commands", "List changes and what became of them."),
    "retry": Entry("operator_commands", "Push dead or refused changes again."),
    "discard": Entry("operator_commands", "Give up changes that wait: they are never pushed."),
    "release": Entry("operator_commands", "Release the changes that the guard holds."),
    "resync": Entry("operator_commands", "Push the present status of the named orders again."),
    "cancellations": Entry("cancellations_command", "List what buyers cancelled in the app; apply failed ones again."),
    "config": Entry("settings_commands", "Show the settings in force and where each came from, secrets masked."),
    "statuses": Entry("statuses_command", "List every status code that the shop has: the list that IMSHOP asks for."),
    "notify": Entry("notify_command", "Send a test notice to those who are told of troubles."),
    "presets": Entry("settings_commands", "List the shop platforms that syncd knows, or print one's preset."),
    "sandbox": Entry("sandbox_command", "Run a local stand-in for IMSHOP that prints what it gets."),
    "demo": Entry("demo_command", "Show it all at work: a small shop, the sandbox and the daemon."),
}


OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""A page of 1,000 orders makes as many. Python's default is 700, and then a tenth of a poll's CPU goes into looking for
garbage among orders that are still in use."""


def collect_seldom() -> None:
    """From now on Python looks less often for objects that refer to each other, and never among those that are there
    already: the modules. All others it frees at once."""
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 10, 10)


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        gc.disable()  # a quarter of the start-up time went into collecting garbage, and modules leave none
        command: click.Command = getattr(import_module(f"syncd.cli.{entry.module}"), cmd_name)
        clear_overloads()  # 0.4 MB that Python keeps for type checkers at run time; there is none here
        gc.enable()
        collect_seldom()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.line) for name, entry in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    help="Settings as NAME=value lines. Default: $SYNCD_ENV_FILE, else ./.env, else /etc/syncd/syncd.env.",
)
@click.version_option(__version__)
@click.pass_context
def syncd(ctx: click.Context, env_file: Path | None) -> None:
    """Brings an order's status from the shop's database to the buyer's IMSHOP app.

    Settings are environment variables that begin with SYNCD_; config.example.env explains each. A new installation
    starts with `syncd init`; to see it all at work on nothing but this package, run `syncd demo`.
    """
    ctx.obj = env_file


def main() -> None:
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal that knows no Cyrillic
    try:
        sys.exit(syncd(standalone_mode=False, prog_name="syncd"))  # what a command gave to ctx.exit, or None
    except SettingsError as error:
        _fail("\n".join(error.faults), 2)
    except SyncdError as error:
        _fail(str(error), 1)
    except click.UsageError as error:
        _print_misuse(error)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped", 1)
    except RuntimeError as error:
        if "can't start new thread" not in str(error):
            raise
        _fail(no_thread(), 1)
    except BrokenPipeError:  # `syncd changes | head`
        sys.stderr.close()
        sys.exit(1)


def _print_misuse(error: click.UsageError) -> None:
    """One line. Without any command, click's message is the whole help: that is shown as it is."""
    text = error.format_message()
    if "\n" in text:
        error.show()
        sys.exit(error.exit_code)
    where = f"; see: {error.ctx.command_path} --help" if error.ctx else ""
    _fail(f"{text.rstrip('.?')}{where}", error.exit_code)


def _fail(text: str, code: int) -> None:
    for line in text.splitlines():
        click.echo(f"syncd: {printable(line)}", err=True)
    sys.exit(code)
