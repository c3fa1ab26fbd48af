"""Orders from a shop's database, by the merchant's own SELECT."""
