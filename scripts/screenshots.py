"""Take the pictures of the documentation from the real window: python scripts/screenshots.py (headless: xvfb-run).

Opens napari with the simulated nuclei, uses every dock as a person would, and saves a picture of every state in dark
and light to docs/images, as DOCK-STATE-THEME.png. States that concern the canvas too show the window, others the dock.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari._qt.dialogs.qt_notification import NapariQtNotification
from PIL import Image
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_xmem.sample_data import simulated_nuclei
from napari_xmem.widgets.propagate import stored_choices as _settings

SIZE = (1360, 860)
DOCK_WIDTH_PX = 360
THEMES = ("dark", "light")
DOCKS = {
    "propagate": "Propagate labels",
    "lineage": "Lineage",
    "memory": "Memory",
    "review": "Review and correct",
    "explain": "Explain",
}


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "docs" / "images")
    parser.add_argument("--model", default="bundled", help="bundled, xmem or a file of weights")
    parser.add_argument("--only-lineage", action="store_true", help="take the pictures of the Lineage dock only")
    parser.add_argument("--frames", type=int, default=12, help="frames to propagate; fewer is quicker")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    _settings.open_store = lambda: _Forgetful()  # leave the user's settings alone
    lineage(Studio(args.out), args.model)
    if args.only_lineage:
        return
    studio = Studio(args.out)
    studio.widgets["propagate"].model = args.model
    for dock in DOCKS:
        studio.dock(dock, "empty")
    ready(studio, args.frames)
    running(studio, args.frames)
    finished(studio, args.frames)
    memory(studio)
    review(studio)
    explain(studio, args.frames)
    with tempfile.TemporaryDirectory() as folder:
        failed(studio, args.model, Path(folder))
    studio.viewer.close()


class _Forgetful:
    """Settings that are not kept."""

    def __getattr__(self, name: str) -> object:
        return _settings.DEFAULTS[name]

    def __setattr__(self, name: str, value: object) -> None:
        return


class Studio:
    """The window with all docks, one of them in view at a time.

    Parameters
    ----------
    out : Path
        Where pictures go.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*SIZE)
        self.widgets: dict[str, Any] = {}
        self._docks: dict[str, Any] = {}
        for key, name in DOCKS.items():
            self._docks[key], self.widgets[key] = self.viewer.window.add_plugin_dock_widget("napari-xmem", name)

    def show(self, dock: str) -> None:
        """Bring one dock into view and hide the others."""
        for key, item in self._docks.items():
            item.setVisible(key == dock)
        self._docks[dock].setFixedWidth(DOCK_WIDTH_PX)

    def window(self, dock: str, state: str) -> None:
        """Save the whole window."""
        self._take(dock, state, lambda: self.viewer.screenshot(canvas_only=False, flash=False)[..., :3])

    def dock(self, dock: str, state: str) -> None:
        """Save the dock alone."""
        self._take(dock, state, lambda: _trimmed(_pixels(self._docks[dock])))

    def _take(self, dock: str, state: str, take: Any) -> None:
        self.show(dock)
        if state != "failed":
            for told in self.viewer.window._qt_window.findChildren(NapariQtNotification):
                told.close()
        for theme in THEMES:
            self.viewer.theme = theme
            until(lambda: False, 0.3)
            picture = Image.fromarray(np.ascontiguousarray(take()))
            if (dock, state) != ("propagate", "finished"):  # the one that the README shows keeps all its colours
                picture = _small(picture)
            picture.save(self.out / f"{dock}-{state}-{theme}.png", optimize=True)
        self.viewer.theme = THEMES[0]


def ready(studio: Studio, n_frames: int) -> None:
    """Show the sample with its seeds, ready to run, with the forecast."""
    widget = studio.widgets["propagate"]
    widget.open_sample()
    widget.last_frame = n_frames - 1
    studio.show("propagate")
    until(lambda: "per frame" in widget.form.status.text, 120)
    studio.window("propagate", "ready")
    for dock in ("memory", "review", "explain"):
        studio.dock(dock, "ready")


def running(studio: Studio, n_frames: int) -> None:
    """Show the middle of a run in every dock; the pictures are taken as a frame comes in."""
    widget, taken = studio.widgets["propagate"], []

    def on_frame(result: Any) -> None:
        if result.frame == n_frames // 2 and not taken:
            taken.append(True)
            studio.viewer.layers["nuclei seeds"].visible = False
            widget.inputs.show_frame(result.frame)
            studio.window("propagate", "running")
            studio.widgets["memory"].watch.look()
            studio.window("memory", "running")
            for dock in ("review", "explain"):
                studio.dock(dock, "running")

    widget.frame_done.connect(on_frame)
    widget.run(wait=True)
    widget.frame_done.disconnect(on_frame)


def finished(studio: Studio, n_frames: int) -> None:
    """Show the result, with the rarely needed settings unfolded."""
    widget = studio.widgets["propagate"]
    widget.inputs.show_frame(n_frames - 1)
    studio.window("propagate", "finished")
    widget.form.more.is_open = True
    studio.dock("propagate", "settings")
    widget.form.more.is_open = False
    (studio.out / "window.png").write_bytes((studio.out / "propagate-finished-dark.png").read_bytes())


def memory(studio: Studio) -> None:
    """Show what memory holds, a change of it, and its settings."""
    widget = studio.widgets["memory"]
    studio.show("memory")
    form = widget.form
    form.surgery.is_open = form.per_object.is_open = True
    until(lambda: form.contents.rowCount() > 1, 20)  # docks that were not in front are filled when they come there
    form.contents.selectRow(1)
    widget.protect_chosen()
    studio.dock("memory", "finished")
    form.surgery.is_open = form.per_object.is_open = False
    form.manager.is_open = True
    for section in form.settings.sections:
        section.is_open = True
    studio.dock("memory", "settings")
    for section in form.settings.sections[1:]:
        section.is_open = False
    form.manager.is_open = False


def review(studio: Studio) -> None:
    """Show where to look, a painted correction, what it changes, and a frame that is locked."""
    widget = studio.widgets["review"]
    widget.next_frame()
    studio.window("review", "look")
    layer, frame, truth = widget.result, 4, simulated_nuclei()[1]
    widget.show_frame(frame)
    object_id = layer.selected_label = _worst(layer.data[frame], truth[frame])
    layer.data_setitem(_places(layer.data, frame, object_id), 0)
    layer.data_setitem(_places(truth, frame, object_id), object_id)
    until(lambda: bool(widget.edited_frames), 5)
    studio.dock("review", "painted")
    widget.use_as_correction()
    until(lambda: widget.form.progress.value() > 1 or not widget.is_busy, 120)
    studio.dock("review", "correcting")
    widget.wait()
    studio.window("review", "finished")
    widget.show_frame(frame)
    widget.lock_shown()
    widget.form.locks.is_open = True
    studio.dock("review", "locked")
    studio.viewer.layers.selection.active = studio.viewer.layers["nuclei"]


def explain(studio: Studio, n_frames: int) -> None:
    """Show who voted for a pixel, and a pixel that holds nothing."""
    widget = studio.widgets["explain"]
    studio.show("explain")
    frame = max(set(range(n_frames - 1)) - set(widget.session.annotations.corrected))
    widget.show_frame(frame)
    widget.active = True
    studio.dock("explain", "asking")
    labels = widget.result.data[frame]
    place = np.argwhere(labels == labels[labels.shape[0] // 2].max())
    widget.explain(frame, *(float(v) for v in np.median(place, 0)), wait=True)
    studio.window("explain", "finished")
    widget.clear()
    empty = np.argwhere(labels == 0)[0]
    widget.explain(frame, float(empty[0]), float(empty[1]))
    until(lambda: not widget.is_busy, 60)
    studio.dock("explain", "failed")
    widget.active = False


def lineage(studio: Studio, model: str) -> None:
    """Show the family trees of nuclei that divide, and one family that was chosen."""
    widget, propagate = studio.widgets["lineage"], studio.widgets["propagate"]
    studio.dock("lineage", "empty")
    propagate.model = model
    studio.viewer.open_sample("napari-xmem", "dividing_nuclei")
    propagate.run(wait=True)
    studio.viewer.layers["dividing nuclei seeds"].visible = False
    studio.show("lineage")
    widget.form.tracks.setChecked(True)
    until(lambda: widget.lineage is not None, 20)
    mother = max(widget.lineage.daughters, key=lambda i: widget.lineage.first_frame[widget.lineage.daughters[i][0]])
    earliest = min(widget.lineage.divisions, key=lambda d: d.frame)
    widget.show_frame(widget.lineage.last_frame[earliest.daughters[0]])
    studio.window("lineage", "finished")
    widget.go_to(mother)
    widget.chosen = (mother,)
    studio.dock("lineage", "chosen")
    studio.viewer.close()


def failed(studio: Studio, model: str, folder: Path) -> None:
    """Show what errors look like: files that are not what they should be."""
    widget, weights, bank = studio.widgets["propagate"], folder / "weights.pth", folder / "memory.xmem"
    weights.write_bytes(b"these are no weights")
    bank.write_bytes(b"this is no memory")
    widget.model = weights
    widget.run_clicked()
    until(lambda: widget.state.value == "idle", 60)
    studio.window("propagate", "failed")
    studio.widgets["memory"].load(bank)
    studio.dock("memory", "failed")
    review = studio.widgets["review"]
    review.form.locks.is_open = False
    elsewhere = review.result.data.copy()
    review.result = studio.viewer.add_labels(elsewhere, name="from elsewhere", scale=review.result.scale)
    review.adopt()
    until(lambda: not review.is_busy, 60)
    studio.dock("review", "failed")
    widget.model = model


def until(condition: Any, seconds: float) -> None:
    """Handle events until `condition` holds or time is over."""
    loop, poll = QEventLoop(), QTimer()
    poll.timeout.connect(lambda: condition() and loop.quit())
    poll.start(50)
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()
    poll.stop()
    QApplication.processEvents()


def _worst(labels: Any, truth: Any) -> int:
    """Return the object whose labels overlap least with the truth."""
    found = [int(i) for i in np.unique(truth) if i and (labels == i).any()]
    return min(found, key=lambda i: ((labels == i) & (truth == i)).sum() / ((labels == i) | (truth == i)).sum())


def _places(labels: Any, frame: int, label: int) -> tuple[Any, ...]:
    rows, columns = np.nonzero(labels[frame] == label)
    return np.full(len(rows), frame), rows, columns


def _small(picture: Image.Image) -> Image.Image:
    """Return it in 256 colours: the flat ones of the dock exactly, the rest as near as possible."""
    pixels = np.asarray(picture)[:, -DOCK_WIDTH_PX:].reshape(-1, 3)
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    exact = colours[np.argsort(-counts)[: 256 if picture.width == DOCK_WIDTH_PX else 56]].ravel().tolist()
    rest = picture.crop((0, 0, max(picture.width - DOCK_WIDTH_PX, 1), picture.height))
    others = rest.quantize(max(256 - len(exact) // 3, 1), dither=Image.Dither.NONE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*exact, *others][:768])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def _pixels(widget: Any) -> Any:
    image = widget.grab().toImage()
    image = image.convertToFormat(image.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
    return rows.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()].reshape(image.height(), -1, 3)


def _trimmed(pixels: Any, margin_px: int = 12) -> Any:
    """Cut off the empty lower part."""
    used = np.flatnonzero((pixels != pixels[:, :1]).any((1, 2)))
    return pixels[: used[-1] + margin_px] if len(used) else pixels


if __name__ == "__main__":
    main()
