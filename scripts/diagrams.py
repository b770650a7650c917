"""Draw the diagrams of the documentation as SVG, so that pages need nothing from elsewhere.

python scripts/diagrams.py [FOLDER]    writes memory_life.svg and frame_way.svg, by default to docs/images/
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

INK, PAPER, QUIET = "#263238", "#ffffff", "#607d8b"
FILLS = {"store": "#cfe3f5", "step": "#eceff1", "person": "#fdebc8", "plain": "#f7f9fa", "part": "#dcefdc"}


@dataclass(frozen=True)
class Box:
    """A box with text; x and y are its middle, in inches."""

    x: float
    y: float
    width: float
    height: float
    text: str
    kind: str = "plain"


@dataclass(frozen=True)
class Arrow:
    """From a point of one box to a point of another; points are in halves of the box, right and up."""

    start: str
    end: str
    text: str = ""
    leave: tuple[float, float] = (0, -1)
    arrive: tuple[float, float] = (0, 1)
    bend: float = 0.0
    dashed: bool = False
    both: bool = False
    text_at: tuple[float, float] = (0.1, 0)
    align: str = "left"


def draw(boxes: dict[str, Box], arrows: list[Arrow], size: tuple[float, float], path: Path) -> None:
    with mpl.rc_context({"svg.hashsalt": path.stem, "font.family": "DejaVu Sans", "font.size": 9}):
        figure = Figure(figsize=size, facecolor=PAPER)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, size[0]), ylim=(0, size[1]))
        axes.axis("off")
        for box in boxes.values():
            corner = (box.x - box.width / 2, box.y - box.height / 2)
            style = "round,pad=0,rounding_size=0.08"
            axes.add_patch(
                FancyBboxPatch(corner, box.width, box.height, style, fc=FILLS[box.kind], ec=QUIET, linewidth=1)
            )
            axes.text(box.x, box.y, box.text, ha="center", va="center", color=INK, linespacing=1.35)
        for arrow in arrows:
            (x0, y0), (x1, y1) = _point(boxes[arrow.start], arrow.leave), _point(boxes[arrow.end], arrow.arrive)
            axes.add_patch(
                FancyArrowPatch(
                    (x0, y0), (x1, y1), arrowstyle="<|-|>" if arrow.both else "-|>", mutation_scale=11, color=QUIET,
                    linewidth=1.2, shrinkA=1, shrinkB=1, linestyle=(0, (4, 3)) if arrow.dashed else "-",
                    connectionstyle=f"arc3,rad={arrow.bend}",
                )
            )  # fmt: skip
            middle = ((x0 + x1) / 2 + arrow.text_at[0], (y0 + y1) / 2 + arrow.text_at[1])
            axes.text(*middle, arrow.text, ha=arrow.align, va="center", color=INK, fontsize=8, fontstyle="italic")
        figure.savefig(path, format="svg", metadata={"Date": None})


def _point(box: Box, where: tuple[float, float]) -> tuple[float, float]:
    return box.x + where[0] * box.width / 2, box.y + where[1] * box.height / 2


def memory_life(folder: Path) -> None:
    boxes = {
        "frame": Box(2.2, 6.9, 2.8, 0.55, "a frame, every\nmemory_interval_frames"),
        "seeded": Box(6.1, 6.9, 2.2, 0.55, "a seeded or\ncorrected frame"),
        "protect": Box(8.4, 6.9, 1.6, 0.55, "a person:\nprotect", "person"),
        "working": Box(2.2, 5.6, 2.8, 0.65, "working memory\nnewest frames, all their elements", "store"),
        "permanent": Box(7.2, 5.6, 2.8, 0.65, "permanent memory\nnever removed by a policy", "store"),
        "steps": Box(
            2.2, 3.5, 3.9, 1.75,
            "consolidation of all but the newest frames\n"
            "1. prototype selection: num_prototypes stay\n"
            "2. potentiation: each prototype's value is\naveraged over all candidates\n"
            "3. removal of obsolete features,\nuntil the prototypes fit", "step",
        ),
        "long": Box(2.2, 1.75, 3.1, 0.65, "long-term memory\nat most long_term_max_elements", "store"),
        "gone": Box(2.2, 0.5, 1.1, 0.4, "gone"),
        "read": Box(
            7.2, 3.5, 2.8, 0.75,
            "read: the top_k most similar\nelements of all stores,\none answer per query", "step",
        ),
        "forget": Box(7.2, 0.5, 2.8, 0.55, "a person: forget,\nforget_frames, correct", "person"),
    }  # fmt: skip
    counted = "dashed: what answered is counted\n(usage, relevance, contribution)"
    arrows = [
        Arrow("frame", "working", "add"),
        Arrow("seeded", "permanent", "add(permanent=True)", arrive=(-0.7857, 1), text_at=(-0.1, 0), align="right"),
        Arrow("protect", "permanent", arrive=(0.857, 1)),
        Arrow("working", "steps", "working_max_frames reached"),
        Arrow("steps", "long"),
        Arrow("long", "gone", "eviction: least worth"),
        Arrow("forget", "gone", leave=(-1, 0), arrive=(1, 0)),
        Arrow("working", "read", leave=(1, 0), arrive=(-0.7, 1)),
        Arrow("permanent", "read", leave=(-0.2, -1), arrive=(-0.2, 1)),
        Arrow("long", "read", leave=(1, 0.3), arrive=(-0.7, -1)),
        Arrow("read", "working", leave=(-1, 0.5), arrive=(1, -0.6), dashed=True),
        Arrow("read", "permanent", counted, leave=(0.2, 1), arrive=(0.2, -1), dashed=True, text_at=(0.12, 0)),
        Arrow("read", "long", leave=(-0.3, -1), arrive=(1, -0.3), dashed=True),
    ]
    draw(boxes, arrows, (9.8, 7.4), folder / "memory_life.svg")


def frame_way(folder: Path) -> None:
    boxes = {
        "file": Box(0.9, 3.8, 1.4, 0.5, "movie file\n(io reads)", "part"),
        "viewer": Box(0.9, 2.6, 1.4, 0.5, "napari layer\n(widgets read)", "part"),
        "imaging": Box(3.0, 3.2, 1.3, 0.6, "imaging\nnormalised image", "part"),
        "gate": Box(5.2, 3.2, 1.6, 0.6, "scopes: drift, gate\ncan it be believed?", "step"),
        "masks": Box(7.6, 3.2, 1.8, 0.6, "scopes: regions, read,\ndecode, who owns what", "step"),
        "model": Box(6.8, 4.6, 1.0, 0.5, "model", "part"),
        "memory": Box(8.4, 4.6, 1.0, 0.5, "memory", "store"),
        "division": Box(7.6, 1.8, 1.8, 0.6, "division:\none object or two?", "step"),
        "result": Box(5.2, 1.8, 1.7, 0.6, "FrameResult: labels,\nbirths, ends, events", "step"),
        "tracking": Box(3.0, 0.5, 1.3, 0.5, "tracking\nlineage", "part"),
        "session": Box(5.2, 0.5, 1.7, 0.5, "session: results,\nundo, corrections", "part"),
        "out": Box(3.0, 1.8, 1.4, 0.5, "labels:\nfile or layer"),
        "tracks": Box(0.9, 0.5, 1.4, 0.5, "GEFF, CTC, CSV,\nTracks layer"),
        "person": Box(7.6, 0.5, 1.5, 0.5, "a person corrects", "person"),
    }
    along = {"leave": (1, 0), "arrive": (-1, 0)}
    back = {"leave": (-1, 0), "arrive": (1, 0)}
    arrows = [
        Arrow("file", "imaging", "frame t", leave=(1, 0), arrive=(-1, 0.5), text_at=(0.05, 0.17)),
        Arrow("viewer", "imaging", "frame t", leave=(1, 0), arrive=(-1, -0.5), text_at=(0.05, -0.2)),
        Arrow("imaging", "gate", **along),
        Arrow("gate", "masks", **along),
        Arrow(
            "masks",
            "model",
            "image, masks",
            leave=(-0.4, 1),
            arrive=(0.2, -1),
            both=True,
            text_at=(-0.15, 0.05),
            align="right",
        ),
        Arrow("masks", "memory", "keys,\nvalues", leave=(0.4, 1), arrive=(-0.2, -1), both=True, text_at=(0.1, 0)),
        Arrow("masks", "division"),
        Arrow(
            "division", "memory", "what is\nwritten", leave=(1, 0), arrive=(0.6, -1), text_at=(0.42, -0.45), bend=0.3
        ),
        Arrow("division", "result", **back),
        Arrow("result", "out", **back),
        Arrow("result", "session"),
        Arrow("result", "tracking", leave=(-0.8, -1), arrive=(0.6, 1)),
        Arrow("session", "tracking", **back),
        Arrow("tracking", "tracks", **back),
        Arrow("person", "session", **back),
    ]
    draw(boxes, arrows, (9.8, 5.1), folder / "frame_way.svg")


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "images")
    memory_life(folder)
    frame_way(folder)


if __name__ == "__main__":
    main()
