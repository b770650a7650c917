"""Does cases one by one in this process, as many as one likes."""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["do_by_hand"]

Case = TypeVar("Case")


def do_by_hand(
    prog: str,
    about: str | None,
    cases: Callable[[Path], Iterator[tuple[str, Case]]],
    outcome: Callable[[Case], str],
    fine: tuple[str, ...],
) -> int:
    """Do the cases that the command line asks for and print what went wrong; 1 if anything did.

    Parameters
    ----------
    prog, about : str
        What the command is called, and its help.
    cases : callable
        Takes an empty folder; yields name and case.
    outcome : callable
        Does a case; returns one of `fine`, or what went wrong.
    fine : tuple of str
        What may come of a case.
    """
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("words", nargs="*", help="only cases whose names hold one of them")
    parser.add_argument("--every", type=int, default=1, help="of so many cases one")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    chance, counts, faults = random.Random(args.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, case in cases(Path(folder)):
            if (args.words and not any(word in name for word in args.words)) or chance.random() * args.every >= 1:
                continue
            how = outcome(case)
            counts[how] += how in fine
            if how not in fine:
                faults += 1
                sys.stdout.write(f"{name}: {how}\n")
                sys.stdout.flush()
    sys.stdout.write(", ".join(f"{counts[how]} {how}" for how in fine) + f", {faults} faults\n")
    return int(faults > 0)
