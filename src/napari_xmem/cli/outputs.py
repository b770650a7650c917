"""The files a run writes, and what is said about them at the end."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from napari_xmem.cli.output_guard import may_replace, wanted_outputs
from napari_xmem.cli.run_facts import RunTally, run_facts
from napari_xmem.cli.terminal.printing import found_line, say
from napari_xmem.words import counted, frames_named

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from types import TracebackType

    from napari_xmem.engine import FrameResult, Run
    from napari_xmem.imaging.acquisition import Acquisition, Finding
    from napari_xmem.io import Movie
    from napari_xmem.tracking import Event

__all__ = ["Outputs"]


class Outputs:
    """Labels, scores and overview of one movie, as asked for on the command line.

    Each file appears when the ``with`` block ends without an error.

    Parameters
    ----------
    args : Namespace
        ``output``, ``overview``, ``scores`` and ``overwrite``.
    movie : Movie
        The movie; its pixel size goes into the labels' file.
    run : Run
        The whole run.
    frame_range : tuple of 2 int
        First frame and end.
    """

    def __init__(self, args: argparse.Namespace, movie: Movie, run: Run, frame_range: tuple[int, int]) -> None:
        from napari_xmem.io import LabelWriter
        from napari_xmem.io.overview_picture import Overview
        from napari_xmem.io.scores import ScoreWriter

        self._args, self._run = args, run
        self._n_done = 0
        self.events: list[Event] = []
        self._findings: list[Finding] = []
        self._seen: set[int] = set()
        self._tally = RunTally()
        self._lost: set[int] = set()
        shape = (len(run.source), *run.source.frame_shape)
        self._overview = Overview.of_range(run.source, *frame_range) if args.overview else None
        with ExitStack() as stack:
            self._labels = stack.enter_context(
                LabelWriter(
                    args.output,
                    shape,
                    run.dtype,
                    may_replace(args, args.output),
                    movie.scale,
                    movie.unit,
                    frame_interval_s=movie.frame_interval_s,
                )
            )
            self._scores = None
            if args.scores:
                self._scores = stack.enter_context(ScoreWriter(args.scores, may_replace(args, args.scores)))
            self._files = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)
        if kind is None and self._overview is not None:
            self._overview.save(self._args.overview)

    def write(self, result: FrameResult) -> None:
        """Take in the result of a frame."""
        self._labels.write(result.frame, result.labels)
        if self._scores is not None:
            self._scores.write(result)
        if self._overview is not None:
            self._overview.add(result.frame, result.labels, result.seeded)
        self._seen.update(result.object_ids)
        self._lost |= {i for i, area in zip(result.object_ids, result.area_px, strict=True) if area == 0}
        self._n_done += 1
        self._tally.add(result)
        self.events += getattr(result, "events", ())
        self._findings += getattr(result, "findings", ())

    @property
    def _acquisition(self) -> Acquisition:
        from napari_xmem.imaging.acquisition import Acquisition  # loads scipy, which --help does without

        return Acquisition.collect(self._findings)

    def summary(self, seconds: float) -> Sequence[str]:
        """Return lines that say what was done and written."""
        where = f"on {counted(self._n_done, 'frame')}"
        first = found_line(len(self._seen), where, seconds, len(self._lost))
        bad = {event.frame for event in self.events if event.kind == "bad frame"}
        told = [f"nothing was followed on {frames_named(bad)}: blank, flat, or of another place"] if bad else []
        seen = self._acquisition.describe()
        told += [f"acquisition: {seen}"] if seen else []
        return [first, *told, *(f"wrote {path}" for path in wanted_outputs(self._args))]

    def facts(self, seconds: float) -> dict[str, Any]:
        """Return what was done and written, for --json."""
        return {
            "command": "propagate",
            "movie": self._args.movie,
            "seeds": self._args.seeds,
            "outputs": wanted_outputs(self._args),
            "n_frames": self._n_done,
            "objects": sorted(self._seen),
            "objects_not_on_every_frame": sorted(self._lost),
            "acquisition": [list(one) for one in self._acquisition.findings],
            **run_facts(self._tally, seconds, self._run.recipe["model"], self._run.network.fingerprint),
            "scope": self._run.scope,
            "settings": self._run.recipe,
        }

    def report(self, seconds: float) -> None:
        """Print the summary."""
        for line in self.summary(seconds):
            say(line)
