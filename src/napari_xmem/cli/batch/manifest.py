"""A table of movies for a batch: a row per movie, with its seeds and options of its own."""

from __future__ import annotations

import argparse
import csv
import os
import shlex
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from napari_xmem.cli.movie_options import add_reading, add_time
from napari_xmem.cli.options import add_model_options
from napari_xmem.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ManifestRow", "is_manifest", "read_manifest"]

_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}
#: What is the machine's affair, not the movie's.
_NOT_PER_MOVIE = ("--help", "--device", "--threads")


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One movie.

    Attributes
    ----------
    movie, seeds : str
        Files as for ``propagate``; paths that are not absolute begin at the manifest's folder. No seeds: "".
    name : str
        What the names of its outputs begin with; "": the movie's name.
    options : dict
        Options that the row sets, by their names in a namespace.
    """

    movie: str
    seeds: str = ""
    name: str = ""
    options: dict[str, Any] = field(default_factory=dict)


def is_manifest(path: str) -> bool:
    """Return True if a batch is told of its movies by this file."""
    return path.lower().endswith(".csv")


def read_manifest(path: str) -> list[ManifestRow]:
    """Read a manifest: CSV with a heading; column ``movie``, and if wanted ``seeds``, ``name`` and options.

    Columns of options are named as in the shell, with or without dashes (``--seed-frame``, ``seed_frame``); a cell that
    is empty leaves an option as the batch has it, and options without a value take true or false.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    list of ManifestRow
        In the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read, has no column ``movie`` or unknown ones, or a cell does not fit; the message names
        the line.
    """
    file = Path(path)
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = csv.reader(text)
            rows = [(lines.line_num, cells) for cells in lines if any(cell.strip() for cell in cells)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{file} cannot be read as a manifest ({error}); expected CSV with a column 'movie'."
        ) from error
    if not rows:
        raise InputError(f"{file} is empty; expected CSV with a column 'movie'.")
    parser = _row_parser()
    columns = [_column(cell, parser, file) for cell in rows[0][1]]
    if "movie" not in columns or len(set(columns)) < len(columns):
        raise InputError(f"{file}: its columns are {', '.join(columns)}; expected 'movie' among them, and each once.")
    return [_row(columns, cells, parser, file, line) for line, cells in rows[1:]]


def _column(cell: str, parser: _RowParser, file: Path) -> str:
    """Return movie, seeds, name or an option as it is called in a shell."""
    text = cell.strip().lower()
    if text in ("movie", "seeds", "name"):
        return text
    option = f"--{text.lstrip('-').replace('_', '-').replace(' ', '-')}"
    known = [name for name in parser.flags if name not in _NOT_PER_MOVIE]
    if option not in known:
        near = get_close_matches(option, known, n=1)
        guess = f"did you mean {near[0].removeprefix('--')}?" if near else "none is called that"
        raise InputError(f"{file}: column {cell.strip()!r} is no option of a movie; {guess}")
    return option


def _row(columns: Sequence[str], cells: Sequence[str], parser: _RowParser, file: Path, line: int) -> ManifestRow:
    where = f"{file}, line {line}"
    if len(cells) > len(columns):
        raise InputError(f"{where}: {len(cells)} cells, but there are {len(columns)} columns.")
    found = {column: cell.strip() for column, cell in zip(columns, cells, strict=False) if cell.strip()}
    movie, seeds, name = (found.pop(key, "") for key in ("movie", "seeds", "name"))
    if not movie:
        raise InputError(f"{where} names no movie.")
    if name != os.path.basename(name) or name.startswith("."):
        raise InputError(f"{where}: name {name!r} is no name for results; expected one without folders.")
    try:
        words = [word for option, text in found.items() for word in _words(option, text, parser.flags[option])]
        options = vars(parser.parse_args(words))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return ManifestRow(_placed(movie, file.parent), _placed(seeds, file.parent), name, options)


def _placed(path: str, folder: Path) -> str:
    return path if not path or "://" in path else str(folder / os.path.expanduser(path))


def _words(option: str, text: str, action: argparse.Action) -> list[str]:
    """Return a cell as arguments of the shell."""
    if action.nargs == 0:
        if text.lower() not in _TRUE | _FALSE:
            raise InputError(f"{option.removeprefix('--')} is {text!r}, expected true or false.")
        return [option] if text.lower() in _TRUE else []
    if action.nargs == "+":
        return [f"{option}={word}" for word in shlex.split(text)]
    return [f"{option}={text}"]


class _RowParser(argparse.ArgumentParser):
    """Reads the options of a row; only those that are given are in its namespace."""

    @property
    def flags(self) -> dict[str, argparse.Action]:
        """The options by their long names."""
        return {text: action for action in self._actions for text in action.option_strings if text.startswith("--")}

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with a cell."""
        raise InputError(message)


def _row_parser() -> _RowParser:
    parser = _RowParser(add_help=False, allow_abbrev=False)
    add_reading(parser)
    add_time(parser)
    add_model_options(parser)
    for action in parser._actions:
        action.default = argparse.SUPPRESS
    return parser
