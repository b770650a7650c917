"""finding_scores.py DATA [KIND ...]: F1 of finding the rest of real frames from three painted objects.

Beside it two classical ways, each with the width of smoothing and the polarity that are best on the images of the kind;
and at the end how often what was found with which confidence is right.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

import napari_xmem as nx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LIMITS = (0.5, 0.65, 0.75, 0.9)
STILLS = {"fluo": ("bbbc038_fluo.npz", "fluo"), "phase": ("usiigaci_phase.npz", "phase")}
KINDS = (*STILLS, "yeast")


def frames(data: Path, kind: str, count: int = 3) -> Iterator[tuple[Any, Any]]:
    """Yield frames and their true labels: stills of the validation split, or frames of the budding movie."""
    if kind == "yeast":
        movie = np.load(data / "dev_yeast_budding.npz")
        for t in (60, 75, 89)[:count]:
            yield movie["frames"][t], movie["labels"][t].astype(np.int32)
        return
    name, modality = STILLS[kind]
    archive = np.load(data / name)
    for i in range(int(archive["n"])):
        wanted = archive["split"][i] == "val" and modality in str(archive["modality"][i])
        if wanted and archive["n_objects"][i] >= 12:
            image, labels = archive[f"img_{i:04d}"][:512, :512], archive[f"lab_{i:04d}"][:512, :512]
            yield image, labels.astype(np.int32)
            count -= 1
        if not count:
            return


def painted(labels: Any) -> Any:
    """Return three objects of ordinary size that the border does not cut."""
    ids, areas = np.unique(labels[labels > 0], return_counts=True)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    whole = [i for i, area in zip(ids, areas, strict=True) if i not in rim and area > np.median(areas) / 2]
    chosen = np.random.default_rng(0).choice(whole or ids, min(3, len(whole or ids)), replace=False)
    return np.where(np.isin(labels, chosen), labels, 0)


def jaccards(labels: Any, ids: Iterable[int], truth: Any, seeds: Any) -> list[float]:
    """Return for each label its Jaccard index with the object, not painted, that it overlaps best."""
    out = []
    for i in ids:
        mask = labels == i
        rivals = [j for j in np.unique(truth[mask]) if j and not (seeds == j).any()]
        out.append(max((((truth == j) & mask).sum() / ((truth == j) | mask).sum() for j in rivals), default=0.0))
    return out


def score(labels: Any, ids: Sequence[int], truth: Any, seeds: Any) -> tuple[float, int, int, int]:
    """Return F1 at a Jaccard index above 0.5; how many are right, were to be found, were found."""
    wanted = np.setdiff1d(np.unique(truth), np.append(np.unique(seeds), 0)).size
    right = sum(jaccard > 0.5 for jaccard in jaccards(labels, ids, truth, seeds))
    return 2 * right / max(1, wanted + len(ids)), right, wanted, len(ids)


def unpainted(labels: Any, seeds: Any) -> tuple[Any, list[int]]:
    """Return labels of a method that knows no seeds, and those of them that lie on no painted object."""
    ids, areas = np.unique(labels[labels > 0], return_counts=True)
    taken = np.bincount(labels[seeds > 0], minlength=labels.max() + 1)
    return labels, [int(i) for i, area in zip(ids, areas, strict=True) if taken[i] <= 0.5 * area]


def otsu(image: Any, radius: float, width: float) -> Any:
    """Return a threshold by Otsu's method, cut by a watershed of the distance from the outline."""
    inside = image > threshold_otsu(image)
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(inside), width * radius)
    tops = peak_local_max(depth, min_distance=max(1, int(width * radius)), labels=inside.astype(int))
    markers = np.zeros(image.shape, np.int32)
    markers[tuple(tops.T)] = np.arange(1, len(tops) + 1)
    return watershed(-depth, markers, mask=inside)


def blobs(image: Any, radius: float, width: float) -> Any:
    """Return discs where the Laplacian of Gaussian has its extrema, as large as the painted objects."""
    response = -ndimage.gaussian_laplace(image, width * 2 * radius / np.sqrt(2))
    tops = peak_local_max(response, min_distance=max(1, int(radius)), threshold_abs=0.2 * response.max())
    distance, nearest = np.full(image.shape, np.inf), np.zeros(image.shape, np.int32)
    y, x = np.indices(image.shape)
    for n, (row, column) in enumerate(tops, 1):
        away = np.hypot(y - row, x - column)
        closer = (away < distance) & (away <= radius)
        distance[closer], nearest[closer] = away[closer], n
    return nearest


def classical(kind: str, pairs: Sequence[tuple[Any, Any]]) -> None:
    """Print F1 of both classical ways, with what is best on these images."""
    for method in (otsu, blobs):
        best: tuple[float, str] = (-1.0, "")
        for sign in (1, -1):
            for width in (0.15, 0.3, 0.5):
                scores = []
                for image, truth in pairs:
                    seeds = painted(truth)
                    radius = float(np.sqrt(np.median(np.unique(seeds[seeds > 0], return_counts=True)[1]) / np.pi))
                    found = method(sign * image.astype(np.float32), radius, width)
                    scores.append(score(*unpainted(found, seeds), truth, seeds)[0])
                told = " ".join(f"{value:.2f}" for value in scores)
                best = max(best, (float(np.mean(scores)), f"{told} (sign {sign}, width {width})"))
        print(f"{kind:6s} {method.__name__}: {best[1]}", flush=True)


def reliability(pairs: Sequence[tuple[float, float]]) -> None:
    """Print, by confidence, how many were found, how many of them are right, and their mean Jaccard index."""
    for low in (0.5, 0.6, 0.7, 0.8, 0.85, 0.9):
        high = {0.5: 0.6, 0.6: 0.7, 0.7: 0.8, 0.8: 0.85, 0.85: 0.9, 0.9: 1.01}[low]
        there = [jaccard for confidence, jaccard in pairs if low <= confidence < high]
        if there:
            right = sum(jaccard > 0.5 for jaccard in there)
            mean = np.mean(there)
            print(f"confidence {low:.2f} to {min(1, high):.2f}: {right} of {len(there)} right, mean Jaccard {mean:.2f}")


def main(data: Path, kinds: list[str]) -> None:
    """Print a line for each frame, and what is beside it."""
    network, sure = nx.load_model("bundled", "cpu"), list[tuple[float, float]]()
    for kind in kinds or KINDS:
        pairs = list(frames(data, kind))
        classical(kind, pairs)
        for image, truth in pairs:
            seeds = painted(truth)
            begun = time.process_time()
            found = nx.find_similar(image, seeds, model=network, min_confidence=min(LIMITS))
            seconds = time.process_time() - begun
            begun = time.process_time()
            nx.propagate(np.stack([image, image]), {0: truth}, model=network)
            ratio = seconds / (time.process_time() - begun)
            fewer = {limit: found.at_least(limit) for limit in LIMITS}
            told = "  ".join(
                "{:.2f}: {:.2f} ({} of {}, {} found)".format(c, *score(f.labels, f.object_ids, truth, seeds))
                for c, f in fewer.items()
            )
            right = jaccards(found.labels, found.object_ids, truth, seeds)
            sure += zip(found.confidence.tolist(), right, strict=True)
            print(f"{kind:6s} {told}  {seconds:.1f} s, {ratio:.1f} frames", flush=True)
    reliability(sure)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
