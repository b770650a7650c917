"""Pack your own labelled images for `napari-xmem train`: python examples/training_data.py IMAGES LABELS --out own_data.

Both folders hold TIFF files of the same names: images (Y, X) and labels (Y, X) with one number per object. Every tenth
pair is kept for validation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

#: `train` knows three collections by the names of their files; choose the one your images look like.
COLLECTIONS = {"fluo": "bbbc038_fluo", "other": "bbbc038_other", "phase": "usiigaci_phase"}


def main() -> None:
    """Read the pairs, bring the images to 8 bits, write one archive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--out", type=Path, default=Path("own_data"))
    parser.add_argument("--like", choices=COLLECTIONS, default="fluo")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    names = sorted(path.name for path in args.images.glob("*.tif"))
    arrays = {"split": np.array(["val" if number % 10 == 0 else "train" for number in range(len(names))])}
    for number, name in enumerate(names):
        arrays[f"img_{number:04d}"] = eight_bits(tifffile.imread(args.images / name))
        arrays[f"lab_{number:04d}"] = tifffile.imread(args.labels / name).astype(np.uint16)
    target = args.out / f"{COLLECTIONS[args.like]}.npz"
    np.savez_compressed(target, **arrays)
    print(f"{len(names)} images -> {target}")


def eight_bits(image: np.ndarray) -> np.ndarray:
    """Map the darkest and the brightest 0.1 % to 0 and 255."""
    low, high = np.percentile(image, (0.1, 99.9))
    return np.clip((image - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
