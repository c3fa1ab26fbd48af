"""The commands that show settings: `syncd config`, those in force; `syncd presets`, those of a shop platform."""

from __future__ import annotations

import click

from syncd.cli.context import loaded
from syncd.cli.output import json_option, print_json
from syncd.cli.tables import print_table
from syncd.settings import masked
from syncd.settings import presets as preset_files


@click.command()
@json_option
@click.pass_context
def config(ctx: click.Context, *, json: bool) -> None:
    """Show the settings in force and where each came from, secrets masked."""
    shown = masked(loaded(ctx))
    if json:
        print_json({setting.variable: {"value": setting.value, "from": setting.origin} for setting in shown})
    else:
        rows = [(setting.variable, " ".join(setting.value.split()), setting.origin) for setting in shown]
        print_table(["setting", "value", "from"], rows)


@click.command()
@click.argument("name", required=False)
@json_option
def presets(name: str | None, *, json: bool) -> None:
    """List the presets; or print the named one, ready to copy and adapt.

    SYNCD_SOURCE__PRESET names one, or the path of a file like it. It fills the SYNCD_SOURCE__ settings that are unset.
    """
    if name is not None:
        try:
            text = preset_files.preset_text(name)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        print_json({"name": name, "preset": text}) if json else click.echo(text, nl=False)
        return
    listed = preset_files.list_presets()
    if json:
        print_json([{"name": preset.name, "title": preset.title} for preset in listed])
    else:
        print_table(["preset", "for"], [(preset.name, preset.title) for preset in listed])
