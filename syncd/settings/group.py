"""What the groups of settings share.

A value's description states its unit and bounds for people; `config.example.env` repeats it, which a test holds.
Field validators see only the fields above their own, so a field stands below those that it depends on. Unlike model
validators they also run where another field of the group is at fault: every fault is told at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Group(BaseModel):
    """Settings under one prefix. Immutable; a name that is no field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Masked:
    """Marks a secret that may be shown in part: how."""

    mask: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Members:
    """Marks a group whose names are a person's own. `named`: the name that one written in a variable stands for; in
    JSON it is written as it is. `mask`: how the text of a name may be shown."""

    named: Callable[[str], str]
    mask: Callable[[str, str], str]


class EmptyMeansOff:
    """Marks a setting that may be set to nothing. For all others an empty value is as good as none."""


Lower = BeforeValidator(str.lower)
