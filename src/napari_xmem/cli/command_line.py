"""Parse the command line, run one subcommand, turn errors into one clear line."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import napari_xmem
from napari_xmem.cli import batch, benchmark, completion, demo, evaluate, models, propagate, train
from napari_xmem.cli.options import PAPER, memory_help
from napari_xmem.cli.terminal.exit_codes import EXIT_BAD_INPUT, EXIT_FAULT, EXIT_INTERRUPTED
from napari_xmem.cli.terminal.json_file import TO_STDOUT
from napari_xmem.cli.terminal.parser import Parser, spread_memory
from napari_xmem.cli.terminal.printing import collected_warnings, keeping_stdout, say, say_error
from napari_xmem.cli.terminal.stopping import cleaning_up_when_terminated
from napari_xmem.cli.terminal.streams import flush_all, has_log, log, logging_to, open_closed_streams, put, trouble_of
from napari_xmem.cli.terminal.threads import settle_threads, wait_passively
from napari_xmem.errors import OutputError, XMemError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

__all__ = ["build_parser", "run_command"]

_HANDED_OVER = {"train": train, "benchmark": benchmark}
_COMMANDS = (propagate, batch, demo, models, evaluate, train, benchmark, completion)
_EXAMPLES = """  napari-xmem demo                                   # the whole way on a simulated movie
  napari-xmem propagate movie.tif --seeds seeds.tif -o labels.tif
  napari-xmem batch movies -o results --scores --overview
  napari-xmem propagate --help                       # options, examples, exit codes
"""


class MainParser(Parser):
    """The parser of everything, with the parsers of the subcommands as `commands`."""

    commands: dict[str, Parser]


def build_parser() -> MainParser:
    """Build the parser of all subcommands; each stands in a file of its own."""
    parser = MainParser(prog="napari-xmem", description="Propagate labels through time with XMem.", examples=_EXAMPLES)
    parser.add_argument("-V", "--version", action="version", version=f"napari-xmem {napari_xmem.__version__}")
    subparsers = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True, parser_class=Parser
    )
    for command in _COMMANDS:
        command.add_parser(subparsers)
    parser.commands = dict(subparsers.choices)
    parser.commands["completion"].set_defaults(whole=parser)
    return parser


def run_command(argv: Sequence[str] | None = None) -> int:
    """Run the command line, see `napari_xmem.cli.main`."""
    open_closed_streams()
    wait_passively()
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        say_error("interrupted.")
        return EXIT_INTERRUPTED
    finally:
        flush_all()


def _run(argv: list[str]) -> int:
    try:
        args = _parsed(argv)
        if args is None:
            return 0
        with _log_of(args), keeping_stdout(getattr(args, "json", None) == TO_STDOUT):
            log(f"napari-xmem {napari_xmem.__version__}: {shlex.join(argv)}")
            return _run_parsed(args)
    except SystemExit as stop:
        return _code_of(stop)
    except XMemError as error:  # a log that cannot be written
        say_error(str(error))
        return EXIT_BAD_INPUT


def _log_of(args: argparse.Namespace) -> AbstractContextManager[None]:
    """Open the log, unless it is one of the files that the command is about."""
    path: Path | None = getattr(args, "log", None)
    names = ("movie", "seeds", "output", "overview", "scores", "json", "pred", "truth", "lineage", "model")
    others = [str(getattr(args, name, None)) for name in names]
    if path is not None and path.resolve() in {Path(name).resolve() for name in others}:
        raise OutputError(f"--log {path} is also an input or output; choose another name.")
    return logging_to(path)


def _parsed(argv: list[str]) -> argparse.Namespace | None:
    """Read the command line; None: what was asked for has been said already."""
    argv = _as_habits_have_it(argv)
    if argv and argv[0] in _HANDED_OVER:
        # These have parsers of their own, in rooms that are loaded only now.
        return argparse.Namespace(run=_HANDED_OVER[argv[0]].run, rest=argv[1:])
    parser = build_parser()
    if not argv:
        put("stdout", parser.format_help())
        return None
    if "--memory" in argv and argv[argv.index("--memory") + 1 :][:1] in (["help"], ["?"]):
        for line in memory_help():
            say(line)
        return None
    if argv[0] in parser.commands:
        parser.commands[argv[0]].check_names(argv[1:])
    args, rest = parser.parse_known_args(spread_memory(argv, PAPER))
    if rest:
        parser.commands[args.command].refuse(rest)
    if isinstance(getattr(args, "device", None), str):
        args.device = args.device.lower()
    return args


def _as_habits_have_it(argv: list[str]) -> list[str]:
    """Take what other programs take: ``help``, ``help COMMAND``, ``version``, ``--quiet`` before the command."""
    if argv[:1] == ["version"]:
        return ["--version", *argv[1:]]
    if argv[:1] == ["help"]:
        return [*argv[1:2], "--help"]
    while len(argv) > 1 and argv[0] in ("-q", "--quiet"):
        argv = [*argv[1:], argv[0]]
    return argv


def _run_parsed(args: argparse.Namespace) -> int:
    quiet = getattr(args, "quiet", False)
    try:
        settle_threads(getattr(args, "threads", None))
        with cleaning_up_when_terminated(), warnings.catch_warnings(), collected_warnings(quiet=quiet):
            code = int(args.run(args))
    except XMemError as error:
        say_error(str(error))
        return EXIT_BAD_INPUT
    except OSError as error:
        log(traceback.format_exc())
        where = f"{error.filename}: " if error.filename is not None else ""
        say_error(f"{where}{error.strerror or error}.")
        return EXIT_BAD_INPUT
    except Exception as error:
        say_error(f"{type(error).__name__}: {error}. This is a fault of napari-xmem; {_kept_for_a_report()}")
        return EXIT_FAULT
    lost = trouble_of("stdout")
    if lost is not None and (getattr(args, "answers", False) or getattr(args, "json", None) == TO_STDOUT):
        say_error(f"the output could not be written: {lost.strerror or lost}.")
        return EXIT_BAD_INPUT
    return code


def _kept_for_a_report() -> str:
    """Keep the traceback of the error at hand, and say where."""
    text = traceback.format_exc()
    if has_log():
        log(text)
        return "please report it with what stands in the log."
    try:
        with tempfile.NamedTemporaryFile("w", prefix="napari-xmem-", suffix=".txt", delete=False) as file:
            file.write(f"napari-xmem {napari_xmem.__version__}: {shlex.join(sys.argv[1:])}\n{text}")
        return f"please report it with {file.name}."
    except OSError:
        put("stderr", text)
        return "please report it."


def _code_of(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    return stop.code if isinstance(stop.code, int) else EXIT_BAD_INPUT
