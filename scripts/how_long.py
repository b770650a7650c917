"""Print the table of docs/how_long.md: python scripts/how_long.py [--frames N].

Processor time of one thread, so that other work on the machine hardly counts; memory as the forecast says it.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import torch

import napari_xmem as nx
from napari_xmem.sample_data import simulated_nuclei

#: Side of the frame in pixels, and nuclei asked for.
SIZES = ((256, 15), (512, 50), (1024, 120), (1024, 350), (2048, 350))
COLUMNS = ("frames", "objects", "s per frame", "s per frame, without bfloat16", "memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=10, help="per movie; memory is full after some seven")
    args = parser.parse_args()
    torch.set_num_threads(1)
    network = nx.load_model("bundled", device="cpu")
    sys.stdout.write(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n")
    for side, asked in SIZES:
        movie, truth = simulated_nuclei(args.frames, (side, side), asked)
        seconds = []
        for precision in ("bfloat16", "float32"):
            began = time.process_time()
            nx.propagate(movie, {0: truth[0]}, model=network, device="cpu", precision=precision)
            seconds.append((time.process_time() - began) / args.frames)
        memory = nx.forecast(movie, {0: truth[0]}, model=network, device="cpu").peak_bytes / 1e9
        cells = (f"{side} x {side}", len(np.unique(truth[0])) - 1, *(f"{s:.1f}" for s in seconds), f"{memory:.1f} GB")
        sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
