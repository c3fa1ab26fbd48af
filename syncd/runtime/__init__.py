"""What runs: the daemon, its jobs and schedule, the composition of all parts, and what it tells of itself."""
