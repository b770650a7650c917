"""Do a batch on local Dask workers while something of it is killed every few seconds, and compare with a quiet batch.

    python scripts/batch_kills.py                            # 12 movies on 3 workers, three times over
    python scripts/batch_kills.py --every 10 --rounds 1

What is killed (SIGKILL) is drawn: a worker, which takes the process of its movie along, or the process of a movie
alone. What stands in the end must be, bit for bit, what the quiet batch has written, with nothing beside it.

On a slow or busy machine a process may need longer to start than others are left alone, and nothing would ever be done;
so some new frames are waited for besides the seconds.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import tifffile

SIDE = 96


def write_movies(folder: Path, n_movies: int, n_frames: int) -> None:
    """Write movies of discs that drift, each at its own speed, and seeds of the first frame."""
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for number in range(n_movies):
        draw = np.random.default_rng(number)
        start, speed = draw.uniform(15, SIDE - 15, (4, 2)), draw.uniform(-0.6, 0.6, (4, 2))
        truth = np.zeros((n_frames, SIDE, SIDE), np.uint16)
        for t in range(n_frames):
            for k, (y, x) in enumerate(start + t * speed, 1):
                truth[t][(rows - y) ** 2 + (columns - x) ** 2 < 50] = k
        movie = (truth > 0) * 800 + draw.integers(90, 110, truth.shape)
        tifffile.imwrite(folder / f"m{number:02d}.tif", movie.astype(np.uint16), metadata={"axes": "TYX"})
        tifffile.imwrite(folder / f"m{number:02d}_seeds.tif", truth[0])


def pixels(folder: Path) -> dict[str, bytes]:
    """Return what stands in a folder: of labels the pixels, of other files that they are there."""
    return {
        path.name: tifffile.imread(path).tobytes() if path.suffix == ".tif" else b""
        for path in folder.iterdir()
        if path.suffix != ".log"
    }


def batch(movies: Path, output: Path, *more: str) -> subprocess.Popen[bytes]:
    """Begin a batch."""
    output.mkdir()
    command = [
        sys.executable,
        "-m",
        "napari_xmem",
        "batch",
        str(movies),
        "-o",
        str(output),
        "--device",
        "cpu",
        "--quiet",
    ]
    with (output / "batch.log").open("wb") as log:
        return subprocess.Popen([*command, "--report", str(output / "report.csv"), *more], stderr=log)


def frames_done(output: Path, n_frames: int) -> int:
    """Return how many frames of all movies are kept or finished."""
    kept = sum(1 for _ in output.glob("*.unfinished/frame-*"))
    return kept + n_frames * sum(1 for _ in output.glob("*_labels.tif"))


def kill_something(batch_pid: int, draw: random.Random) -> str | None:
    """Kill a worker that has a movie, or the process of a movie; returns which."""
    try:
        below = psutil.Process(batch_pid).children(recursive=True)
        movies = [p for p in below if "movie_process" in " ".join(p.cmdline())]
        if not movies:
            return None
        movie = draw.choice(movies)
        what = draw.choice(("worker", "worker", "movie"))
        (movie if what == "movie" else movie.parent()).kill()
    except (psutil.Error, AttributeError):  # it has ended by itself
        return None
    return what


def main() -> int:
    """Kill, compare, say how it went."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--movies", type=int, default=12, metavar="N")
    parser.add_argument("--frames", type=int, default=24, metavar="N")
    parser.add_argument("--workers", type=int, default=3, metavar="N")
    parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="between two kills")
    parser.add_argument("--new-frames", type=int, default=8, metavar="N", help="at least, between two kills")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--model", default="bundled", help="a small one is faster")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    draw, wrong = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write_movies(root / "movies", args.movies, args.frames)
        common = ["--model", args.model, "--threads", "1"]
        begun = time.monotonic()
        if batch(root / "movies", root / "quiet", *common).wait():
            raise SystemExit(f"the quiet batch failed: {(root / 'quiet' / 'batch.log').read_text()}")
        expected = pixels(root / "quiet")
        print(f"quiet: {args.movies} movies in {time.monotonic() - begun:.0f} s", flush=True)
        for number in range(args.rounds):
            output, begun = root / f"round-{number}", time.monotonic()
            cluster = ["--scheduler", f"local:{args.workers}", "--retries", "20", "--save-every", "1"]
            running, kills = batch(root / "movies", output, *common, *cluster), Counter()
            due, done = time.monotonic() + args.every, 0
            while running.poll() is None:
                time.sleep(0.1)
                if time.monotonic() < due or frames_done(output, args.frames) < done + args.new_frames:
                    continue
                if what := kill_something(running.pid, draw):
                    kills[what] += 1
                    due, done = time.monotonic() + args.every, frames_done(output, args.frames)
            found = pixels(output)
            others = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
            with (output / "report.csv").open(newline="") as file:
                states = Counter(row["state"] for row in csv.DictReader(file))
            good = not running.returncode and not others and states["done"] + states["done before"] == args.movies
            wrong += not good
            print(
                f"round {number + 1}: {kills['worker']} workers and {kills['movie']} processes killed, exit code "
                f"{running.returncode}, {dict(states)}, {time.monotonic() - begun:.0f} s, "
                f"{'all equal' if not others else f'other content of {others}'}",
                flush=True,
            )
            if not good:
                print((output / "batch.log").read_text(), flush=True)
            shutil.rmtree(output)
    print(f"{args.rounds} rounds, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
