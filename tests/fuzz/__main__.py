"""Fuzz readers by hand, as long as you like: ``cd tests && python -m fuzz [--cases 1000] [--seed 7] [KIND ...]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from fuzz.drive import fuzz
from fuzz.targets import TARGETS


def main() -> int:
    """Print what went wrong; 1 if anything did."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--cases", type=int, default=1000, help="damaged files per kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    failed = 0
    for kind in args.kinds or TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            report = fuzz(kind, args.cases, args.seed, Path(folder), first=args.first)
        sys.stdout.write(f"{kind}: {report.summary}\n")
        for fault in report.faults:
            sys.stdout.write(f"  {fault}\n")
        sys.stdout.flush()
        failed += len(report.faults)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
