"""Tracks and measurements of a run as files, and lineages beside labels that are to be scored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.lineage_reader import read_lineage
from napari_xmem.cli.output_guard import may_replace
from napari_xmem.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from napari_xmem.io import Movie
    from napari_xmem.tracking import Event
    from napari_xmem.tracking.metrics import TrackingScores

__all__ = ["add_scored_tracks", "add_track_outputs", "labels_and_parents", "score_tracks", "write_track_outputs"]


def add_track_outputs(parser: argparse._ActionsContainer) -> None:
    """Add ``--tracks`` and ``--measure``."""
    parser.add_argument(
        "--tracks", metavar="PATH", help="also write tracks: NAME.geff, NAME.csv or a folder NAME_RES (CTC)"
    )
    parser.add_argument(
        "--measure", metavar="CSV", help="also write size, place, shape, brightness and speed per object and frame"
    )


def write_track_outputs(
    args: argparse.Namespace, movie: Movie, frame_range: tuple[int, int], events: Iterable[Event] = ()
) -> None:
    """Write tracks and measurements of labels that stand in their file already; they are read frame by frame.

    Parameters
    ----------
    args : Namespace
        ``output``, ``tracks``, ``measure`` and ``overwrite``.
    movie : Movie
        The movie that was propagated.
    frame_range : tuple of 2 int
        First frame and end.
    events : iterable of Event
        What happened: who divided, who left.
    """
    if not (args.tracks or args.measure):
        return
    from napari_xmem.io import open_labels, write_tracks
    from napari_xmem.tracking import Lineage, measure

    labels = open_labels(args.output, movie.axes.removesuffix("C"), volumes=True).data
    lineage = Lineage.from_labels(labels, frames=range(*frame_range), events=events)
    if args.tracks:
        scale: tuple[float, ...] | None = movie.scale
        if scale is not None and lineage.detections.ndim == 3:
            scale = None if movie.z_step is None else (movie.z_step, *scale)
        write_tracks(
            args.tracks,
            (labels, lineage),
            overwrite=may_replace(args, args.tracks),
            scale=scale,
            unit=movie.unit,
            labels_path=os.path.relpath(args.output, Path(args.tracks).parent),
        )
    if args.measure:
        measure(movie, labels, lineage).to_csv(args.measure)


def add_scored_tracks(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``evaluate`` that name lineages."""
    group = parser.add_argument_group(
        "tracks",
        "Scores of links and divisions, where the truth's lineage is known: from a folder of the Cell Tracking "
        "Challenge given as PRED or TRUTH, or from a file: .geff, .csv, a table L B E P, or an npz with array "
        "'lineage'.",
    )
    group.add_argument("--tracks", metavar="FILE", help="lineage of PRED; without it PRED divides nowhere")
    group.add_argument("--true-tracks", metavar="FILE", help="lineage of TRUTH")


def labels_and_parents(path: str, tracks: str | None) -> tuple[Any, dict[int, int] | None]:
    """Open labels, and read who is whose daughter where that is known.

    Parameters
    ----------
    path : str
        Labels: a file, or a folder of the Cell Tracking Challenge, which has its own lineage.
    tracks : str, optional
        The lineage, where it lies in a file of its own.

    Returns
    -------
    labels : array_like, (T, Y, X) or (T, Z, Y, X)
        Read frame by frame.
    parents : dict of int to int, or None
        Daughter to mother; None: not known.

    Raises
    ------
    InputError
        If one of them cannot be read.
    """
    from napari_xmem.io import open_labels
    from napari_xmem.io.tracks.ctc import CtcMasks, ctc_folder, read_ctc_parents

    folder = ctc_folder(Path(path))
    if folder is not None:
        labels: Any = CtcMasks(folder)
        return labels, read_lineage(tracks) if tracks else read_ctc_parents(folder)
    return open_labels(path, volumes=True).data, read_lineage(tracks) if tracks else None


def score_tracks(
    labels: Any,
    parents: dict[int, int] | None,
    true_labels: Any,
    true_parents: dict[int, int] | None,
    seed_frame: int,
) -> TrackingScores | None:
    """Score tracks, or return None where the true lineage is not known.

    Raises
    ------
    InputError
        If only the found lineage is known, it cannot be, or a library is missing.
    """
    if true_parents is None:
        if parents is not None:
            raise InputError("the lineage of PRED is known, that of TRUTH is not: name it with --true-tracks.")
        return None
    from napari_xmem.tracking import Lineage
    from napari_xmem.tracking.metrics import check_metrics, score_tracking

    check_metrics()
    sides = []
    for name, side, mothers in (("PRED", labels, parents), ("TRUTH", true_labels, true_parents)):
        try:
            sides.append(Lineage.from_labels(side, mothers or {}))
        except InputError as error:
            raise InputError(f"lineage of {name}: {error}") from error
    return score_tracking(labels, sides[0], true_labels, sides[1], seed_frame=seed_frame)
