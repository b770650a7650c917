"""The viewer stays alive while a run is going on, with all docks open.

Numbers are reported, not limited, since machines differ: ``pytest tests/widgets/test_responsive.py -s``, with
``--show-napari-viewer`` for a window that really draws.
"""

from __future__ import annotations

import time

import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from widget_scenes import drifting_discs, seeds_on

pytestmark = pytest.mark.gui
WAIT = 280_000
N_FRAMES = 10


class Heartbeat:
    """Ticks in the viewer's thread as often as it can; remembers the longest time it could not.

    Wall time contains the wait for other programs and threads, busy time is what the viewer's thread itself worked.
    """

    def __init__(self):
        self.ticks, self.longest_wall_s, self.longest_busy_s = 0, 0.0, 0.0
        self._timer = QTimer()
        self._timer.setInterval(2)
        self._timer.timeout.connect(self._tick)

    def start(self, *_):
        self._wall, self._busy = time.perf_counter(), time.thread_time()
        self._timer.start()

    def stop(self, *_):
        self._timer.stop()

    def _tick(self):
        wall, busy = time.perf_counter(), time.thread_time()
        self.ticks += 1
        self.longest_wall_s = max(self.longest_wall_s, wall - self._wall)
        self.longest_busy_s = max(self.longest_busy_s, busy - self._busy)
        self._wall, self._busy = wall, busy


def cost_of_drawing_s(viewer):
    """Return the longest work that going to another frame costs without any of our docks."""
    longest = 0.0
    for t in range(N_FRAMES):
        begun = time.thread_time()
        viewer.dims.set_point(0, t)
        QApplication.processEvents()
        longest = max(longest, time.thread_time() - begun)
    return longest


def test_events_are_handled_during_a_run(qtbot, viewer, tiny_model, record_property):
    movie, truth = drifting_discs(N_FRAMES, (128, 128))
    viewer.add_image(movie, name="movie")
    viewer.add_labels(seeds_on(truth, 0), name="seeds")
    drawing_s = cost_of_drawing_s(viewer)
    names = ("Propagate labels", "Memory", "Review and correct", "Explain")
    propagate, *_others = [viewer.window.add_plugin_dock_widget("napari-xmem", name)[1] for name in names]
    propagate.model, propagate.follow = tiny_model, True
    heartbeat = Heartbeat()
    propagate.runner.planned.connect(heartbeat.start)
    propagate.run_ended.connect(heartbeat.stop)
    with qtbot.waitSignal(propagate.run_ended, timeout=WAIT) as ended:
        propagate.run()
    assert ended.args[0].n_frames == N_FRAMES
    assert heartbeat.ticks > N_FRAMES
    numbers = {
        "longest work in the viewer's thread, ms": 1000 * heartbeat.longest_busy_s,
        "of it drawing a frame, ms": 1000 * drawing_s,
        "longest gap between events, ms": 1000 * heartbeat.longest_wall_s,
    }
    for name, value in numbers.items():
        record_property(name, round(value))
    print("; ".join(f"{name}: {value:.0f}" for name, value in numbers.items()))
