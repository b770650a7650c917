"""finding_scores.py DATA [KIND ...]: F1 of finding the rest of real frames from three painted objects."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_xmem as nx

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = (0.5, 0.7, 0.8, 0.9)
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


def score(found: nx.FoundObjects, truth: Any, seeds: Any) -> tuple[float, int, int, int]:
    """Return F1 at a Jaccard index above 0.5; how many are right, were to be found, were found."""
    wanted = [i for i in np.unique(truth) if i and i not in seeds]
    right = 0
    for i in wanted:
        mask = truth == i
        rivals = [j for j in np.unique(found.labels[mask]) if j in found.object_ids]
        right += any((mask & (found.labels == j)).sum() > 0.5 * (mask | (found.labels == j)).sum() for j in rivals)
    return 2 * right / max(1, len(wanted) + len(found)), right, len(wanted), len(found)


def main(data: Path, kinds: list[str]) -> None:
    """Print a line for each frame."""
    network = nx.load_model("bundled", "cpu")
    for kind in kinds or KINDS:
        for image, truth in frames(data, kind):
            seeds = painted(truth)
            begun = time.process_time()
            found = nx.find_similar(image, seeds, model=network, min_confidence=min(LIMITS))
            seconds = time.process_time() - begun
            begun = time.process_time()
            nx.propagate(np.stack([image, image]), {0: truth}, model=network)
            ratio = seconds / (time.process_time() - begun)
            told = "  ".join(
                "{:.1f}: {:.2f} ({} of {}, {} found)".format(c, *score(found.at_least(c), truth, seeds)) for c in LIMITS
            )
            print(f"{kind:6s} {told}  {seconds:.1f} s, {ratio:.1f} frames", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
