"""``napari-xmem batch``: many movies, one after the other or on a cluster; one that fails does not stop the others."""

from napari_xmem.cli.batch.command import add_parser, run

__all__ = ["add_parser", "run"]
