"""Labels on every frame from labels on one, without a viewer: python examples/headless.py --out results."""

from __future__ import annotations

import argparse
from pathlib import Path

import napari_xmem as nx
from napari_xmem.sample_data import simulated_nuclei


def main() -> None:
    """Simulate a movie, follow the nuclei of its first frame, score and save the labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--size", type=int, default=160)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    movie, truth = simulated_nuclei(frames=args.frames, size_px=(args.size, args.size), n_objects=8)
    seeds = truth[0]  # your own: tifffile.imread("seeds.tif")

    result = nx.propagate(movie, seeds, model=args.model)

    print(f"followed {len(result.scores.object_ids)} objects over {len(movie)} frames: {result.scope_reason}")
    print(nx.evaluate(result.labels, truth, frames=None))
    doubtful = result.scores.confidence[-1].argsort()[:3]
    print("look first at objects", result.scores.object_ids[doubtful], "on the last frame")
    with nx.LabelWriter(args.out / "labels.tif", result.labels.shape, result.labels.dtype, overwrite=True) as writer:
        for t, labels in enumerate(result.labels):
            writer.write(t, labels)
    print("wrote", args.out / "labels.tif")


if __name__ == "__main__":
    main()
