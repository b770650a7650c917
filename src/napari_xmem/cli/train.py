"""``napari-xmem train``: make a model from a recipe; the rest stands in `napari_xmem_training.cli`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_xmem.cli.optional_commands import import_extra

if TYPE_CHECKING:
    import argparse

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the list; `main` hands what follows its name over to `run` unread."""
    subparsers.add_parser("train", help="train a model from a recipe").set_defaults(run=run, rest=[])


def run(args: argparse.Namespace) -> int:
    """Hand over."""
    return int(import_extra("napari_xmem_training.cli").main(args.rest))
