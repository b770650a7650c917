"""A process of its own that reads damaged files; usage: worker.py TARGET FIRST COUNT SEED FOLDER.

Prints a line of JSON before and after each case, so that whoever started it knows what it died of.
"""

from __future__ import annotations

import json
import logging
import random
import resource
import shutil
import sys
import time
import traceback
import warnings
from pathlib import Path

from fuzz.mutate import damage
from fuzz.targets import TARGETS
from napari_xmem.errors import XMemError

ROOM_BYTES = 1_000_000_000
#: Of the process, so that other work on the machine does not count.
LONGEST_S = 10.0


def main(name: str, first: int, count: int, seed: int, folder: Path) -> None:
    """Read `count` damaged files of a kind, from case number `first` on."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    target = TARGETS[name]
    whole = folder / "whole"
    if not whole.exists():
        whole.mkdir(parents=True)
        target.make(whole)
    examples = sorted(p for p in whole.iterdir() if not p.name.startswith("."))
    place = folder / "damaged"
    for example in examples:  # whole ones are read, and what reading needs is loaded
        _fresh(example, place)
        target.read(place / example.name)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM_BYTES, size + ROOM_BYTES))
    for number in range(first, first + count):
        chosen = random.Random(f"{seed} {name} {number}")
        example = chosen.choice(examples)
        _fresh(example, place)
        what = damage(place / example.name, chosen)
        print(json.dumps({"case": number, "file": example.name, "damage": what}), flush=True)
        began = time.process_time()
        outcome = _read(target.read, place / example.name)
        seconds = time.process_time() - began
        if outcome in ("read", "refused") and seconds > LONGEST_S:
            outcome = f"took {seconds:.0f} s of the processor"
        print(json.dumps({"case": number, "outcome": outcome, "seconds": round(seconds, 2)}), flush=True)


def _fresh(example: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    copy = shutil.copytree if example.is_dir() else shutil.copyfile
    copy(example, place / example.name)


def _read(read: object, path: Path) -> str:
    try:
        read(path)  # type: ignore[operator]
    except XMemError as error:
        return "refused" if str(error).strip() else "refused without a word"
    except BaseException:
        return traceback.format_exc(limit=-4)
    return "read"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
