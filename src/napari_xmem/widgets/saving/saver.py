"""Saving and opening the work of a viewer: one object per viewer, for buttons, keys and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from napari.layers import Labels
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_xmem.errors import SessionError, XMemError
from napari_xmem.widgets.common.dock import PROPAGATE, docks_of
from napari_xmem.widgets.common.viewer_events import plain_viewer
from napari_xmem.widgets.jobs.threads import JobControl, handle_events_until, in_plain_words, start_job
from napari_xmem.widgets.jobs.viewer_runner import runner_of
from napari_xmem.widgets.layers.result_layer import (
    METADATA_KEY,
    SCORES_KEY,
    ResultTarget,
    keep_session,
    place_like,
    result_name,
)
from napari_xmem.widgets.layers.reviewed_result import ReviewedResult
from napari_xmem.widgets.saving.file_jobs import OpenedWork, open_job, save_job
from napari_xmem.widgets.saving.movie_finder import find_movie
from napari_xmem.widgets.saving.removed_work import RemovedWork
from napari_xmem.widgets.saving.saved_work import SavedMovie, SavedWork, read_work
from napari_xmem.widgets.saving.unsaved import UnsavedWork
from napari_xmem.widgets.saving.viewer_work import work_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from napari_xmem.session.archive import SessionArchive

__all__ = ["SUFFIX", "Saver", "saver_of"]

SUFFIX = ".xmem-session"
FILES = f"Work with napari-xmem (*{SUFFIX})"
GOING_ON = "A run is going on; stop it, or wait for its end, to open saved work."


class Saver(QObject):
    """Saves everything that a viewer holds of a movie into one file, and opens it again.

    Parameters
    ----------
    viewer : napari Viewer
        The viewer; not kept alive.

    Attributes
    ----------
    path : Path or None
        The file that was saved or opened last.
    ask_movie : callable or None
        Called with a sentence when a movie has been moved; returns where it is now, or "". None: nobody is asked.
    is_closing : bool
        The viewer's window is being closed.
    """

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer_ref = ref(viewer)
        self._unsaved = UnsavedWork(viewer)
        self._removed = RemovedWork(viewer, self._unsaved.has_changed, self)
        self._removed.removed.connect(self._on_removed)
        self._control: JobControl | None = None
        self._error: XMemError | None = None
        self._doing = ""
        self.path: Path | None = None
        self.ask_movie: Callable[[str], str] | None = None
        self.is_closing = False

    @property
    def _viewer(self) -> Any:
        return self._viewer_ref()

    @property
    def is_busy(self) -> bool:
        """True while it saves or opens."""
        return self._control is not None

    @property
    def doing(self) -> str:
        """What is done now, in words; empty if nothing."""
        return self._doing

    @property
    def has_unsaved(self) -> bool:
        """True if something was done since the latest save."""
        return self._viewer is not None and self._unsaved.exists(self._viewer)

    @property
    def removed_layers(self) -> tuple[Any, ...]:
        """Layers that were removed with unsaved work, and can be brought back."""
        return self._removed.layers

    def bring_back(self) -> None:
        """Bring back the layers that were removed with unsaved work."""
        if self._viewer is not None:
            self._removed.bring_back(self._viewer)
        self.changed.emit()

    def _on_removed(self, names: list[str]) -> None:
        if self.is_closing:  # its layers go with the window, and whoever closed it was asked
            return
        listed = ", ".join(f"'{name}'" for name in names)
        show_info(f"Removed with unsaved work: {listed}. Bring back, at the top of a panel, undoes that.")
        self.changed.emit()

    def save(self, path: str | os.PathLike[str] | None = None, *, wait: bool = False) -> None:
        """Save everything: where the movie is, seeds, results, corrections, locks, lineage, memory, settings.

        Parameters
        ----------
        path : path-like, optional
            The file, ``.xmem-session`` by habit; None: the one that was saved or opened last.
        wait : bool
            Come back when it is saved.

        Raises
        ------
        SessionError
            If there is nothing to save, or no file is named.
        OutputError
            If `wait` and it cannot be written; what stood there stays.
        """
        target = self.path if path is None else Path(path)
        if target is None:
            raise SessionError("Say where to save: path=.")
        self._require_rest()
        work, session, data, strokes = work_of(self._viewer)
        before = self._unsaved.settle(self._viewer)

        def ended(saved: Path | None) -> None:
            if saved is None:
                self._unsaved.restore(before)
                return
            self.path = saved
            if not work.movie.has_file:
                show_info(
                    f"Saved. The movie '{work.movie.name}' has no file: save it too, and open it before {saved.name}."
                )

        self._start(f"Saving {target.name}", ended, save_job, target, session, work, data, strokes)
        if wait:
            self.wait()

    def open(self, path: str | os.PathLike[str], *, wait: bool = False) -> None:
        """Open what `save`, or a session in Python, has written; layers are added to the viewer.

        Parameters
        ----------
        path : path-like
            The file.
        wait : bool
            Come back when it is open.

        Raises
        ------
        SessionError
            If the file is missing or damaged, or its movie is not found; nothing in the viewer is lost.
        """
        self._require_rest()
        if runner_of(self._viewer).is_running:
            raise SessionError(GOING_ON)
        file = Path(path)
        from napari_xmem.session.archive import SessionArchive  # loads torch

        archive = SessionArchive(file)
        work = read_work(file) or _plain_work(archive)
        image = find_movie(self._viewer, work.movie, archive.facts["movie"], file, self.ask_movie)
        movie = work.movie.view(image)
        target = ResultTarget(movie)

        def ended(opened: OpenedWork | None) -> None:
            if opened is not None:
                self._show(file, image, work, opened)

        source = movie.source(work.movie.channels)
        self._start(f"Opening {file.name}", ended, open_job, archive, source, target, work)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Handle events until it has saved or opened; raises what went wrong."""
        handle_events_until(self.changed, lambda: not self.is_busy)
        if self._error is not None:
            raise self._error

    # ---- with dialogs

    def save_clicked(self) -> None:
        """Save where it was saved before, or ask where."""
        self._tell_errors(self.save if self.path is not None else self.save_as)

    def save_as_clicked(self) -> None:
        """Ask where, and save."""
        self._tell_errors(self.save_as)

    def open_clicked(self) -> None:
        """Ask which file, and open it."""
        folder = "" if self.path is None else str(self.path.parent)
        path, _ = QFileDialog.getOpenFileName(None, "Open saved work", folder, FILES)
        if path:
            self.open_told(path)

    def open_told(self, path: str | os.PathLike[str]) -> None:
        """Open a file; what goes wrong is shown."""
        self.ask_movie = self.ask_movie or _ask_movie
        self._tell_errors(lambda: self.open(path))

    def save_as(self, *, wait: bool = False) -> bool:
        """Ask where, and save; returns False if the person changed their mind."""
        work_of(self._viewer)  # nothing to save: said before anybody is asked
        path, _ = QFileDialog.getSaveFileName(None, "Save everything", str(self._proposal()), FILES)
        if path:
            self.save(path if path.endswith(SUFFIX) else path + SUFFIX, wait=wait)
        return bool(path)

    def release(self) -> None:
        """Let go of the viewer."""
        self._unsaved.release()

    # ---- inside

    def _proposal(self) -> Path:
        if self.path is not None:
            return self.path
        movie = work_of(self._viewer)[0].movie
        folder = Path.home() if movie.path is None else Path(movie.path).parent
        return folder / f"{movie.name}{SUFFIX}"

    def _tell_errors(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except Exception as error:
            self._fail(in_plain_words(error))

    def _require_rest(self) -> None:
        if self.is_busy:
            raise SessionError(f"{self._doing}; wait a moment.")

    def _start(self, text: str, ended: Callable[[Any], None], job: Any, *args: Any) -> None:
        self._control, self._error, self._doing = JobControl(), None, text
        found: list[Any] = []

        def closed() -> None:
            self._control, self._doing = None, ""
            try:
                if self._viewer is not None:
                    ended(found[0] if found else None)
            except Exception as error:
                self._fail(in_plain_words(error))
            self.changed.emit()

        start_job(
            job, *args, control=self._control, owner=self, message=lambda _: None, failed=self._fail,
            ended=found.append, closed=closed,
        )  # fmt: skip
        self.changed.emit()

    def _fail(self, error: XMemError) -> None:
        self._error = error
        show_error(str(error))

    def _show(self, file: Path, image: Any, work: SavedWork, opened: OpenedWork) -> None:
        """Add the layers, and put everything where it was."""
        viewer, session = self._viewer, opened.session
        image.name = image.name if image.source.path is not None else work.movie.name
        for name in ("scale", "translate", "units", "axis_labels"):
            if work.movie.place and len(work.movie.place[name]) == image.ndim:
                setattr(image, name, work.movie.place[name])
        layers = []
        for number, saved in enumerate(work.layers):
            data = opened.target.data if number == work.result else opened.data[number]
            layer = Labels(data, name=saved.name, visible=saved.visible, metadata=saved.metadata, **saved.arguments)
            layer.contour = saved.contour
            layers.append(layer)
        result = None if work.result is None else layers[work.result]
        if result is None and session.results.frames:  # saved by a script
            result = Labels(opened.target.data, name=result_name(image.name), **place_like(image))
            layers.append(result)
        if result is not None:
            keep_session(result, session, opened.movie, opened.target)
            result.metadata.setdefault(METADATA_KEY, {})["frames_done"] = list(session.results.frames)
            result.metadata[SCORES_KEY] = session.results.scores()
        for layer in layers:
            viewer.add_layer(layer)
        for dock in docks_of(viewer, PROPAGATE)[:1]:
            dock.take_settings(image, None if work.seeds is None else layers[work.seeds], work.settings)
        if len(work.shown) == viewer.dims.ndim:
            viewer.dims.point = work.shown
        if result is not None:
            reviewed = ReviewedResult(result, opened.movie)
            for frame, labels in opened.strokes.items():
                reviewed.put_back(frame, labels)
            viewer.layers.selection.active = result
        self._unsaved.settle(viewer)
        self.path = file


def _plain_work(archive: SessionArchive) -> SavedWork:
    """Return what is to be shown of a session that was saved without a viewer."""
    path, facts = archive.movie_path, archive.facts
    name = Path(path).stem if path else Path(archive.path).stem
    channels = facts["movie"]["shape"][-1]
    movie = SavedMovie(name, path, None, None, None, None, None, tuple(range(channels)) if channels > 1 else None, {})
    return SavedWork(movie, (), settings={"model": archive.model or "bundled"})


def _ask_movie(problem: str) -> str:
    path, _ = QFileDialog.getOpenFileName(None, f"{problem} Where is it now?", "", "")
    return str(path)


_SAVERS: WeakKeyDictionary[Any, Saver] = WeakKeyDictionary()


def saver_of(viewer: Any) -> Saver:
    """Return what saves the work of a viewer, the same for all its docks."""
    viewer = plain_viewer(viewer)
    if viewer not in _SAVERS:
        _SAVERS[viewer] = Saver(viewer)
    return _SAVERS[viewer]
