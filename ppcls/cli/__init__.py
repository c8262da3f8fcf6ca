"""The commands, one file each."""

from ppcls.cli.entry import main

__all__ = ["main"]
