"""The command ``napari-xmem``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_xmem.cli.terminal.exit_codes import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process where not given.

    Returns
    -------
    int
        0 on success, 1 if some movies of a batch failed, 2 on bad input (with one line on stderr), 130 when
        interrupted.
    """
    try:
        from napari_xmem.cli.command_line import run_command
    except KeyboardInterrupt:  # in the first moments, before anything was begun
        return EXIT_INTERRUPTED
    return run_command(argv)
