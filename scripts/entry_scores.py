"""entry_scores.py [KIND ...]: new cells in simulated movies, where cells come in and three are painted.

For each kind and interval: detection F1 at a Jaccard index above 0.5 over all frames, with and without looking for new
cells; entries that are none (on background, or on a cell that is followed already) per 1000 object-frames, with three
and with all cells painted; and the time per frame as a multiple of the time without.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_xmem as nx
from napari_xmem.simulate import simulate
from napari_xmem.tracking import EventKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS = ("nuclei", "sparse_nuclei", "dim_nuclei", "phase_cells", "budding_yeast", "rods_phase")
FRAMES, SIZE_PX, SEEDS, INTERVALS = 16, (192, 192), (0, 1), (1, 3, 5)
#: Truth of fewer pixels, at the border for instance, is not asked for.
LEAST_PX = 40


def painted(labels: NDArray[Any]) -> NDArray[Any]:
    """Return three objects of ordinary size that the border does not cut."""
    ids, areas = np.unique(labels[labels > 0], return_counts=True)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    whole = [i for i, area in zip(ids, areas, strict=True) if i not in rim and area > np.median(areas) / 2]
    chosen = np.random.default_rng(0).choice(whole or ids, min(3, len(whole or ids)), replace=False)
    return np.where(np.isin(labels, chosen), labels, 0)


def overlaps(labels: NDArray[Any], truth: NDArray[Any]) -> dict[int, tuple[int, float]]:
    """Return for each label the true body that most of it lies on (0: background), and their Jaccard index."""
    found = {}
    for i in np.unique(labels[labels > 0]).tolist():
        mask = labels == i
        bodies, counts = np.unique(truth[mask], return_counts=True)
        body = int(bodies[counts.argmax()])
        union = np.count_nonzero(mask | (truth == body)) if body else 1
        found[i] = (body, counts.max() / union if body else 0.0)
    return found


def detection(labels: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.int64]:
    """Return how many are right, were to be found, and were found, on all frames."""
    sums = np.zeros(3, np.int64)
    for frame, bodies in zip(labels, truth, strict=True):
        ids, areas = np.unique(bodies[bodies > 0], return_counts=True)
        wanted = set(ids[areas >= LEAST_PX].tolist())
        found = overlaps(frame, bodies)
        right = {body for body, jaccard in found.values() if jaccard > 0.5 and body in wanted}
        small = sum(1 for body, _ in found.values() if body and body not in wanted)
        sums += (len(right), len(wanted), len(found) - small)
    return sums


def false_entries(result: nx.PropagationResult, truth: NDArray[Any]) -> tuple[int, int]:
    """Return how many entries are no new cell, and object-frames in all."""
    wrong = 0
    for event in result.events:
        if event.kind is EventKind.ENTRY:
            found = overlaps(result.labels[event.frame], truth[event.frame])
            i = event.objects[0]
            body, _ = found.get(i, (0, 0.0))
            wrong += body == 0 or any(j < i and other == body for j, (other, _) in found.items())
    return wrong, int(np.count_nonzero(result.scores.area_px))


def main(kinds: list[str]) -> None:
    """Print a line for each kind and interval."""
    network = nx.load_model("bundled", "cpu")
    for kind in kinds or KINDS:
        movies = [
            simulate(kind, np.random.default_rng(seed), frames=FRAMES, size_px=SIZE_PX, diameter_px=30.0)
            for seed in SEEDS
        ]
        for interval in (0, *INTERVALS):
            sums, ghosts, full = np.zeros(3, np.int64), np.zeros(2, np.int64), np.zeros(2, np.int64)
            begun = time.process_time()
            more: dict[str, Any] = {"entries": "find", "entry_interval_frames": interval} if interval else {}
            for movie in movies:
                truth = movie.bodies.astype(np.int32)
                result = nx.propagate(movie.image, {0: painted(truth[0])}, model=network, **more)
                sums += detection(result.labels, truth)
                ghosts += false_entries(result, truth)
            seconds = (time.process_time() - begun) / FRAMES / len(movies)
            if interval == 3:
                for movie in movies:
                    truth = movie.bodies.astype(np.int32)
                    result = nx.propagate(movie.image, {0: truth[0]}, model=network, **more)
                    full += false_entries(result, truth)
            right, wanted, found = sums
            print(
                f"{kind:14s} every {interval:d}: F1 {2 * right / max(1, wanted + found):.2f} "
                f"({right} of {wanted}, {found} found), {seconds:.2f} s per frame, "
                f"{1000 * ghosts[0] / max(1, ghosts[1]):.1f} false entries per 1000 object-frames"
                + (f", {1000 * full[0] / max(1, full[1]):.1f} with all painted" if interval == 3 else ""),
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
