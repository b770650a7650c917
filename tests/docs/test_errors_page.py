"""docs/errors.md: every class of error has a section, every message is a real one, every provoked one is explained."""

from __future__ import annotations

import inspect
import re
from types import SimpleNamespace

import pytest

from napari_xmem import errors
from provoked_errors import CASES, Provoked


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "errors.md").read_text(encoding="utf-8")


def quoted(page):
    """Messages on the page, as patterns, with the heading of the section each stands in."""
    found = []
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        heading = section.splitlines()[0]
        for message in re.findall(r"^```text\n(.*?)\n```", section, flags=re.MULTILINE | re.DOTALL):
            found.append((heading, ".*".join(map(re.escape, message.split("…")))))
    return found


def test_every_class_has_a_section(page):
    classes = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.XMemError) and value is not errors.XMemError
    }
    headings = " ".join(re.findall(r"^## .*", page, flags=re.MULTILINE))
    assert {name for name in classes if f"{name}:" not in headings} == set()


def test_every_message_is_real_and_explained(page, tmp_path, monkeypatch):
    expected = [item for item in quoted(page) if not item[0].startswith("Run is grey")]
    met = set()
    for name in CASES:
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        with pytest.raises(errors.XMemError) as caught:
            getattr(Provoked(), name)()
        kind, message = type(caught.value).__name__, str(caught.value)
        matching = {(h, p) for h, p in expected if h.startswith(f"{kind}:") and re.fullmatch(p, message, re.DOTALL)}
        assert matching, f"docs/errors.md does not explain {kind}: {message}"
        met |= matching
    assert set(expected) == met, "messages that nothing provokes"


@pytest.mark.gui
def test_hints_of_the_dock_are_real(page, make_napari_viewer, monkeypatch):
    import numpy as np

    from napari_xmem.widgets.propagate import stored_choices as _settings
    from napari_xmem.widgets.propagate.dock import PropagateWidget

    monkeypatch.setattr(_settings, "open_store", lambda: SimpleNamespace(**{**_settings.DEFAULTS, "forecast": False}))
    viewer = make_napari_viewer()
    widget = PropagateWidget(viewer)
    seen = [widget.problem]
    viewer.add_image(np.zeros((5, 16, 16), np.uint8), name="movie")
    seen.append(widget.problem)
    layer = widget.new_seeds()
    widget.inputs.scan.finish()
    seen.append(widget.problem)
    layer.data[0, 4:8, 4:8] = 1
    layer.refresh()
    widget.inputs.look_at_seeds()
    widget.inputs.scan.finish()
    widget.first_frame = 2
    seen.append(widget.problem)
    widget.close()
    patterns = [p for heading, p in quoted(page) if heading.startswith("Run is grey")]
    assert len(patterns) == len(seen)
    for pattern, hint in zip(patterns, seen, strict=True):
        assert re.fullmatch(pattern, hint), hint
