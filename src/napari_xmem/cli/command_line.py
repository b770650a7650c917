"""Parse the command line, run one subcommand, turn errors into one clear line."""

from __future__ import annotations

import argparse
import sys
import warnings
from typing import TYPE_CHECKING, NoReturn

import napari_xmem
from napari_xmem.cli import batch, benchmark, demo, evaluate, models, propagate, train
from napari_xmem.cli.messages import collected_warnings, say_error
from napari_xmem.cli.stopping import cleaning_up_when_terminated
from napari_xmem.cli.streams import flush_all, open_closed_streams, trouble_of
from napari_xmem.errors import XMemError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build_parser", "run_command"]

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


def run_command(argv: Sequence[str] | None = None) -> int:
    """Run the command line, see `napari_xmem.cli.main`."""
    open_closed_streams()
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        say_error("interrupted.")
        return EXIT_INTERRUPTED
    finally:
        flush_all()


def _run(argv: list[str]) -> int:
    try:
        if argv and argv[0] in _HANDED_OVER:
            # These have parsers of their own, in rooms that are loaded only now.
            args = argparse.Namespace(run=_HANDED_OVER[argv[0]].run, rest=argv[1:])
        else:
            args = build_parser().parse_args(argv)
        quiet = getattr(args, "quiet", False)
        with cleaning_up_when_terminated(), warnings.catch_warnings(), collected_warnings(quiet=quiet):
            code = int(args.run(args))
    except SystemExit as stop:
        return _code_of(stop)
    except XMemError as error:
        say_error(str(error))
        return EXIT_BAD_INPUT
    lost = trouble_of("stdout")
    if lost is not None and getattr(args, "answers", False):
        say_error(f"the output could not be written: {lost.strerror or lost}.")
        return EXIT_BAD_INPUT
    return code


def _code_of(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    return stop.code if isinstance(stop.code, int) else EXIT_BAD_INPUT
