"""Results of a command as JSON, for other programs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.terminal.streams import put
from napari_xmem.errors import OutputError
from napari_xmem.files import atomic_write

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

__all__ = ["TO_STDOUT", "add_json", "as_plain", "check_json", "write_json"]

TO_STDOUT = Path("-")


def add_json(parser: argparse._ArgumentGroup | argparse.ArgumentParser, what: str) -> None:
    """Add --json; `what` is written."""
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help=f"also write {what} as JSON; - writes nothing else to stdout"
    )


def check_json(path: Path | None, others: Iterable[str | Path | None] = ()) -> None:
    """Find out before anything is computed that --json cannot be written.

    Raises
    ------
    OutputError
        If it is a folder, has none, is not writable, or is one of `others`.
    """
    if path is None or path == TO_STDOUT:
        return
    if path.is_dir():
        raise OutputError(f"--json {path} is a folder; name a file, for example {path / 'scores.json'}.")
    if not path.parent.is_dir():
        raise OutputError(f"--json {path}: there is no folder {path.parent}; make it first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OutputError(f"--json {path} is not writable; choose another place.")
    if path.resolve() in {Path(name).resolve() for name in others if name is not None}:
        raise OutputError(f"--json {path} is also an input or output; choose another name.")


def write_json(path: Path | None, facts: Any) -> None:
    """Write JSON whole or not at all; to stdout where `path` is ``-``.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if path is None:
        return
    text = json.dumps(facts, indent=1, default=as_plain) + "\n"
    if path == TO_STDOUT:
        put("stdout", text)
        return
    try:
        if path.exists() and not path.is_file():  # a pipe, or the terminal
            path.write_text(text, encoding="utf-8")
            return
        with atomic_write(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


def as_plain(value: Any) -> Any:
    """Turn numbers of numpy, paths and sets into what JSON knows."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value) if isinstance(value, (set, frozenset)) else list(value)
    return str(value)
