"""The files a run over volumes writes, and what is said about them at the end."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem.cli.output_guard import may_replace, wanted_outputs
from napari_xmem.cli.run_facts import RunTally, run_facts
from napari_xmem.cli.terminal.printing import found_line, say
from napari_xmem.words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from types import TracebackType

    from napari_xmem.engine import FrameResult
    from napari_xmem.engine.volume_runs import VolumeRuns
    from napari_xmem.io import Movie
    from napari_xmem.tracking import Event

__all__ = ["VolumeOutputs", "overview_plane"]


def overview_plane(runs: VolumeRuns) -> int:
    """Return the plane that the overview shows: the one with most seeded pixels."""
    return max(runs.planes, key=lambda z: sum(int(np.count_nonzero(v[z])) for v in runs.volumes.values()))


class VolumeOutputs:
    """Labels (T, Z, Y, X), scores and overview of one movie of volumes.

    Each file appears when the ``with`` block ends without an error.

    Parameters
    ----------
    args : Namespace
        ``output``, ``overview``, ``scores`` and ``overwrite``.
    movie : Movie
        The movie; its voxel size goes into the labels' file.
    runs : VolumeRuns
        The runs of all planes.
    frame_range : tuple of 2 int
        First frame and end.
    """

    def __init__(self, args: argparse.Namespace, movie: Movie, runs: VolumeRuns, frame_range: tuple[int, int]) -> None:
        from napari_xmem.imaging import label_dtype
        from napari_xmem.io import LabelWriter
        from napari_xmem.io.overview_picture import Overview
        from napari_xmem.io.scores import ScoreWriter

        self._args, self._config, self._network = args, runs.config, runs.network
        self._tally = RunTally()
        self._planes: dict[int, list[tuple[int, FrameResult]]] = {}
        self._n_planes = len(runs.planes)
        self._shown = overview_plane(runs)
        self._overview = Overview.of_range(runs.sources[self._shown], *frame_range) if args.overview else None
        dtype = label_dtype(max(int(volume.max()) for volume in runs.volumes.values()))
        with ExitStack() as stack:
            self._scores = None
            if args.scores:
                self._scores = stack.enter_context(
                    ScoreWriter(args.scores, may_replace(args, args.scores), "volume_voxels")
                )
            self._labels = stack.enter_context(
                LabelWriter(
                    args.output,
                    movie.shape[:4],
                    dtype,
                    may_replace(args, args.output),
                    movie.scale,
                    movie.unit,
                    movie.z_step,
                    movie.frame_interval_s,
                )
            )
            self._files = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._scores is not None:
            for result in self._joined():
                self._scores.write(result)
        self._files.__exit__(kind, error, trace)
        if kind is None and self._overview is not None:
            self._overview.save(self._args.overview)

    def write(self, z: int, result: FrameResult) -> None:
        """Take in the result of one plane of a frame; its labels are not kept."""
        self._labels.write(result.frame, result.labels, z)
        if self._overview is not None and z == self._shown:
            self._overview.add(result.frame, result.labels, result.seeded)
        self._tally.add(result, z)
        slim = replace(result, labels=np.zeros((0, 0), result.labels.dtype), memory=None)
        self._planes.setdefault(result.frame, []).append((z, slim))

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened, over all planes: a division that several show is one."""
        from napari_xmem.engine.divisions_across_planes import one_per_mother

        return one_per_mother(e for planes in self._planes.values() for _, r in planes for e in r.events)

    def unite_divisions(self, read: Callable[[int, int], FrameResult]) -> None:
        """Give mothers in planes that have not seen them divide to the nearer daughter.

        Parameters
        ----------
        read : callable
            Takes plane and frame, and returns what was found there.
        """
        from napari_xmem.engine.divisions_across_planes import divisions_with_end, rename_in_frame

        divisions = divisions_with_end(self.events)
        for frame, planes in self._planes.items():
            ended = {event.objects[0] for event in divisions if event.frame <= frame}
            if not any(ended & set(result.object_ids) for _, result in planes):
                continue
            volume = np.stack([read(z, frame).labels for z, _ in planes])
            rows = [(row, result) for row, (_, result) in enumerate(planes)]
            for row in rename_in_frame(volume, frame, divisions, rows):
                z = planes[row][0]
                planes[row] = (z, rows[row][1])
                self._labels.write(frame, volume[row], z)
                if self._overview is not None and z == self._shown:
                    self._overview.add(frame, volume[row], planes[row][1].seeded)

    def facts(self, seconds: float) -> dict[str, Any]:
        """Return what was done and written, for --json."""
        joined = self._joined()
        lost = {i for r in joined for i, volume in zip(r.object_ids, r.area_px, strict=True) if volume == 0}
        return {
            "command": "propagate",
            "movie": self._args.movie,
            "seeds": self._args.seeds,
            "outputs": wanted_outputs(self._args),
            "n_frames": len(joined),
            "n_planes": self._n_planes,
            "objects": sorted({i for result in joined for i in result.object_ids}),
            "objects_not_on_every_frame": sorted(lost),
            **run_facts(self._tally, seconds, self._network.config.name, self._network.fingerprint),
            "settings": asdict(self._config),
        }

    def report(self, seconds: float) -> None:
        """Print what was done and written."""
        joined = self._joined()
        seen = {i for result in joined for i in result.object_ids}
        gone = {i for r in joined for i, volume in zip(r.object_ids, r.area_px, strict=True) if volume == 0}
        where = f"in {counted(self._n_planes, 'plane')} on {counted(len(joined), 'frame')}"
        say(found_line(len(seen), where, seconds, len(gone)))
        overview = f"{self._args.overview} (plane {self._shown})" if self._args.overview else None
        paths: list[Any] = [self._args.output, overview, self._args.scores, self._args.tracks, self._args.measure]
        for path in paths:
            if path:
                say(f"wrote {path}")

    def _joined(self) -> list[FrameResult]:
        from napari_xmem.engine.volume_runs import join_planes

        return [join_planes(frame, [r for _, r in planes]) for frame, planes in sorted(self._planes.items())]
