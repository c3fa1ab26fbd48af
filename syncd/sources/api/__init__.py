"""Orders from a shop's JSON API, by a URL and a map of fields."""

from syncd.sources.api.source import Api, ApiSource

__all__ = ["Api", "ApiSource"]
