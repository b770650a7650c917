"""Options of the shell that have no setting in Python: what is said, and where to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem.cli.terminal.json_file import add_json

if TYPE_CHECKING:
    import argparse

__all__ = ["add_talk"]


def add_talk(parser: argparse.ArgumentParser, json_what: str | None = None) -> None:
    """Add --quiet and --log, and --json where there is something to write, in a group of their own."""
    group = parser.add_argument_group("what is said")
    group.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    group.add_argument("--log", type=Path, metavar="FILE", help="also write all that is said to a file, with the time")
    if json_what is not None:
        add_json(group, json_what)
