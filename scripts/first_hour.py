"""Play a user's first hour in the real window, by mouse and keys: python scripts/first_hour.py (headless: xvfb-run).

Opens a movie from a file, seeds its 20 cells (three with the brush, the others with Find the rest), runs, pauses,
swaps two cells, ends one, adds one, mends one that got the number of another, saves, closes, opens the file in a new
window and goes on. Prints clicks and keys (of the seeds, and in all), the longest stall of the event loop and how long
Pause and Stop take; saves a picture of every step. --crowd then runs 100 cells with all panels open. On a busy machine
a stall is mostly the wait for other programs; what the window's own thread worked is printed beside it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
import tifffile
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_xmem.widgets.layers.result_layer import session_of
from napari_xmem.widgets.propagate import stored_choices
from napari_xmem.widgets.saving.saver import saver_of

if TYPE_CHECKING:
    from napari_xmem.session import TrackingSession

SIZES, THEMES = ((1280, 720), (1920, 1080)), ("dark", "light")
TICK_MS = 5
#: Pixels from cell to cell of the movie, and of its border.
STEP, BORDER = 66, 43
#: Place, step and radius of the discs of the movie: row, column, rows and columns per frame, pixels.
CELLS = tuple(
    (BORDER + STEP * row, BORDER + STEP * column, (column % 3) - 1, 1 - 2 * (row % 2), 13 + (row + column) % 4)
    for row in range(4)
    for column in range(5)
)
#: Two that come in later, on this frame.
LATE, OTHER_LATE = ((BORDER + STEP * 4, BORDER + STEP * column, 0, 1, 14) for column in (1, 3))
COMES_IN = 3
#: Cells that are painted; the others are found.
N_PAINTED = 3
#: Clicks and keys that 20 seeds may take.
MOST_FOR_SEEDS = 60


def main() -> None:
    """Play it in every size and theme that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path(tempfile.gettempdir()) / "first_hour", help="folder for pictures"
    )
    parser.add_argument("--model", default="bundled", help="bundled, xmem or a file of weights")
    parser.add_argument("--frames", type=int, default=10, help="length of the movie")
    parser.add_argument("--quick", action="store_true", help="one size, one theme")
    parser.add_argument("--crowd", type=int, default=0, metavar="N", help="also run this many cells, all panels open")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    stored_choices.open_store = lambda: _Forgetful()  # leave the user's settings alone
    for size in SIZES[:1] if args.quick else SIZES:
        for theme in THEMES[:1] if args.quick else THEMES:
            with tempfile.TemporaryDirectory() as folder:
                hour = Hour(Path(folder), args.out, size, theme, args.model, args.frames)
                hour.play()
                if args.crowd:
                    hour.crowd(args.crowd)


class _Forgetful:
    """Settings that are not kept."""

    def __getattr__(self, name: str) -> object:
        return stored_choices.DEFAULTS[name]

    def __setattr__(self, name: str, value: object) -> None:
        return


class Hour:
    """One pass through the story.

    Parameters
    ----------
    folder : Path
        For the movie and the saved work.
    out : Path
        For pictures.
    size : (int, int)
        Of the window, in pixels.
    theme : str
        "dark" or "light".
    model : str
        The network.
    n_frames : int
        Length of the movie.
    """

    def __init__(self, folder: Path, out: Path, size: tuple[int, int], theme: str, model: str, n_frames: int) -> None:
        self.folder, self.out, self.size, self.theme, self.model = folder, out, size, theme, model
        self.clicks = self.keys = self.seed_hands = self.added = 0
        self.stall_ms = self.work_ms = 0.0
        self._worked = time.thread_time()
        self.latency_s: dict[str, float] = {}
        self._last = time.monotonic()
        self._listening = False
        self._ticks = QTimer()
        self._ticks.setInterval(TICK_MS)
        self._ticks.timeout.connect(self._tick)
        self.movie = folder / "cells.tif"
        tifffile.imwrite(self.movie, draw(n_frames), imagej=True, metadata={"axes": "TYX"})

    def play(self) -> None:
        """Play it, and print what it took."""
        self.begin()
        self.seed()
        self.run()
        self.correct()
        self.review()
        self.save_and_go_on()
        waits = ", ".join(f"{name} {value:.2f} s" for name, value in self.latency_s.items())
        print(
            f"{self.size[0]} x {self.size[1]}, {self.theme}: {self.seed_hands} clicks and keys for {len(CELLS)} seeds, "
            f"{self.clicks} clicks and {self.keys} keys in all, "
            f"{self.stall_text}, {waits}",
            flush=True,
        )

    def crowd(self, n_cells: int) -> None:
        """Run many cells with all panels open, pause and stop in the middle; prints stalls and waits."""
        self.stall_ms = self.work_ms = 0.0
        self.viewer = viewer = napari.Viewer(show=True)
        viewer.window.resize(*self.size)
        movie, seeds = draw_crowd(n_cells)
        viewer.add_image(movie, name="crowd")
        viewer.add_labels(seeds, name="crowd seeds")
        viewer.dims.set_point(0, 0)
        for name in ("Memory", "Explain", "Lineage", "Review and correct", "Propagate labels"):
            _, self.dock = viewer.window.add_plugin_dock_widget("napari-xmem", name)
        self.dock.model, self.dock.forecast = self.model, False
        until(lambda: self.dock.inputs.scan.complete and not self.dock.problem, 30)
        runner, form = self.dock.runner, self.dock.form
        self.listen(True)
        self.click(form.run)
        until(lambda: len(runner.history) > 2, 900)
        self.latency_s["frame"] = runner.time_left.seconds_per_frame
        begun = time.monotonic()
        self.click(form.pause)
        until(lambda: runner.state.value == "paused", 300)
        self.latency_s["Pause"] = time.monotonic() - begun
        self.click(form.pause)
        until(lambda: False, 1)
        begun = time.monotonic()
        self.click(form.stop)
        until(lambda: not runner.is_running, 300)
        self.latency_s["Stop"] = time.monotonic() - begun
        self.listen(False)
        waits = ", ".join(f"{name} {self.latency_s[name]:.2f} s" for name in ("frame", "Pause", "Stop"))
        print(f"{n_cells} cells: {self.stall_text}, {waits}", flush=True)
        viewer.close()

    @property
    def stall_text(self) -> str:
        """The longest stall during runs."""
        return f"longest stall of the event loop during a run {self.stall_ms:.0f} ms (own work {self.work_ms:.0f} ms)"

    # ---- the story

    def begin(self) -> None:
        """Open window, dock and movie."""
        self.viewer = viewer = napari.Viewer(show=True)
        viewer.theme = self.theme
        viewer.window.resize(*self.size)
        until(lambda: False, 0.5)
        viewer.open(str(self.movie), plugin="napari")
        _, self.dock = viewer.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")
        self.dock.model = self.model
        self.dock.forecast = False
        viewer.dims.set_point(0, 0)
        self.picture("1-open")

    def seed(self) -> None:
        """Paint some cells with the brush, one click each, M for the next number; find the others."""
        before = self.clicks + self.keys
        self.click(self.dock.form.new_seeds)
        layer = self.dock.controls.seeds
        for place, (y, x, _, _, radius) in enumerate(CELLS[:N_PAINTED]):
            if place:
                self.key(Qt.Key.Key_M)
            layer.brush_size = 2 * radius
            self.click_at(y, x)
        until(lambda: len(self.dock.inputs.scan.object_ids) == N_PAINTED and not self.dock.problem, 20)
        self.picture("2-painted")
        self.click(self.dock.form.find.start)
        until(lambda: not self.dock.finding.is_finding, 120)
        until(lambda: len(self.dock.inputs.scan.object_ids) == len(CELLS) and not self.dock.problem, 20)
        self.seed_hands = self.clicks + self.keys - before
        expect(self.dock.form.painted.text() == f"{len(CELLS)} objects on frame 0", self.dock.form.painted.text())
        expect(self.seed_hands <= MOST_FOR_SEEDS, f"{self.seed_hands} clicks and keys for the seeds")
        self.picture("3-seeds")

    def run(self) -> None:
        """Run, pause, go on, to the end."""
        runner, form = self.dock.runner, self.dock.form
        self.listen(True)
        self.click(form.run)
        until(lambda: bool(runner.history), 300)
        begun = time.monotonic()
        self.click(form.pause)
        expect("Pausing" in form.status.text or "Paused" in form.status.text, form.status.text)
        until(lambda: runner.state.value == "paused", 300)
        self.latency_s["Pause"] = time.monotonic() - begun
        self.picture("4-paused")
        self.click(form.pause)
        until(lambda: not runner.is_running, 900)
        self.listen(False)
        self.result = self.dock.result
        expect(self.viewer.layers.selection.active is self.result, "the result is not the active layer")
        self.picture("5-done")

    def correct(self) -> None:
        """Exchange two cells and back, end one, add one that was not painted."""
        _, lineage = self.viewer.window.add_plugin_dock_widget("napari-xmem", "Lineage")
        session = made_by(self.result)
        self.viewer.dims.set_point(0, 4)
        lineage.chosen = (1, 2)
        before = session.labels(4)
        self.key(Qt.Key.Key_X, shift=True)
        self.rest()
        expect(bool((session.labels(4)[before == 1] == 2).all()), "1 and 2 were not exchanged")
        self.result.selected_label = 3
        self.key(Qt.Key.Key_D, shift=True)
        self.rest()
        expect(all(3 not in session.labels(t) for t in session.results.frames if t >= 4), "3 goes on")
        y, x, dy, dx, radius = LATE
        self.key(Qt.Key.Key_M)
        self.result.mode, self.result.brush_size = "paint", 2 * radius
        self.click_at(y + 4 * dy, x + 4 * dx)
        self.key(Qt.Key.Key_T, shift=True)
        until(lambda: self.dock.runner.is_running, 2)
        begun = time.monotonic()
        self.click(self.dock.form.stop)
        self.rest()
        self.latency_s["Stop"] = time.monotonic() - begun
        self.key(Qt.Key.Key_T, shift=True)
        self.rest()
        self.added = self.result.selected_label
        expect(self.added in session.labels(session.results.frames[-1]), "the cell that was added is not followed")
        self.picture("6-corrected")

    def review(self) -> None:
        """Give a cell the number of another, as one does who forgets M, and mend it when the review says so."""
        _, review = self.viewer.window.add_plugin_dock_widget("napari-xmem", "Review and correct")
        until(lambda: review.subject.session is not None, 5)
        session, last = made_by(self.result), made_by(self.result).results.frames[-1]
        y, x, dy, dx, _ = OTHER_LATE
        self.viewer.dims.set_point(0, 5)
        self.result.mode = "paint"
        self.click_at(y + 5 * dy, x + 5 * dx)
        self.key(Qt.Key.Key_C, shift=True)
        self.rest()
        expect(f"{self.added} in two places" in review.form.status.text, review.form.status.text)
        self.picture("7-two-places")
        self.click(review.form.undo)
        self.rest()
        self.key(Qt.Key.Key_M)
        self.result.mode = "paint"
        self.click_at(y + 5 * dy, x + 5 * dx)
        self.key(Qt.Key.Key_C, shift=True)
        self.rest()
        for t in (5, last):
            of_first, of_other = (session.labels(t)[c[0] + t * c[2], c[1] + t * c[3]] for c in (LATE, OTHER_LATE))
            expect(of_first == self.added != of_other > 0, f"cells {of_first} and {of_other} on frame {t}")
        self.key(Qt.Key.Key_N, shift=True)
        self.picture("8-mended")
        self.key(Qt.Key.Key_I, shift=True)

    def save_and_go_on(self) -> None:
        """Save, close, open in a new window, undo nothing, go on with a correction."""
        file, labels = self.folder / "work.xmem-session", self.result.data.copy()
        saver = saver_of(self.viewer)
        saver.path = file  # the dialog would ask for it
        self.key(Qt.Key.Key_S, shift=True)
        until(lambda: file.exists() and not saver.is_busy, 60)
        expect(not saver.has_unsaved, "something is unsaved after a save")
        self.viewer.close()
        self.viewer = napari.Viewer(show=True)
        self.viewer.theme = self.theme
        self.viewer.window.resize(*self.size)
        self.viewer.open(str(file), plugin="napari-xmem")
        opened = saver_of(self.viewer)
        until(lambda: opened.path is not None and not opened.is_busy, 120)
        again = self.viewer.layers[self.result.name]
        expect(np.array_equal(again.data, labels), "other labels than were saved")
        self.viewer.dims.set_point(0, 6)
        again.selected_label = 4
        self.key(Qt.Key.Key_D, shift=True)
        session = made_by(again)
        until(lambda: 4 not in session.labels(6), 30)
        expect(4 in session.labels(5) and 4 not in session.labels(6), "4 does not end")
        self.picture("9-opened-again")
        self.viewer.close()

    # ---- hands and eyes

    def click(self, widget: QWidget) -> None:
        """Press a button with the mouse."""
        self.clicks += 1
        expect(widget.isEnabled(), f"{widget} is grey: {widget.toolTip()}")
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
        until(lambda: False, 0.05)

    def click_at(self, y: float, x: float) -> None:
        """Click on the canvas, at a place of the movie."""
        self.clicks += 1
        camera = self.viewer.scene.camera
        native = self._canvas()
        down, right = ((p - c) * camera.zoom for p, c in zip((y, x), camera.center[-2:], strict=True))
        place = QPoint(round(native.width() / 2 + right), round(native.height() / 2 + down))
        QTest.mouseMove(native, place)
        until(lambda: False, 0.05)
        QTest.mouseClick(native, Qt.MouseButton.LeftButton, pos=place)
        until(lambda: False, 0.1)

    def key(self, key: Any, *, shift: bool = False) -> None:
        """Press a key over the canvas."""
        self.keys += 1
        modifier = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
        native = self._canvas()
        native.setFocus()
        QTest.keyClick(native, key, modifier)
        until(lambda: False, 0.1)

    def rest(self) -> None:
        """Wait until nothing is done any more."""
        until(lambda: False, 0.2)
        until(lambda: not self.dock.runner.is_running, 300)

    def picture(self, name: str) -> None:
        """Save the window."""
        until(lambda: False, 0.3)
        screen = QApplication.primaryScreen()
        if screen is not None:
            screen.grabWindow(0, 0, 0, *self.size).save(str(self.out / f"{self.size[0]}-{self.theme}-{name}.png"))

    def listen(self, on: bool) -> None:
        """Measure how long the event loop stands still."""
        self._last, self._worked = time.monotonic(), time.thread_time()
        self._ticks.start() if on else self._ticks.stop()

    def _tick(self) -> None:
        now, worked = time.monotonic(), time.thread_time()
        self.stall_ms = max(self.stall_ms, 1000 * (now - self._last) - TICK_MS)
        self.work_ms = max(self.work_ms, 1000 * (worked - self._worked))
        self._last, self._worked = now, worked

    def _canvas(self) -> QWidget:
        window = next(w for w in QApplication.topLevelWidgets() if hasattr(w, "centralWidget") and w.isVisible())
        found = window.centralWidget().findChildren(QWidget)
        return next(w for w in found if type(w).__name__.startswith("CanvasBackend"))


def draw(n_frames: int, size: int = 2 * BORDER + 4 * STEP) -> np.ndarray:
    """Return a movie (T, Y, X) of bright discs in noise."""
    rng, (yy, xx) = np.random.default_rng(1), np.mgrid[:size, :size]
    movie = rng.normal(100, 15, (n_frames, size, size))
    for t in range(n_frames):
        for k, (y, x, dy, dx, radius) in enumerate((*CELLS, *((LATE, OTHER_LATE) if t >= COMES_IN else ()))):
            movie[t][(yy - y - dy * t) ** 2 + (xx - x - dx * t) ** 2 < radius**2] += 500 + 20 * k
    return movie.clip(0, 4000).astype(np.uint16)


def draw_crowd(n_cells: int, n_frames: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return a movie (T, Y, X) of discs on a grid that jitter, and their labels on frame 0."""
    side, rng = int(np.ceil(n_cells**0.5)), np.random.default_rng(2)
    size = 52 * side
    yy, xx = np.mgrid[:size, :size]
    movie, seeds = rng.normal(100, 15, (n_frames, size, size)), np.zeros((n_frames, size, size), np.uint16)
    for k, t in np.ndindex(n_cells, n_frames):
        y, x = 52 * np.array(divmod(k, side)) + 26 + rng.integers(-3, 4, 2)
        around = np.s_[y - 14 : y + 14, x - 14 : x + 14]
        inside = (yy[around] - y) ** 2 + (xx[around] - x) ** 2 < 121
        movie[t][around][inside] += 500
        if t == 0:
            seeds[0][around][inside] = k + 1
    return movie.clip(0, 4000).astype(np.uint16), seeds


def made_by(layer: Any) -> TrackingSession:
    """Return the session of a result."""
    session = session_of(layer)
    if session is None:
        raise SystemExit(f"not as expected: {layer} has no session")
    return session


def expect(holds: bool, otherwise: str) -> None:
    """End the play where something is not as it should be."""
    if not holds:
        raise SystemExit(f"not as expected: {otherwise}")


def until(over: Any, seconds: float) -> bool:
    """Handle events until something holds, or time is up."""
    end = time.monotonic() + seconds
    while not over() and time.monotonic() < end:
        loop = QEventLoop()
        QTimer.singleShot(20, loop.quit)
        loop.exec()
    return bool(over())


if __name__ == "__main__":
    main()
