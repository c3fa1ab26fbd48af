"""A shop to be examined, and what the doctor says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from syncd.doctor import Area, Finding, Level, examine
from syncd.doctor.examination import CHECK_SECONDS
from syncd.settings import load
from tests.servers import execute

OLD = "'1', 'new', '2024-05-01 10:00:00'"
"""SQL values of an order."""
QUERY = "SELECT number AS order_id, state AS status, changed AS updated_at FROM orders"


@dataclass
class Installation:
    """Settings for a shop whose parts are all missing until a test makes them."""

    home: Path
    env: dict[str, str] = field(default_factory=dict)
    seconds: float = CHECK_SECONDS

    def __post_init__(self) -> None:
        self.env = {
            "SYNCD_IMSHOP__URL": "http://127.0.0.1:1/v1/clients/acme/statuses/sync/T0KEN-T0KEN-T0KEN",
            "SYNCD_IMSHOP__API_KEY": "K3Y-K3Y",
            "SYNCD_SOURCE__URL": f"sqlite:///{self.home}/shop.db",
            "SYNCD_SOURCE__QUERY": QUERY,
            "SYNCD_STATE__URL": f"sqlite:///{self.home}/state.db",
            "SYNCD_HTTP__BIND": "",
            **self.env,
        }

    def found(self, area: Area, level: Level | None = None, **env: str) -> str:
        """The findings in an area, a line each."""
        return "\n".join(
            f"{finding.level}: {finding.text} {finding.advice or ''}".strip()
            for finding in self.examined(**env)
            if finding.area == area and level in (None, finding.level)
        )

    def examined(self, **env: str) -> list[Finding]:
        return [*examine(load({**self.env, **env}, usual_env_files=()), seconds=self.seconds)]

    def has_orders(self, *rows: str, column: str = "TIMESTAMP", index: bool = True) -> None:
        """A table of orders; `rows` are SQL values for number, state, changed."""
        made = [f"CREATE TABLE orders (number VARCHAR(20) PRIMARY KEY, state VARCHAR(20), changed {column} NULL)"]
        made += ["CREATE INDEX orders_changed ON orders (changed)"] if index else []
        if self.shop.startswith("sqlite"):
            (self.home / "shop.db").touch()
        execute(self.shop, *made, *(f"INSERT INTO orders VALUES ({row})" for row in rows))

    @property
    def shop(self) -> str:
        return self.env["SYNCD_SOURCE__URL"]


def areas(findings: Sequence[Finding]) -> set[Area]:
    return {finding.area for finding in findings}
