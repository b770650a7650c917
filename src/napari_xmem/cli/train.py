"""``napari-xmem train``: make a model from a recipe; the rest stands in `napari_xmem.training.cli`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the list; `main` hands what follows its name over to `run` unread."""
    subparsers.add_parser("train", help="train a model from a recipe").set_defaults(run=run, rest=[])


def run(args: argparse.Namespace) -> int:
    """Hand over."""
    from napari_xmem.training.cli import main

    return int(main(args.rest))
