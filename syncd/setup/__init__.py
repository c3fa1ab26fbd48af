"""`syncd init`: from the shop's folder, or its database, to the settings of a running service."""
