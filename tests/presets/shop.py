"""A platform's shop in a real MariaDB, polled through its preset by the real Poller into a real state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text

from syncd.pipeline.poll import Poller
from syncd.pipeline.statuses_file import StatusesFile
from syncd.runtime import composition, pipeline_parts
from syncd.settings import Loaded, Settings, load, presets
from syncd.sources.database import DatabaseSource
from syncd.state import State
from tests.presets.platforms import Platform
from tests.servers import engine_of
from tests.states import begin_state

TRACK = "https://track.example/?order_id="


@dataclass
class PlatformShop:
    platform: Platform
    url: str
    home: Path
    steps: int = 0
    open: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = engine_of(self.url)

    def open_anew(self) -> None:
        """Empty tables, and in them the platform's dictionary and an order that was there before."""
        with self.engine.begin() as connection:
            names = [row[0] for row in connection.execute(text("SHOW TABLES"))]
            for statement in [f"DELETE FROM `{name}`" for name in names] or self.platform.tables:
                connection.execute(text(statement))
        self.do(self.platform.dictionary, 1)
        self.do(self.platform.place, 1)

    def do(self, statements: str | Sequence[str], *orders: int) -> None:
        """What the platform does to these orders; each time a second later."""
        self.steps += 1
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=self.steps - 120)
        wall = at.astimezone(ZoneInfo(self.platform.zone)).strftime("%Y-%m-%d %H:%M:%S")
        with self.engine.begin() as connection:
            connection.execute(text("SET time_zone = '+00:00'"))
            for statement in [statements] if isinstance(statements, str) else statements:
                for order in orders:
                    connection.execute(text(statement), {"id": order, "at": wall, "epoch": int(at.timestamp())})

    def settings(self, **source: str) -> Settings:
        return self.loaded(**source).settings

    @property
    def index(self) -> str | None:
        """What the preset knows to make the index that polls want."""
        return presets.index_statement(self.loaded().found)

    def loaded(self, **source: str) -> Loaded:
        variables = {
            "SYNCD_IMSHOP__URL": "http://127.0.0.1:9/statuses/sync/some-token",
            "SYNCD_STATE__URL": f"sqlite:///{self.home}/state.db",
            "SYNCD_SOURCE__URL": self.url,
            "SYNCD_SOURCE__PRESET": self.platform.preset,
            "SYNCD_SOURCE__TRACKING_TEMPLATE": f"{TRACK}{{tracking_number}}",
            **{f"SYNCD_SOURCE__{name}": value for name, value in {**self.platform.own, **source}.items()},
        }
        return load(variables, usual_env_files=())

    def source(self, **source: str) -> DatabaseSource:
        shop = composition.source(self.settings(**source))
        assert isinstance(shop, DatabaseSource)
        self.open.append(shop)
        return shop

    def polled(self, **source: str) -> tuple[Poller, State]:
        """A poller whose baseline is taken, and its state."""
        settings = self.settings(**source)
        begin_state(self.home / "state.db")
        state = composition.state(settings, create=True)
        self.open.append(state)
        poller = pipeline_parts.poller(settings, self.source(**source), state, StatusesFile(None), lambda _rows: None)
        assert poller.poll(datetime.now(UTC)).baseline
        return poller, state

    def close(self) -> None:
        for part in self.open:
            part.close()
