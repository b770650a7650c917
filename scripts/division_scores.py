"""How well divisions are found: simulated movies of every dividing kind, movies without divisions, real ones."""

from __future__ import annotations

import argparse
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import napari_xmem as nx
from napari_xmem.simulate import simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_xmem.engine.results import PropagationResult
    from napari_xmem.model import XMem
    from napari_xmem.simulate import SimulatedMovie

DIVIDING = (
    "nuclei", "sparse_nuclei", "mitosis", "dim_nuclei", "phase_cells", "dic_cells", "brightfield_cells",
    "membranes", "rods_phase", "rods_fluorescence", "rods_septate",
)  # fmt: skip
STILL = ("em_stack", "amoebae", "organoids")
REAL = ("dev_ecoli_divisions", "dev_yeast_budding")
#: First word of every seed here; seeds of training start with 0 to 3, of validation with 1 000 003.
APART = 3_000_003
TOLERANCE_FRAMES = 2
#: What shows less is not asked for: it lies at the border, or under others.
LEAST_PX = 30


@dataclass
class Counts:
    """Divisions of some movies: how many there are, were found, and are both; errors of the frame; object-frames."""

    true: int = 0
    found: int = 0
    both: int = 0
    errors: list[int] = field(default_factory=list)
    object_frames: int = 0

    def row(self, name: str) -> str:
        """Return a row of the table; a dash where nothing can be divided by."""
        precision, recall = _share(self.both, self.found), _share(self.both, self.true)
        f1 = _share(2 * self.both, self.true + self.found)
        error = f"{np.mean(np.abs(self.errors)):.2f}" if self.errors else "-"
        false = f"{1000 * (self.found - self.both) / max(1, self.object_frames):.1f}"
        counts = f"{self.true} | {self.found} | {self.both}"
        return f"| {name} | {counts} | {precision} | {recall} | {f1} | {error} | {false} |"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


def movie(kind: str, number: int, args: argparse.Namespace) -> SimulatedMovie:
    """Return a simulated movie; of a dividing kind one in which a cell of the first frame divides."""
    for attempt in range(40):
        rng = np.random.default_rng([APART, zlib.crc32(kind.encode()), number, attempt])
        diameter = 36 if kind.startswith("rods") else 26
        made = simulate(
            kind, rng, frames=args.frames, size_px=(args.size, args.size), n_objects=args.objects, diameter_px=diameter
        )
        if kind in STILL or wanted(made):
            return made
    return made


def wanted(made: SimulatedMovie) -> dict[int, int]:
    """Return the divisions that can be seen of cells of the first frame and of their daughters: mother to frame.

    Mother and both daughters have to show at least `LEAST_PX` pixels within two frames before and after it.
    """
    known = {i for i, t in made.births.items() if t == 0}
    found = {}
    for mother, frame in sorted(made.divisions.items(), key=lambda item: item[1]):
        daughters = {child for child, its in made.parents.items() if its == mother}
        before = made.bodies[max(0, frame - 2) : frame] == mother
        after = [made.bodies[frame : frame + 3] == child for child in daughters]
        seen = all(shown.sum((1, 2)).max(initial=0) >= LEAST_PX for shown in (before, *after))
        if mother in known and frame > 0 and len(daughters) > 1 and seen:
            found[mother] = frame
        if mother in known:
            known |= daughters
    return found


def compare(made: SimulatedMovie, result: PropagationResult, backward: bool, counts: Counts) -> None:
    """Count the divisions of a movie: right are those of the same mother, at most two frames early or late.

    Divisions that are there, but show too little to be asked for, are neither right nor false.
    """
    true, bodies = wanted(made), made.bodies
    first = 1 if backward else 0
    true = {mother: frame for mother, frame in true.items() if frame > first}
    pairs = []
    divisions = [d for d in result.lineage.divisions if d.frame > first]
    for n, division in enumerate(divisions):
        body = _body_of(division.mother, division.frame, result, bodies)
        for mother in {body, made.parents.get(body, 0), *(c for c, m in made.parents.items() if m == body)}:
            error = division.frame - made.divisions.get(mother, 10**6)
            if abs(error) <= TOLERANCE_FRAMES:
                pairs.append((abs(error), n, mother, error))
    used: set[int] = set()
    mothers: set[int] = set()
    for _, n, mother, error in sorted(pairs):
        if n not in used and mother not in mothers:
            used.add(n)
            mothers.add(mother)
            if mother in true:
                counts.errors.append(error)
    both = len(mothers & true.keys())
    counts.true += len(true)
    counts.found += len(divisions) - len(used) + both
    counts.both += both
    counts.object_frames += int((result.scores.area_px > 0).sum())


def _body_of(mother: int, frame: int, result: PropagationResult, bodies: NDArray[np.integer]) -> int:
    """Return the body that a mother covered most of when she was last seen before a frame; 0: none."""
    for before in range(frame - 1, max(-1, frame - 4), -1):
        inside = np.bincount(bodies[before][result.labels[before] == mother])
        if len(inside) > 1:
            return int(np.argmax(inside[1:])) + 1
    return 0


def simulated(network: XMem, args: argparse.Namespace) -> None:
    """Print a row per kind, and one of all."""
    total = Counts()
    for kind in args.kinds:
        counts = Counts()
        for number in range(args.first, args.first + args.movies):
            made = movie(kind, number, args)
            seeded = args.frames - 1 if args.backward else 0
            result = nx.propagate(
                made.image,
                {seeded: made.bodies[seeded].astype(np.int64)},
                model=network,
                direction="backward" if args.backward else "forward",
                scope="local",
            )
            compare(made, result, args.backward, counts)
        print(counts.row(kind), flush=True)
        for name in ("true", "found", "both", "object_frames"):
            setattr(total, name, getattr(total, name) + getattr(counts, name))
        total.errors += counts.errors
    print(total.row("all of them"), flush=True)


def real(network: XMem, name: str, args: argparse.Namespace) -> None:
    """Print the scores of a real movie followed from the labels of its first frame."""
    from napari_xmem.tracking.metrics import score_tracking

    with np.load(args.data / f"{name}.npz") as archive:
        stop = args.stop or len(archive["frames"])
        frames, labels, rows = archive["frames"][:stop], archive["labels"][:stop], archive["lineage"]
    there = set(np.unique(labels).tolist())
    parents = {int(child): int(mother) for child, mother, _ in rows if {int(child), int(mother)} <= there}
    begun = time.process_time()
    result = nx.propagate(frames, {0: labels[0].astype(np.int64)}, model=network)
    seconds = time.process_time() - begun
    truth = nx.Lineage.from_labels(labels, parents)
    scores = score_tracking(result.labels, result.lineage, labels, truth)
    print(f"{name}, {stop} frames, {seconds:.0f} s\n{scores}", flush=True)


def main(argv: list[str] | None = None) -> None:
    """Read the command line, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="+", default=[*DIVIDING, *STILL], help="kinds of simulated movies")
    parser.add_argument("--movies", type=int, default=20, help="movies per kind; 0: none")
    parser.add_argument("--first", type=int, default=0, help="number of the first movie: others than were looked at")
    parser.add_argument("--model", default="bundled", help="bundled, cells, or a file of weights")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--size", type=int, default=144, help="side of the frames in pixels")
    parser.add_argument("--objects", type=int, default=4, help="about how many cells on the first frame")
    parser.add_argument("--backward", action="store_true", help="from the last frame to the first")
    parser.add_argument("--data", type=Path, help="folder with the real movies; they are scored as well")
    parser.add_argument("--real", nargs="+", default=REAL, help="names of the real movies")
    parser.add_argument("--stop", type=int, help="frames of the real movies")
    args = parser.parse_args(argv)
    network = nx.load_model(args.model)
    if args.movies:
        print("| kind | true | found | both | precision | recall | F1 | frame error | false per 1,000 |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        simulated(network, args)
    for name in args.real if args.data else ():
        real(network, name, args)


if __name__ == "__main__":
    main()
