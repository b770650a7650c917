"""Draw docs/images/failures/*.jpg: where the model fails on the suite, worst objects first.

python scripts/failure_pictures.py --data DATA [--model FILE] [--kinds KIND ...] [--output DIR]

DATA is a folder of image archives; docs/model.md says under "Data" which, and where they come from.

Each picture shows one movie: four frames, the seeds or the result in colours with the truth as outlines, and below
them the frames as they are. Objects whose Jaccard index is below 0.5 on the last frame have a red outline.
"""

from __future__ import annotations

import argparse
import colorsys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_xmem.tracking import evaluate
from napari_xmem_training.suite import SuiteOptions, run_suite

KINDS = ("nuclei-dense", "rods", "rods-drift", "em-stack", "still-phase", "natural", "c2c12")
NEED_DATA = ("still-phase", "c2c12")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--kinds", nargs="+")
    parser.add_argument("--output", type=Path, default=Path("docs/images/failures"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    kinds = tuple(args.kinds or (k for k in KINDS if args.data or k not in NEED_DATA))
    worst: dict[str, tuple[float, np.ndarray]] = {}

    def keep(movie, method, labels):
        jaccard = evaluate(labels, movie.truth, [len(labels) - 1], object_ids=movie.scored).mean_jaccard
        if movie.kind not in worst or jaccard < worst[movie.kind][0]:
            worst[movie.kind] = (jaccard, picture(movie, labels))

    run_suite(SuiteOptions(args.model, "cpu", args.data, kinds, baselines=False), keep=keep)
    for kind, (jaccard, image) in worst.items():
        path = args.output / f"{kind}.jpg"
        Image.fromarray(image).save(path, quality=78, optimize=True)
        print(f"{path}: J {jaccard:.2f} on the last frame, {path.stat().st_size // 1024} KiB")


def picture(movie, labels, width=300):
    last = len(labels) - 1
    failed = {
        i for row in evaluate(labels, movie.truth, [last], object_ids=movie.scored).rows
        for i, j in zip(row.object_ids, row.jaccard, strict=True) if j < 0.5
    }  # fmt: skip
    colours = palette(int(max(labels.max(), movie.truth.max())) + 1)
    tiles = []
    for t in sorted({0, min(5, last), min(10, last), last}):
        grey = shown(movie.frames, t)
        painted = grey.copy()
        found = labels[t] > 0
        painted[found] = 0.45 * grey[found] + 0.55 * colours[labels[t][found]]
        outline(painted, movie.truth[t], movie.scored, failed)
        tile = np.concatenate([painted, grey]).astype(np.uint8)
        height = round(tile.shape[0] * width / tile.shape[1])
        image = Image.fromarray(tile).resize((width, height), Image.Resampling.BILINEAR)
        row = evaluate(labels, movie.truth, [t], object_ids=movie.scored).rows[0] if t else None
        text = f"frame {t}" + (f"  J {row.mean_jaccard:.2f}  id {row.identity:.2f}" if row else "  seeds")
        ImageDraw.Draw(image).text((6, 4), text, fill=(255, 255, 0), font=ImageFont.load_default(size=15))
        tiles.append(np.asarray(image))
    return np.concatenate(tiles, 1)


def palette(count):
    """Saturated colours whose neighbours in number are far apart in hue."""
    hues = (np.arange(count) * 0.618034) % 1
    return np.array([[255 * c for c in colorsys.hsv_to_rgb(h, 0.9, 1.0)] for h in hues])


def shown(frames, t):
    """One frame as RGB between the percentiles of the movie, float."""
    low, high = np.percentile(frames[:, ::3, ::3], (0.5, 99.8))
    frame = np.clip((frames[t].astype(float) - low) / max(high - low, 1e-6), 0, 1) * 255
    return np.repeat(frame[..., None], 3, -1) if frame.ndim == 2 else frame


def outline(image, truth, scored, failed):
    """Draw the truth's outlines in place: white, red for objects that were lost or swapped."""
    inner = np.zeros(truth.shape, bool)
    for axis in (0, 1):
        inner |= truth != np.roll(truth, 1, axis)
    edge = inner & (truth > 0) & np.isin(truth, scored)
    image[edge] = 255
    image[edge & np.isin(truth, list(failed))] = (255, 40, 40)


if __name__ == "__main__":
    main()
