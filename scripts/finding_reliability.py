"""finding_reliability.py DATA [PICTURE]: how often what was found with which confidence is right.

Corners of validation images and frames of two movies, three objects painted on each. A monotone map from confidence to
the share that is right is fitted on every other image and measured on the others; PICTURE gets the diagram.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from finding_scores import jaccards, painted
from matplotlib.figure import Figure

import napari_xmem as nx

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

NUCLEI_PX, PHASE_PX, LEAST = 256, 400, 0.5
EDGES = (0.5, 0.7, 0.8, 0.85, 0.88, 0.9, 0.92, 1.0)


def images(data: Path) -> Iterator[tuple[str, Any, Any]]:
    """Yield kind, image and true labels."""
    fluo, phase = np.load(data / "bbbc038_fluo.npz"), np.load(data / "usiigaci_phase.npz")
    chosen = [i for i in np.flatnonzero(fluo["split"] == "val") if fluo["n_objects"][i] >= 12]
    for i in chosen[::3]:
        corner = slice(0, NUCLEI_PX), slice(0, NUCLEI_PX)
        yield "nuclei", fluo[f"img_{i:04d}"][corner], fluo[f"lab_{i:04d}"][corner].astype(np.int32)
    for i in np.flatnonzero(phase["split"] == "val"):
        corner = slice(510, 510 + PHASE_PX), slice(512, 512 + PHASE_PX)
        yield "phase", phase[f"img_{i:04d}"][corner], phase[f"lab_{i:04d}"][corner].astype(np.int32)
    for name, frames in (("yeast_budding", (45, 68, 75, 82)), ("ecoli_divisions", (16, 23))):
        movie = np.load(data / f"dev_{name}.npz")
        for t in frames:
            yield name.split("_")[0], movie["frames"][t], movie["labels"][t].astype(np.int32)


def error(confidence: NDArray[Any], right: NDArray[Any]) -> float:
    """Return the expected calibration error: mean distance between confidence and share right, over the bins."""
    bins = np.digitize(confidence, EDGES[1:-1])
    return float(
        sum(abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))
    )


def monotone(confidence: NDArray[Any], right: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the rising steps that fit best, by pooling adjacent violators: confidences and shares right."""
    order = np.argsort(confidence, kind="stable")
    blocks: list[list[float]] = []
    for c, r in zip(confidence[order], right[order].astype(float), strict=True):
        blocks.append([c, r, 1.0])
        while len(blocks) > 1 and blocks[-2][1] >= blocks[-1][1]:
            (a, p, n), (b, q, m) = blocks[-2:]
            blocks[-2:] = [[(a * n + b * m) / (n + m), (p * n + q * m) / (n + m), n + m]]
    return np.array([b[0] for b in blocks]), np.array([b[1] for b in blocks])


def rows(confidence: NDArray[Any], right: NDArray[Any], jaccard: NDArray[Any]) -> list[tuple[float, float, float, int]]:
    """Return for each bin the mean confidence, the share right, the mean Jaccard index, and how many there are."""
    bins = np.digitize(confidence, EDGES[1:-1])
    return [
        (*(float(v[bins == b].mean()) for v in (confidence, right, jaccard)), int((bins == b).sum()))
        for b in np.unique(bins)
    ]


def draw(path: Path, groups: dict[str, Sequence[tuple[float, float, float, int]]]) -> None:
    """Draw the share right over confidence, a line per group."""
    figure = Figure((5.2, 3.6))
    axes = figure.add_subplot()
    axes.plot([0.5, 1], [0.5, 1], color="#90a4ae", linestyle=":", label="as often as it says")
    for (name, points), colour in zip(groups.items(), ("#1565c0", "#c62828"), strict=False):
        axes.plot([p[0] for p in points], [p[1] for p in points], color=colour, linewidth=1)
        sizes = [8 + 2 * p[3] for p in points]
        axes.scatter([p[0] for p in points], [p[1] for p in points], s=sizes, color=colour, label=name)
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0.5, 1), ylim=(0, 1.05))
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


def main(data: Path, picture: Path | None) -> None:
    """Print a table for nuclei and for the rest, and what a monotone map would be worth."""
    network, found = nx.load_model("bundled", "cpu"), list[tuple[str, int, float, float]]()
    for n, (kind, image, truth) in enumerate(images(data)):
        seeds = painted(truth)
        result = nx.find_similar(image, seeds, model=network, min_confidence=LEAST)
        indices = jaccards(result.labels, result.object_ids, truth, seeds)
        found += [(kind, n, float(c), j) for c, j in zip(result.confidence, indices, strict=True)]
    kinds, image_of = np.array([f[0] for f in found]), np.array([f[1] for f in found])
    confidence, jaccard = np.array([f[2] for f in found]), np.array([f[3] for f in found])
    right, nuclei, fitting = jaccard > 0.5, kinds == "nuclei", image_of % 2 == 0
    groups = {"nuclei": rows(*(v[nuclei] for v in (confidence, right, jaccard)))}
    groups["phase contrast, yeast, bacteria"] = rows(*(v[~nuclei] for v in (confidence, right, jaccard)))
    for name, table in groups.items():
        print(name)
        for mean, share, index, count in table:
            print(f"  confidence {mean:.2f}: {round(share * count)} of {count} right, mean Jaccard {index:.2f}")
    mapped = np.interp(confidence, *monotone(confidence[fitting], right[fitting]))
    for name, chosen in (("all", nuclei | ~nuclei), ("nuclei", nuclei), ("the others", ~nuclei)):
        asked = chosen & ~fitting
        before, after = (error(values[asked], right[asked]) for values in (confidence, mapped))
        print(f"calibration error on images not fitted, {name}: {before:.3f}, with the map {after:.3f}")
    if picture:
        draw(picture, groups)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
