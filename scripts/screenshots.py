"""Take the pictures of the documentation from the real window: python scripts/screenshots.py (headless: xvfb-run).

Opens napari with the simulated nuclei, uses "Propagate labels" as a person would, and saves a picture of every state in
dark and light to docs/images.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import napari
from PIL import Image
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_xmem.widgets import _settings

SIZE = (1360, 860)
THEMES = ("dark", "light")


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "docs" / "images")
    parser.add_argument("--model", default="bundled", help="bundled, xmem or a file of weights")
    parser.add_argument("--frames", type=int, default=12, help="frames to propagate; fewer is quicker")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    _settings.open_store = lambda: _Forgetful()  # leave the user's settings alone
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    _, widget = viewer.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")
    widget.model = args.model
    snap(viewer, args.out, "empty")
    loaded(viewer, widget, args)
    running(viewer, widget, args)
    finished(viewer, widget, args)
    (args.out / "window.png").write_bytes((args.out / "propagate-finished-dark.png").read_bytes())
    failed(viewer, widget, args)
    viewer.close()


class _Forgetful:
    """Settings that are not kept."""

    def __getattr__(self, name: str) -> object:
        return _settings.DEFAULTS[name]

    def __setattr__(self, name: str, value: object) -> None:
        return


def loaded(viewer: napari.Viewer, widget: object, args: argparse.Namespace) -> None:
    """Show the sample with its seeds, ready to run, with the forecast."""
    widget.open_sample()
    widget.last_frame = args.frames - 1
    until(lambda: "per frame" in widget.form.status.text, 120)
    snap(viewer, args.out, "ready")


def running(viewer: napari.Viewer, widget: object, args: argparse.Namespace) -> None:
    """Show the middle of a run; the picture is taken as the frame comes in."""
    taken = []

    def on_frame(result: object) -> None:
        if result.frame == args.frames // 2 and not taken:
            taken.append(True)
            viewer.layers["nuclei seeds"].visible = False
            widget.inputs.show_frame(result.frame)
            snap(viewer, args.out, "running")

    widget.frame_done.connect(on_frame)
    widget.run(wait=True)
    widget.frame_done.disconnect(on_frame)


def finished(viewer: napari.Viewer, widget: object, args: argparse.Namespace) -> None:
    """Show the result, with the rarely needed settings unfolded."""
    widget.inputs.show_frame(args.frames - 1)
    snap(viewer, args.out, "finished")
    widget.form.more.is_open = True
    snap(viewer, args.out, "settings")
    widget.form.more.is_open = False


def failed(viewer: napari.Viewer, widget: object, args: argparse.Namespace) -> None:
    """Show what an error looks like."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        path.write_bytes(b"these are no weights")
        widget.model = path
        widget.run_clicked()
        until(lambda: widget.state.value == "idle", 60)
        snap(viewer, args.out, "failed")
    widget.model = args.model


def snap(viewer: napari.Viewer, folder: Path, name: str) -> None:
    """Save the whole window in every theme as ``propagate-NAME-THEME.png``."""
    for theme in THEMES:
        viewer.theme = theme
        until(lambda: False, 0.3)
        picture = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)[..., :3])
        small = picture.quantize(256, dither=Image.Dither.NONE)  # a third of the size, no visible difference
        small.save(folder / f"propagate-{name}-{theme}.png", optimize=True)
    viewer.theme = THEMES[0]


def until(condition: object, seconds: float) -> None:
    """Handle events until `condition` holds or time is over."""
    loop, poll = QEventLoop(), QTimer()
    poll.timeout.connect(lambda: condition() and loop.quit())
    poll.start(50)
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()
    poll.stop()
    QApplication.processEvents()


if __name__ == "__main__":
    main()
