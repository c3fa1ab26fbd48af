"""The settings by the names of their variables: `SYNCD_IMSHOP__URL` is the field `url` of `Settings.imshop`.

A group is what a prefix names, SYNCD_IMSHOP; as a variable it may hold its settings as one JSON object. An open group
is one whose names are the user's own, such as SYNCD_SOURCE__HEADERS__X_TOKEN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_origin

from pydantic import BaseModel

from syncd.settings.settings import Settings
from syncd.settings.values import EmptyMeansOff, Members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic.fields import FieldInfo

PREFIX = "SYNCD_"
DELIMITER = "__"


@dataclass(frozen=True, slots=True)
class Variable:
    """A setting: its path in `Settings`, and how it is declared there."""

    path: tuple[str, ...]
    field: FieldInfo

    @property
    def may_be_empty(self) -> bool:
        return any(isinstance(mark, EmptyMeansOff) for mark in self.field.metadata)

    @property
    def is_open_group(self) -> bool:
        return get_origin(self.field.annotation) is Mapping

    @property
    def members(self) -> Members | None:
        """How the names of an open group are written and shown, where that is not as they are."""
        return next((mark for mark in self.field.metadata if isinstance(mark, Members)), None)

    def value(self, settings: BaseModel) -> object:
        found: object = settings
        for step in self.path:
            found = getattr(found, step)
        return found


def variable_name(path: Sequence[str | int]) -> str:
    return PREFIX + DELIMITER.join(str(step) for step in path).upper()


def _variables(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Variable]]:
    for name, field in model.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            yield from _variables(group, (*path, name))
        else:  # a field that Python's grammar forbids to have its setting's name, `from`, has it as its alias
            yield variable_name((*path, field.alias or name)), Variable((*path, name), field)


VARIABLES = dict(_variables(Settings))
OPEN_GROUPS = [name for name, variable in VARIABLES.items() if variable.is_open_group]
GROUPS = {
    *OPEN_GROUPS,
    *(
        variable_name(variable.path[:depth])
        for variable in VARIABLES.values()
        for depth in range(1, len(variable.path))
    ),
}


def group_of(name: str) -> str | None:
    """The open group that a variable of this name is in, if it is in one."""
    return next((group for group in OPEN_GROUPS if len(name) > len(group) + 2 and name.startswith(f"{group}__")), None)


def variable_of(name: str) -> Variable | None:
    """The setting of this name, or the open group that it is in; None: there is none."""
    return VARIABLES.get(group_of(name) or name)


def members_of(group: str, names: Iterable[str]) -> list[str]:
    """Those of the variables that are in this open group."""
    return [name for name in names if group_of(name) == group]
