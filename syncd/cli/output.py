"""What the commands share: options, counts in words, one JSON document. `tables` prints for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import click

from syncd.settings.values import duration
from syncd.text import json_text

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", is_flag=True, help="Print one JSON document and nothing else.")


def seconds_option(name: str, **options: Any) -> Callable[[Command], Command]:
    """A duration as the settings write it; the command gets seconds."""
    return click.option(name, metavar="DURATION", callback=_seconds, show_default=True, **options)


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else duration(value).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def counted(number: int, noun: str) -> str:
    """`1 order`, `2 orders`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_json(document: object) -> None:
    click.echo(json_text(document, indent=2))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON has them; moments in ISO 8601, UTC."""
    return {name: _plain_value(value) for name, value in values.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, list | tuple):
        return [_plain_value(one) for one in value]
    return value
