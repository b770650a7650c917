"""Plot what memory holds over time: python examples/plot_memory.py --out results (needs matplotlib)."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl

import napari_xmem as nx
from napari_xmem.sample_data import simulated_nuclei

mpl.use("Agg")
import matplotlib.pyplot as plt


def main() -> None:
    """Propagate, then draw elements per store and consolidations over frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--size", type=int, default=160)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    movie, truth = simulated_nuclei(frames=args.frames, size_px=(args.size, args.size), n_objects=8)
    memory = nx.MemoryConfig(memory_interval_frames=2, working_min_frames=2, working_max_frames=5)
    result = nx.propagate(movie, truth[0], model=args.model, memory=memory)

    frames = [snapshot.frame for snapshot in result.memory]
    stores = ("permanent", "long_term", "working")
    sizes = [[getattr(snapshot.sizes, store) for snapshot in result.memory] for store in stores]
    figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
    axes.stackplot(frames, sizes, labels=[store.replace("_", "-") for store in stores], alpha=0.8)
    for snapshot in result.memory:
        if any(event.kind == "consolidated" for event in snapshot.events):
            axes.axvline(snapshot.frame, color="0.3", linestyle=":", linewidth=1)
    axes.set(xlabel="frame", ylabel="elements in memory", title="Memory (dotted: consolidation)")
    axes.legend(loc="upper left")
    figure.savefig(args.out / "memory.png", dpi=120)
    plt.close(figure)
    print("wrote", args.out / "memory.png")


if __name__ == "__main__":
    main()
