"""`presets`: what is known of the platforms that shops run on."""

from __future__ import annotations

import click

from syncd.cli.output import json_option, print_json, print_table
from syncd.settings import presets as known


@click.command()
@click.argument("name", required=False)
@json_option
def presets(name: str | None, *, json: bool) -> None:
    """List the presets; or print the named one, ready to copy and adapt.

    SYNCD_SOURCE__PRESET names one, or the path of a file like it. It fills the SYNCD_SOURCE__ settings that are unset.
    """
    if name is not None:
        try:
            text = known.written(name)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        print_json({"name": name, "preset": text}) if json else click.echo(text, nl=False)
        return
    listed = known.presets()
    if json:
        print_json([{"name": preset.name, "title": preset.title} for preset in listed])
    else:
        print_table(["preset", "for"], [(preset.name, preset.title) for preset in listed])
