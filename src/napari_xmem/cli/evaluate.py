"""``napari-xmem evaluate``: labels against a true labelling, or a model on the suite of validation movies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_xmem.cli.lineage_reader import read_lineage
from napari_xmem.cli.optional_commands import import_extra
from napari_xmem.cli.options import int_list
from napari_xmem.cli.terminal.json_file import check_json, write_json
from napari_xmem.cli.terminal.printing import say
from napari_xmem.cli.terminal.progress import progress
from napari_xmem.cli.terminal.verbosity_options import add_talk
from napari_xmem.cli.track_outputs import add_scored_tracks, labels_and_parents, score_tracks
from napari_xmem.errors import InputError
from napari_xmem.words import number_list

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_xmem.tracking import EvaluationTable

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score labels against true ones, or a model on the validation suite",
        description="Mean Jaccard index (J), share of objects with J > 0.5 (id), swaps and losses per frame. "
        "With --suite: a model on the fixed movies of the validation suite, with baselines beside it.",
    )
    parser.add_argument("pred", nargs="?", metavar="PRED", help="labels to score")
    parser.add_argument(
        "truth", nargs="?", metavar="TRUTH", help="true labels with the same ids, for example movie.npz:labels"
    )
    parser.add_argument(
        "--frames",
        metavar="T,T|all",
        help="frames to score (default 1,5,9,10,19; of shorter movies those that they have, and the last)",
    )
    parser.add_argument("--seed-frame", type=int, default=0, metavar="T", help="frame whose objects are followed")
    parser.add_argument("--objects", type=int_list, metavar="ID,ID", help="score these objects only")
    parser.add_argument(
        "--lineage",
        metavar="FILE",
        help="daughters count as their mothers: an npz with array "
        "'lineage', a CSV of child,parent or a CTC track table (L B E P)",
    )
    parser.add_argument("--per-object", action="store_true", help="also print each object's mean J")
    add_scored_tracks(parser)
    _add_suite(parser)
    add_talk(parser, "all numbers")
    parser.set_defaults(run=run, answers=True)


def _add_suite(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("validation suite")
    group.add_argument("--suite", action="store_true", help="run a model on the suite instead of scoring files")
    group.add_argument("--model", default="bundled", help="bundled, xmem or a weights file")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="image archives and tracked movies; without it simulated kinds only"
    )
    group.add_argument("--kinds", nargs="+", default=[], metavar="KIND", help="these kinds of movie only")
    group.add_argument("--no-baselines", action="store_true", help="leave out copied seeds, flow, flow and watershed")
    group.add_argument(
        "--with-tracks",
        action="store_true",
        help="also score tracks and divisions where the lineage is known, beside naive splitting and laptrack",
    )
    group.add_argument("--markdown", action="store_true", help="print the table for a document")


def _run_suite(args: argparse.Namespace) -> int:
    if args.pred is not None:
        raise InputError("--suite runs a model on movies of its own; leave out PRED and TRUTH.")
    suite = import_extra("napari_xmem_training.suite")
    options = suite.SuiteOptions(args.model, args.device, args.data, tuple(args.kinds), not args.no_baselines)
    if args.with_tracks:
        from napari_xmem.tracking.metrics import check_metrics

        check_metrics()
        options = replace(options, tracks=True)
    with progress(suite.count_movies(options), "suite", args.quiet, unit="movie") as bar:
        report = suite.run_suite(options, lambda done, total, name: bar.update())
    say(report.markdown() if args.markdown else str(report))
    left_out = [kind.name for kind in suite.KINDS if kind.needs] if args.data is None and not args.kinds else []
    if left_out and not args.quiet:
        say(f"left out for want of --data: {', '.join(left_out)}")
    if args.json is not None:
        write_json(args.json, report.to_dict())
    return 0


def run(args: argparse.Namespace) -> int:
    """Print the table, which frames it is about, and what copying the seeds would score."""
    from napari_xmem.tracking import evaluate

    check_json(args.json, (args.pred, args.truth))
    if args.suite:
        return _run_suite(args)
    if args.pred is None or args.truth is None:
        raise InputError("evaluate needs PRED and TRUTH, or --suite.")
    pred, parents = labels_and_parents(args.pred, args.tracks)
    truth, true_parents = labels_and_parents(args.truth, args.true_tracks)
    frames = _frames(args.frames)
    lineage = read_lineage(args.lineage) if args.lineage else None
    table = evaluate(pred, truth, frames, args.seed_frame, lineage, args.objects)
    say(str(table))
    if not args.quiet:
        _say_frames(table, int(truth.shape[0]), frames)
    if args.per_object:
        say("object  mean J")
        for i, jaccard in table.per_object().items():
            say(f"{i:6d}  {jaccard:6.3f}")
    copied = _Repeated(np.asarray(truth[args.seed_frame]), int(truth.shape[0]))
    baseline = evaluate(copied, truth, frames, args.seed_frame, lineage, args.objects)
    say(
        f"copying the labels of frame {args.seed_frame} would score J {baseline.mean_jaccard:.3f}, "
        f"id {baseline.identity:.3f}"
    )
    tracks = score_tracks(pred, parents, truth, true_parents, args.seed_frame)
    if tracks is not None:
        say("tracks, whatever their ids:")
        say(str(tracks))
    if args.json is not None:
        scored = {} if tracks is None else {"tracks": tracks.to_dict()}
        about = {"predicted": args.pred, "truth": args.truth, "n_frames": int(truth.shape[0])}
        write_json(args.json, {**about, **table.to_dict(), "copied_seeds": baseline.to_dict(), **scored})
    return 0


def _say_frames(table: EvaluationTable, n_frames: int, asked: Sequence[int] | str | None) -> None:
    """Say which frames were scored, unless all were."""
    left_out = n_frames - 1 - len(table.frames)
    missing = [] if asked is None or isinstance(asked, str) else [t for t in asked if not 0 <= t < n_frames]
    if left_out:
        more = "" if missing else "; --frames all scores every frame"
        say(f"scored frames {number_list(table.frames)} of 0-{n_frames - 1}, {left_out} left out{more}")
    if missing:
        say(f"there are no frames {number_list(missing)}: the movie ends with frame {n_frames - 1}")


def _frames(text: str | None) -> list[int] | Literal["usual"] | None:
    if text is None or text == "all":
        return "usual" if text is None else None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"--frames {text}: expected whole numbers such as 1,5,9 or 'all'.") from error


class _Repeated:
    """One frame of labels seen as a movie in which nothing moves."""

    def __init__(self, frame: np.ndarray[tuple[int, ...], np.dtype[np.integer]], n_frames: int) -> None:
        self._frame = frame
        self.shape = (n_frames, *frame.shape)

    def __getitem__(self, t: int) -> np.ndarray[tuple[int, ...], np.dtype[np.integer]]:
        return self._frame
