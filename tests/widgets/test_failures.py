"""Whatever a thread raises ends in a message that can be read, and in docks that can be used again."""

from __future__ import annotations

import importlib

import pytest
import torch

from napari_xmem.errors import OutOfMemoryError, PropagationError, XMemError
from napari_xmem.model.inference import InferenceXMem
from napari_xmem.widgets.jobs.run_outcome import RunState
from review_scenes import add_result

pytestmark = pytest.mark.gui
WAIT = 120_000

ERRORS = [
    (RuntimeError("shapes differ"), PropagationError, "shapes differ"),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), OutOfMemoryError, "memory"),
    (MemoryError("8 GiB"), OutOfMemoryError, "memory"),
    (ZeroDivisionError("division by zero"), PropagationError, "division by zero"),
    (KeyError("frame"), PropagationError, "frame"),
]


@pytest.fixture
def messages():
    """Notifications, newest last."""
    from napari.utils.notifications import notification_manager

    seen = []
    notification_manager.notification_ready.connect(seen.append)
    yield seen
    notification_manager.notification_ready.disconnect(seen.append)


@pytest.fixture
def broken():
    """Breaks things until `undo`, at the latest until the end of the test."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.mark.parametrize(("error", "kind", "words"), ERRORS)
def test_a_run(qtbot, loaded, broken, messages, error, kind, words):
    loaded.frame_done.connect(lambda _: broken.setattr(InferenceXMem, "encode_key", raising(error)))
    qtbot.waitUntil(loaded.form.run.isEnabled, timeout=WAIT)
    with qtbot.waitSignal(loaded.run_ended, timeout=WAIT) as ended:
        loaded.form.run.click()
    outcome = ended.args[0]
    assert outcome.status == "failed" and isinstance(outcome.error, kind)
    assert words in loaded.form.status.text
    assert "stay" in loaded.form.status.text and outcome.layer in loaded.viewer.layers
    assert type(error).__name__ in loaded.form.status._details
    assert words in messages[-1].message
    assert loaded.state is RunState.IDLE and loaded.form.run.isEnabled() and not loaded.form.stop.isEnabled()
    broken.undo()
    loaded.frame_done.disconnect()
    assert loaded.run(wait=True).data[5].shape == (48, 64)


def test_a_forecast(qtbot, loaded, monkeypatch):
    module = importlib.import_module("napari_xmem.engine.cost.forecast")  # a function of the package has the same name
    failed = []
    monkeypatch.setattr(module, "forecast_run", lambda run: failed.append(run) or raising(RuntimeError("no"))())
    loaded.forecast = True
    qtbot.waitUntil(lambda: bool(failed), timeout=WAIT)
    assert loaded.form.run.isEnabled()
    assert loaded.run(wait=True) is not None


def test_an_explanation(viewer, network, broken):
    _, explain = viewer.window.add_plugin_dock_widget("napari-xmem", "Explain")
    layer, session, _ = add_result(viewer, network)
    explain.watch.look()
    broken.setattr(session, "explain", raising(RuntimeError("CUDA error: launch failed")))
    with pytest.raises(XMemError, match="launch failed"):
        explain.explain(5, 16, 14, wait=True)
    assert "launch failed" in explain.form.status.text and "Traceback" in explain.form.status._details
    assert not explain.is_busy
    broken.undo()
    assert explain.explain(0, 16, 14, int(layer.data[0, 16, 14]), wait=True) is not None


def test_memory(viewer, network, broken, tmp_path, messages):
    _, memory = viewer.window.add_plugin_dock_widget("napari-xmem", "Memory")
    _, session, _ = add_result(viewer, network)
    memory.watch.look()
    broken.setattr(session.memory, "protect", raising(RuntimeError("surprise")))
    memory.protect_frames([2])
    assert "RuntimeError: surprise" in memory.form.status.text and "surprise" in messages[-1].message
    broken.undo()
    memory.protect_frames([2])
    assert "protected" in memory.form.status.text
    memory.save(tmp_path / "no such folder" / "a.xmem")
    assert memory.form.status._details and not memory.is_busy
    memory.save(tmp_path / "a.xmem")
    assert "saved in a.xmem" in memory.form.status.text
