"""``napari-xmem demo``: the whole way on a simulated movie."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem.cli.options import add_model_options, add_setting, memory_config, run_settings
from napari_xmem.cli.terminal.printing import say
from napari_xmem.cli.terminal.progress import progress
from napari_xmem.cli.terminal.threads import environment_defaults
from napari_xmem.cli.terminal.verbosity_options import add_talk
from napari_xmem.errors import InputError, OutputError
from napari_xmem.words import counted

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from numpy.typing import NDArray

    from napari_xmem.tracking import Event, Lineage

    Labels = NDArray[np.uint16]
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]

_VIEW = '''"""Open the demo in napari, with the widget that made it and the tree of its cells."""

from pathlib import Path

import napari
import tifffile

here = Path(__file__).parent
viewer = napari.Viewer(title="napari-xmem demo")
viewer.add_image(tifffile.imread(here / "movie.tif"), name="movie")
viewer.add_labels(tifffile.imread(here / "seeds.tif"), name="seeds", visible=False)
labels = viewer.add_labels(tifffile.imread(here / "labels.tif"), name="labels", opacity=0.5)
viewer.open(here / "lineage.csv", plugin="napari-xmem", name="lineage")
_, widget = viewer.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")
widget.image, widget.seeds = "movie", "seeds"
viewer.dims.set_point(0, 0)
napari.run()
'''


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "demo",
        help="follow dividing nuclei through a simulated movie",
        description="Simulate a movie of dividing nuclei, propagate the labels of its first frame, score labels, links "
        "and divisions, and draw frames and family trees.",
    )
    parser.add_argument("folder", nargs="?", help="folder for the results (default: demo)")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="the same")
    add_setting(parser, "direction")
    add_model_options(parser)
    add_talk(parser)
    environment_defaults(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Simulate, propagate, score, draw, and say how to look at it."""
    from napari_xmem.io import write_tracks
    from napari_xmem.memory import check_policies
    from napari_xmem.sample_data import dividing_nuclei
    from napari_xmem.tracking import Lineage, evaluate
    from napari_xmem.tracking.ancestry import labels_of_founders

    check_policies(memory_config(args.memory))
    run_settings(args)
    if args.folder and args.output and Path(args.folder) != Path(args.output):
        raise InputError(f"two folders for the results: {args.folder} and {args.output}; give one.")
    folder = Path(args.folder or args.output or "demo")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}.") from error
    simulated = dividing_nuclei()
    movie, truth = simulated.image, simulated.bodies
    _write(folder / "movie.tif", movie)
    _write(folder / "truth.tif", truth)
    seeds = truth.copy()
    seeds[1:] = 0
    _write(folder / "seeds.tif", seeds)
    labels, lineage = _propagate(args, folder, movie, seeds)
    write_tracks(folder / "lineage.csv", (labels, lineage), overwrite=True)
    (folder / "view.py").write_text(_VIEW, encoding="utf-8")
    table = evaluate(labels_of_founders(labels, lineage.founder), simulated.labels, "usual")
    copied = evaluate(simulated.labels[:1].repeat(len(truth), axis=0), simulated.labels, "usual")
    say(str(table))
    say(f"(daughters counted as their mothers; copying the seeds would score J {copied.mean_jaccard:.3f}, "
        f"id {copied.identity:.3f})")  # fmt: skip
    say()
    _say_tracks(labels, lineage, truth, Lineage.from_labels(truth, simulated.parents))
    say()
    say(f"labels    {folder / 'labels.tif'}")
    say(f"lineage   {folder / 'lineage.csv'}")
    say(f"overview  {folder / 'overview.png'}")
    say(f"in napari: {shlex.quote(sys.executable)} {shlex.quote(str(folder / 'view.py'))}")
    return 0


def _say_tracks(labels: Labels, lineage: Lineage, truth: Labels, true_lineage: Lineage) -> None:
    """Say how many cells, links and divisions are right, where the libraries of these scores are installed."""
    from napari_xmem.tracking.metrics import check_metrics, score_tracking

    n_painted = sum(first == 0 for first in true_lineage.first_frame.values())
    say(f"{counted(n_painted, 'cell')} painted on frame 0, {counted(len(lineage), 'cell')} at the end, "
        f"{counted(len(lineage.divisions), 'division')}")  # fmt: skip
    try:
        check_metrics()
    except InputError as error:
        say(f"({error})")
        return
    say(str(score_tracking(labels, lineage, truth, true_lineage)))


def _propagate(args: argparse.Namespace, folder: Path, movie: Labels, seeds: Labels) -> tuple[Labels, Lineage]:
    import numpy as np

    from napari_xmem.engine import iter_propagate
    from napari_xmem.imaging import FrameSource
    from napari_xmem.io import LabelWriter
    from napari_xmem.io.overview_picture import Overview
    from napari_xmem.tracking import Lineage

    source = FrameSource(movie)
    labels = np.zeros_like(seeds)
    overview = Overview.of_range(source, 0, len(source))
    memory = memory_config(args.memory)
    results = iter_propagate(source, seeds, model=args.model, memory=memory, **run_settings(args))
    events: list[Event] = []
    with (
        LabelWriter(folder / "labels.tif", labels.shape, labels.dtype, overwrite=True) as writer,
        progress(len(source), "propagating", args.quiet) as bar,
    ):
        for result in results:
            labels[result.frame] = result.labels
            events += result.events
            writer.write(result.frame, result.labels)
            overview.add(result.frame, result.labels, result.seeded)
            bar.update()
    lineage = Lineage.from_labels(labels, events=events)
    overview.set_tree(lineage)
    overview.save(folder / "overview.png")
    return labels, lineage


def _write(path: Path, array: Labels) -> None:
    from napari_xmem.io import LabelWriter

    with LabelWriter(path, array.shape, array.dtype, overwrite=True) as writer:
        for t, frame in enumerate(array):
            writer.write(t, frame)
