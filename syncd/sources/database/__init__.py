"""Orders from a shop's database, by the merchant's own SELECT."""

from syncd.sources.database.database_source import DatabaseSource

__all__ = ["DatabaseSource"]
