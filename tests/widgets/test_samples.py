"""Sample data opens as from the menu."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.gui


@pytest.mark.parametrize("key", ["dividing_nuclei", "simulated_nuclei", "simulated_phase_contrast"])
def test_simulated_samples(viewer, widget, key):
    image, seeds = viewer.open_sample("napari-xmem", key)
    assert image.data.ndim == 3 and seeds.data.shape == image.data.shape
    assert seeds.data[0].any() and not seeds.data[1:].any()
    assert widget.image is image and widget.seeds is seeds
    widget.inputs.scan.finish()
    assert not widget.problem


def test_the_sample_button_of_the_empty_state(viewer, widget):
    widget.open_sample()
    assert viewer.dims.current_step[0] == 0
    assert widget.image.name == "nuclei"
