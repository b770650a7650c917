"""A viewer with the dock, small movies, and an untrained network."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from widget_scenes import drifting_discs, seeds_on

pytestmark = pytest.mark.gui


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Path of an untrained network."""
    import torch

    from napari_xmem.model import XMem, save_model
    from napari_xmem_training.recipes import get_recipe

    torch.manual_seed(0)
    return str(save_model(XMem(get_recipe("tiny").model), tmp_path_factory.mktemp("model") / "tiny.safetensors"))


@pytest.fixture(scope="session")
def network(tiny_model):
    """Return the tiny model, loaded."""
    from napari_xmem.model import load_model

    return load_model(tiny_model, "cpu")


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """Settings that live as long as the test, with the forecast off; the user's own are left alone."""
    from napari_xmem.widgets.propagate import stored_choices as _settings

    store = SimpleNamespace(**{**_settings.DEFAULTS, "forecast": False})
    monkeypatch.setattr(_settings, "open_store", lambda: store)
    return store


@pytest.fixture
def viewer(make_napari_viewer):
    """A hidden viewer."""
    return make_napari_viewer()


@pytest.fixture
def widget(viewer, tiny_model):
    """The dock, opened as from the plugin menu, with the untrained network."""
    _, made = viewer.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")
    made.model = tiny_model
    return made


@pytest.fixture
def loaded(viewer, widget):
    """The dock with a movie, and seeds on frame 0."""
    movie, truth = drifting_discs()
    viewer.add_image(movie, name="movie", scale=(1, 0.5, 0.5), translate=(0, 10, 20), units=("pixel", "um", "um"))
    viewer.add_labels(seeds_on(truth, 0), name="seeds", scale=(1, 0.5, 0.5), translate=(0, 10, 20))
    viewer.dims.set_point(0, 0)
    return widget
