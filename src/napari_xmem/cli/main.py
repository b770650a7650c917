"""Parse the command line, run one subcommand, turn errors into one clear line."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from typing import TYPE_CHECKING, NoReturn

import napari_xmem
from napari_xmem.cli import batch, benchmark, demo, evaluate, models, propagate, train
from napari_xmem.cli.messages import cleaning_up_when_terminated, collected_warnings, say_error
from napari_xmem.errors import XMemError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build_parser", "main"]

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
_HANDED_OVER = {"train": train, "benchmark": benchmark}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where help is."""

    def error(self, message: str) -> NoReturn:
        say_error(f"{message} (see {self.prog} --help)")
        raise SystemExit(EXIT_BAD_INPUT)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all subcommands; each stands in a file of its own."""
    parser = _Parser(prog="napari-xmem", description="Propagate labels through time with XMem.")
    parser.add_argument("--version", action="version", version=f"napari-xmem {napari_xmem.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    for command in (propagate, batch, demo, models, evaluate, train, benchmark):
        command.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process where not given.

    Returns
    -------
    int
        0 on success, 2 on bad input (with one line on stderr), 130 when interrupted.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv and argv[0] in _HANDED_OVER:
            # These have parsers of their own, in rooms that are loaded only now.
            args = argparse.Namespace(run=_HANDED_OVER[argv[0]].run, rest=argv[1:])
        else:
            args = build_parser().parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_BAD_INPUT
    try:
        quiet = getattr(args, "quiet", False)
        with cleaning_up_when_terminated(), warnings.catch_warnings(), collected_warnings(quiet=quiet):
            return int(args.run(args))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_BAD_INPUT
    except XMemError as error:
        say_error(str(error))
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        say_error("interrupted.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
