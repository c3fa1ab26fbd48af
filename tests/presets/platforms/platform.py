"""The platforms' own tables, as far as a preset reads them: real names and types; and what the platforms do to them.

`:id` is an order, `:at` the wall clock of the platform's zone, `:epoch` unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MOSCOW = "Europe/Moscow"
UUID = "0c7f9a52-6e1b-4d38-9a0f-5b7d1c2e3f40"


@dataclass(frozen=True)
class Platform:
    """How an order lives there. `codes` are the statuses after each step; `paid_with` the payment id, `user` the buyer.

    `own`: what its merchant sets besides. `drafts`: what must never show. `rename` changes the name of the status that
    an order is placed with."""

    preset: str
    tables: Sequence[str]
    dictionary: Sequence[str]
    place: Sequence[str]
    pay: Sequence[str]
    ship: Sequence[str]
    finish: Sequence[str]
    cancel: Sequence[str]
    drafts: Sequence[str]
    codes: Sequence[str]
    cancelled: str
    names: Mapping[str, str]
    user: str
    rename: str | None = None
    zone: str = "UTC"
    paid_with: str | None = None
    tracking: bool = True
    uuid: bool = False
    by_index: bool = True
    version: str = ""
    own: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.preset + self.version


def tables(*tables: str, engine: str = "InnoDB") -> list[str]:
    return [f"CREATE TABLE {table} ENGINE={engine} DEFAULT CHARSET=utf8mb4" for table in tables]
