"""Command lines that nobody means: each ends with exit code 0, or with 2 and a clear line, never with a fault.

Every option of every command gets every text of `HOSTILE`, the rest is what works. By hand, as many as you like:
``cd tests && python -m fuzz.shell_calls [--every 1] [--seed 0] [WORDS ...]``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import sys
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from engine.simple_movies import disc_movie, tiny_network
from fuzz.by_hand import do_by_hand
from napari_xmem.cli import main as command_line
from napari_xmem.cli.command_line import build_parser
from napari_xmem.model import save_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["command_lines", "make_files", "outcome"]

#: Texts that nobody means, or that mean something else.
HOSTILE = (
    "", " ", "0", "-1", "1.5", "nan", "1e999", "99999999999999999999", "None", "true", "x", "auto", "all", "*", "a,b",
    "0,0", "1,2,3,4,5", "TYX", "QQ", "top_k", "top_k=", "=3", "top_k=x", "eviction=usag", "/", ".", "..", "-", "--",
    "none/there.tif", "/none/x", "movie.tif", "seeds.tif", "labels.tif", "broken.tif", "text.csv", "movie.mp4",
    "ünï 🧬", "--quiet", "a\nb", "x" * 300 + ".tif", "http://example.org/movie.tif", "cuda:99", "bundeld", "4GB",
    "out.geff", "out.csv", "o.zarr",
)  # fmt: skip
_FAULT = re.compile(r"fault of napari-xmem|Traceback|has no attribute|NoneType|not subscriptable")


def make_files(folder: Path) -> dict[str, list[str]]:
    """Write a movie, seeds and a network into a folder; return the commands with arguments that work."""
    frames, labels = disc_movie(n_objects=2, n_frames=3, shape=(48, 64))
    tifffile.imwrite(
        folder / "movie.tif",
        (100 * frames).clip(0).astype(np.uint16),
        photometric="minisblack",
        metadata={"axes": "TYX"},
    )
    tifffile.imwrite(folder / "seeds.tif", labels[0].astype(np.uint16))
    tifffile.imwrite(folder / "movie_seeds.tif", labels[0].astype(np.uint16))
    tifffile.imwrite(folder / "truth.tif", labels.astype(np.uint16), photometric="minisblack", metadata={"axes": "TYX"})
    (folder / "broken.tif").write_bytes((folder / "movie.tif").read_bytes()[:3000])
    (folder / "text.csv").write_text("frame,object\n1,2\n")
    save_model(tiny_network(), folder / "tiny.safetensors")
    run = ["--model", "tiny.safetensors", "--device", "cpu", "--overwrite"]
    return {
        "propagate": ["propagate", "movie.tif", "--seeds", "seeds.tif", "-o", "labels.tif", *run],
        "batch": ["batch", "movie.tif", "-o", "results", *run[:4]],
        "evaluate": ["evaluate", "truth.tif", "truth.tif"],
        "models": ["models", "tiny.safetensors"],
    }


def command_lines(folder: Path) -> Iterator[list[str]]:
    """Return every command line there is, with the files that they name in a folder."""
    parsers = build_parser().commands
    for command, works in make_files(folder).items():
        for place in range(len(works)):
            for text in HOSTILE:
                yield [*works[:place], text, *works[place + 1 :]]
        for action in parsers[command]._actions:
            for text in HOSTILE:
                if action.option_strings and not isinstance(action, argparse._HelpAction):
                    yield [*works, action.option_strings[-1], text]


def outcome(words: list[str]) -> str:
    """Run a command line and return "done", "refused" or what went wrong."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = command_line(list(words))
        except BaseException as error:
            return f"{type(error).__name__}: {error}"
    said = err.getvalue()
    if _FAULT.search(said) or code not in (0, 1, 2):
        return f"exit code {code}: {said[-300:]}"
    if code == 2:
        last = said.strip().splitlines()[-1] if said.strip() else ""
        return "refused" if last and len(said) < 3000 else f"exit code 2 and {len(said)} characters: {said[:200]!r}"
    return "done" if code == 0 or words[0] == "batch" else f"exit code 1: {said[-300:]}"


def main() -> int:
    """Print what went wrong; 1 if anything did."""
    cases = lambda folder: ((str(words), words) for words in command_lines(folder))  # noqa: E731
    return do_by_hand("python -m fuzz.shell_calls", __doc__, cases, outcome, ("done", "refused"))


if __name__ == "__main__":
    sys.exit(main())
