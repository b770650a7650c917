"""Options about one movie: how its file is read, and which frames are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_xmem.cli.find_rest import add_find_rest
from napari_xmem.cli.options import add_setting, int_list
from napari_xmem.cli.seed_options import add_seed_forms

if TYPE_CHECKING:
    import argparse

__all__ = ["add_reading", "add_time"]


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add --axes, --channels, --fill-planes, what says how seeds are meant, and --find-rest."""
    group = parser.add_argument_group("reading")
    group.add_argument("--axes", help="order of a movie's axes where its file doesn't say, such as TCYX")
    group.add_argument("--channels", type=int_list, metavar="N,N", help="channels to use, up to three")
    group.add_argument(
        "--fill-planes", action="store_true", help="volumes: first follow the seeds through the planes of their frame"
    )
    add_seed_forms(group)
    add_find_rest(group)


def add_time(parser: argparse.ArgumentParser, *, frame_range: bool = True) -> None:
    """Add --seed-frame and --direction, and with `frame_range` also --start and --stop."""
    group = parser.add_argument_group("time")
    first = "--start or 0" if frame_range else "0"
    group.add_argument(
        "--seed-frame",
        type=int,
        metavar="T",
        help=f"frame that a single image of seeds belongs to; default: {first}, backward: the last",
    )
    add_setting(group, "direction")
    if frame_range:
        add_setting(group, "start", "T")
        add_setting(group, "stop", "T")
