"""``napari-xmem demo``: the whole way on a simulated movie."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem.cli.options import add_model_options, add_setting, memory_config, run_settings
from napari_xmem.cli.terminal.machine import environment_defaults
from napari_xmem.cli.terminal.messages import say
from napari_xmem.cli.terminal.progress import progress
from napari_xmem.cli.terminal.talk import add_talk
from napari_xmem.errors import InputError, OutputError

if TYPE_CHECKING:
    import argparse

    import numpy as np
    from numpy.typing import NDArray

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]

_VIEW = '''"""Open the demo in napari, with the widget that made it."""

from pathlib import Path

import napari
import tifffile

here = Path(__file__).parent
viewer = napari.Viewer(title="napari-xmem demo")
viewer.add_image(tifffile.imread(here / "movie.tif"), name="movie")
viewer.add_labels(tifffile.imread(here / "seeds.tif"), name="seeds", visible=False)
viewer.add_labels(tifffile.imread(here / "labels.tif"), name="labels", opacity=0.5)
_, widget = viewer.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")
widget.image, widget.seeds = "movie", "seeds"
viewer.dims.set_point(0, 0)
napari.run()
'''


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "demo",
        help="propagate seeds through a simulated movie",
        description="Simulate a movie of nuclei, propagate the labels of its first frame, score and draw the result.",
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
    from napari_xmem.memory import check_policies
    from napari_xmem.sample_data import simulated_nuclei
    from napari_xmem.tracking import evaluate

    check_policies(memory_config(args.memory))
    run_settings(args)
    if args.folder and args.output and Path(args.folder) != Path(args.output):
        raise InputError(f"two folders for the results: {args.folder} and {args.output}; give one.")
    folder = Path(args.folder or args.output or "demo")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}.") from error
    movie, truth = simulated_nuclei()
    _write(folder / "movie.tif", movie)
    _write(folder / "truth.tif", truth)
    seeds = truth.copy()
    seeds[1:] = 0
    _write(folder / "seeds.tif", seeds)
    labels = _propagate(args, folder, movie, seeds)
    (folder / "view.py").write_text(_VIEW, encoding="utf-8")
    table = evaluate(labels, truth)
    copied = evaluate(truth[:1].repeat(len(truth), axis=0), truth)
    say(str(table))
    say(f"(copying the seeds would score J {copied.mean_jaccard:.3f}, id {copied.identity:.3f})")
    say()
    say(f"labels    {folder / 'labels.tif'}")
    say(f"overview  {folder / 'overview.png'}")
    say(f"in napari: {shlex.quote(sys.executable)} {shlex.quote(str(folder / 'view.py'))}")
    return 0


def _propagate(
    args: argparse.Namespace, folder: Path, movie: NDArray[np.uint16], seeds: NDArray[np.uint16]
) -> NDArray[np.integer]:
    import numpy as np

    from napari_xmem.engine import iter_propagate
    from napari_xmem.imaging import FrameSource
    from napari_xmem.io import LabelWriter
    from napari_xmem.io.overview import Overview

    source = FrameSource(movie)
    labels = np.zeros_like(seeds)
    overview = Overview.of_range(source, 0, len(source))
    memory = memory_config(args.memory)
    results = iter_propagate(source, seeds, model=args.model, memory=memory, **run_settings(args))
    with (
        LabelWriter(folder / "labels.tif", labels.shape, labels.dtype, overwrite=True) as writer,
        progress(len(source), "propagating", args.quiet) as bar,
    ):
        for result in results:
            labels[result.frame] = result.labels
            writer.write(result.frame, result.labels)
            overview.add(result.frame, result.labels, result.seeded)
            bar.update()
    overview.save(folder / "overview.png")
    return labels


def _write(path: Path, array: NDArray[np.uint16]) -> None:
    from napari_xmem.io import LabelWriter

    with LabelWriter(path, array.shape, array.dtype, overwrite=True) as writer:
        for t, frame in enumerate(array):
            writer.write(t, frame)
