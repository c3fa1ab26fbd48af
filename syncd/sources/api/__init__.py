"""Orders from a shop's JSON API, by a URL and a map of fields."""

from syncd.sources.api.api_source import ApiConfig, ApiSource
from syncd.sources.api.status_names import StatusList

__all__ = ["ApiConfig", "ApiSource", "StatusList"]
