"""Kill runs of the command line at many points, take each up again, and compare with a run that was left alone.

A run is killed (SIGKILL) just before its N-th change of the file system: a file opened for writing, renamed, removed, a
folder made. What stands afterwards must be, bit for bit, what the run that was left alone has written, with nothing
beside it.

    python scripts/kills.py                 # fifty kills over formats, directions, movies, volumes and batches
    python scripts/kills.py --kills 500
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
import tifffile

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
COMMANDS = ("propagate", "batch", "volumes")
FORMATS = ("tif", "npy", "zarr")
DIRECTIONS = ("forward", "backward", "both")
RESULTS = "results"


class Changes:
    """Counts the changes below a folder, and kills the process just before one of them."""

    def __init__(self) -> None:
        self.count, self.last, self.folder = 0, 0, ""
        sys.addaudithook(self._see)

    def begin(self, folder: Path, last: int) -> None:
        """Count from here; `last` is the change before which the process dies, 0: none."""
        self.count, self.last, self.folder = 0, last, str(folder)

    def _see(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.folder or not (event in CHANGES or (event == "open" and _writes(arguments))):
            return
        path = arguments[0]
        if not isinstance(path, (str, bytes, os.PathLike)) or not os.fsdecode(path).startswith(self.folder):
            return
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def _writes(arguments: tuple[object, ...]) -> bool:
    path, _, flags = (*arguments, None, None, None)[:3]
    return isinstance(path, (str, bytes)) and isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def write_movie(folder: Path, n_frames: int = 4) -> None:
    """Write a small movie and seeds of two of its frames, so that both directions have two passes."""
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:32, :40]
    truth = np.zeros((n_frames, 32, 40), np.uint16)
    for t in range(n_frames):
        truth[t][(rows - 10) ** 2 + (columns - 10 - t) ** 2 < 30] = 3
        truth[t][(rows - 22) ** 2 + (columns - 28 + t) ** 2 < 26] = 9
    movie = (truth > 0) * 800 + np.random.default_rng(0).integers(90, 110, truth.shape)
    seeds = np.zeros_like(truth)
    seeds[1], seeds[2] = np.where(truth[1] == 3, 3, 0), np.where(truth[2] == 9, 9, 0)
    np.save(folder / "movie.npy", movie.astype(np.uint16))
    np.save(folder / "movie_seeds.npy", seeds)
    volumes = folder.with_name("volumes")
    volumes.mkdir()
    np.save(volumes / "movie.npy", np.stack([movie, movie[:, ::-1]], 1)[:3].astype(np.uint16))
    np.save(volumes / "movie_seeds.npy", np.stack([seeds, seeds[:, ::-1]], 1)[:3])


def command(name: str, data: Path, results: Path, kind: str, direction: str, model: str) -> list[str]:
    """Return the arguments of one run."""
    common = ["--model", model, "--device", "cpu", "--direction", direction, "--quiet"]
    if name == "batch":
        return ["batch", str(data), "-o", str(results), "--format", kind, "--scores", "--overview", *common]
    outputs = ["-o", f"{results}/labels.{kind}", "--scores", f"{results}/s.csv", "--overview", f"{results}/o.png"]
    if name == "volumes":
        data, common = data.with_name("volumes"), [*common, "--axes", "TZYX"]
    seeds = ["--seeds", str(data / "movie_seeds.npy")]
    return ["propagate", str(data / "movie.npy"), *seeds, *outputs, *common]


def contents(folder: Path) -> dict[str, str]:
    """Return every file below a folder with a digest of its content; folders that are empty count as well.

    Of a TIFF the pixels count: its description holds a number of its own (UUID) each time one is written.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file():
            content = tifffile.imread(path).tobytes() if path.suffix == ".tif" else path.read_bytes()
            found[name] = hashlib.sha256(content).hexdigest()
        elif not any(path.iterdir()):
            found[name] = "empty folder"
    return found


def in_child(
    arguments: list[str], folder: Path, changes: Changes, last: int = 0, save_often: bool = False
) -> tuple[int, int]:
    """Run the command line in a forked process; returns its exit code (minus the signal) and the changes it made."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 99
        try:
            from napari_xmem.cli import main
            from napari_xmem.session import checkpoint

            if save_often:  # after every frame, not once a minute
                checkpoint._SAVE_AFTER_S, checkpoint._SAVE_SHARE = 0.0, 1e9
            changes.begin(folder, last)
            code = main(arguments)
            os.write(writing, str(changes.count).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        count = int(pipe.read() or 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), count


def check(
    name: str, kind: str, direction: str, model: str, points: list[float], changes: Changes, save_often: bool = False
) -> list[str]:
    """Kill one kind of run at some points (shares of all its changes) and say what went wrong."""
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write_movie(root / "data")
        results = root / RESULTS

        def run(last: int = 0, *more: str) -> tuple[int, int]:
            arguments = [*command(name, root / "data", results, kind, direction, model), *more]
            return in_child(arguments, results, changes, last, save_often)

        results.mkdir()
        code, total = run()
        expected = contents(results)
        if code or len([path for path in expected if "/" not in path]) < 2:
            return [f"{name} {kind} {direction}: the run that was left alone ended with {code}: {sorted(expected)}"]
        for point in points:
            last = 1 + int(point * (total - 1))
            shutil.rmtree(results)
            results.mkdir()
            killed, _ = run(last)
            again, _ = run(0, *(["--resume"] if name != "batch" else []))
            found = contents(results)
            what = f"{name} {kind} {direction}, killed before change {last} of {total}"
            if killed != -signal.SIGKILL or again:
                wrong.append(f"{what}: ended with {killed}, then {again}")
            elif found != expected:
                names = sorted(path for path in {*found, *expected} if found.get(path) != expected.get(path))
                wrong.append(f"{what}: other content of {names}")
    return wrong


def main() -> int:
    """Kill, take up, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=50, metavar="N")
    parser.add_argument("--model", default="bundled", help="a small one is faster")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="propagate, npy, both ...")
    args = parser.parse_args()
    import torch

    import napari_xmem.cli.command_line
    import napari_xmem.io
    import napari_xmem.session.checkpoint  # noqa: F401

    torch.set_num_threads(1)  # before forking
    kinds = [(c, f, d) for c in COMMANDS for f in FORMATS for d in DIRECTIONS if {*args.only} <= {c, f, d}]
    draw = random.Random(args.seed)
    points: dict[tuple[str, str, str], list[float]] = {kind: [] for kind in kinds}
    for number in range(args.kills):
        # The end of a run, where outputs get their names one after the other, is tried as often as all the rest.
        point = draw.random() if number % 2 else 1 - 0.25 * draw.random()
        points[kinds[number % len(kinds)]].append(point)
    changes, wrong = Changes(), []
    for number, ((name, kind, direction), at) in enumerate(points.items()):
        found = check(name, kind, direction, args.model, at, changes, save_often=number % 2 == 0) if at else []
        wrong += found
        print(f"{name:10}{kind:6}{direction:10}{len(at):4} kills, {len(found)} wrong", flush=True)
        for line in found:
            print(f"  {line}", flush=True)
    print(f"{args.kills} kills, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
