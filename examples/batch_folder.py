"""Propagate every movie of a folder: python examples/batch_folder.py FOLDER --out results.

For each ``NAME.tif`` there must be ``NAME_seeds.tif``: a stack with labels on one or more frames, or one frame of
labels. Movies whose result exists are skipped, so an interrupted batch can be started again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari_xmem as nx


def main() -> None:
    """Go through the folder; a movie that fails is told and the others go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--model", default="bundled")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    network = nx.load_model(args.model)  # once for all movies

    movies = sorted(p for p in args.folder.glob("*.tif") if not p.stem.endswith("_seeds"))
    for path in movies:
        output = args.out / f"{path.stem}_labels.tif"
        if output.exists():
            print(f"{path.name}: done before")
            continue
        try:
            n_frames = propagate_file(path, output, network)
        except nx.XMemError as error:
            print(f"{path.name}: {error}")
            continue
        print(f"{path.name}: {n_frames} frames -> {output}")


def propagate_file(path: Path, output: Path, network: object) -> int:
    """Propagate one movie; frames are read and written one at a time. Returns the number of frames."""
    movie = nx.open_movie(path)
    seeds = nx.open_labels(path.with_name(f"{path.stem}_seeds.tif"))
    n_frames, shape = movie.data.shape[0], movie.data.shape[1:3]
    with nx.LabelWriter(output, (n_frames, *shape), "uint16") as writer:
        for result in nx.iter_propagate(movie.data, seeds.data, model=network):
            writer.write(result.frame, result.labels)
    return n_frames


if __name__ == "__main__":
    main()
