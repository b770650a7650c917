"""``napari-xmem completion``: words that the shell completes when the tab key is pressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_xmem.cli.terminal.printing import say
from napari_xmem.errors import InputError

if TYPE_CHECKING:
    import argparse

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]

_EXAMPLES = """  napari-xmem completion bash > ~/.local/share/bash-completion/completions/napari-xmem
  napari-xmem completion zsh  > ~/.zfunc/_napari-xmem      # a folder of $fpath
  napari-xmem completion tcsh >> ~/.cshrc
"""
#: Options and arguments that name files, and those that name folders.
_FILES = {
    "movie",
    "movies",
    "seeds",
    "output",
    "overview",
    "scores",
    "pred",
    "truth",
    "lineage",
    "json",
    "log",
    "model",
}
_FOLDERS = {"folder", "data"}


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "completion",
        help="print a script for completion with the tab key",
        description="Print a script that lets a shell complete commands, options and files.",
        examples=_EXAMPLES,
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    parser.set_defaults(run=run, answers=True)


def run(args: argparse.Namespace) -> int:
    """Print the script; ``whole`` is the parser of all subcommands."""
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise InputError("completion needs shtab, which is not installed: pip install shtab") from error
    for command in args.whole.commands.values():
        for action in command._actions:
            if action.dest in _FILES:
                vars(action)["complete"] = shtab.FILE
            elif action.dest in _FOLDERS:
                vars(action)["complete"] = shtab.DIRECTORY
    say(shtab.complete(args.whole, args.shell))
    return 0
