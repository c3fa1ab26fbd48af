"""Where orders come from. Each source gives `syncd.model.Page`s and knows nothing of what was seen before."""

from typing import TypeAlias

from syncd.sources.api import ApiConfig, ApiSource, StatusList
from syncd.sources.database.database_source import DatabaseSource
from syncd.sources.status_counts import StatusCount

Source: TypeAlias = DatabaseSource | ApiSource

__all__ = ["ApiConfig", "ApiSource", "DatabaseSource", "Source", "StatusCount", "StatusList"]
