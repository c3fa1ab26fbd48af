"""The command line: the only room that prints, and the one that turns errors into messages and exit codes."""

from syncd.cli.commands import main

__all__ = ["main"]
