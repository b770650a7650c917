"""Long movies: what each scenario promises."""

from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.errors import ConfigError
from napari_xmem.simulate.kinds.long import SCENARIOS, long_nuclei

SIZE = (96, 96)


def contrast(image: np.ndarray, labels: np.ndarray) -> float:
    return float(image[labels > 0].mean() - image[labels == 0].mean())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenarios_are_reproducible(scenario: str) -> None:
    first, again = (
        long_nuclei(np.random.default_rng(2), frames=20, scenario=scenario, size_px=SIZE, n_objects=5, diameter_px=18)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.image.dtype == np.uint16
    assert contrast(first.image[0], first.labels[0]) > 0


def test_bleaching_takes_the_light() -> None:
    made = long_nuclei(
        np.random.default_rng(0), frames=70, scenario="bleach", size_px=SIZE, n_objects=6, diameter_px=18
    )
    assert contrast(made.image[-1], made.labels[-1]) < 0.4 * contrast(made.image[0], made.labels[0])


def test_a_third_leaves_and_returns() -> None:
    made = long_nuclei(
        np.random.default_rng(0), frames=100, scenario="return", size_px=SIZE, n_objects=9, diameter_px=16
    )
    seen = [set(np.unique(frame)) - {0} for frame in made.labels]
    gone = seen[0] - seen[40]
    assert gone
    assert len(gone & seen[90]) >= 1
    absent = [t for t in range(100) if not gone <= seen[t]]
    assert len(absent) >= 49


def test_focus_comes_and_goes() -> None:
    made = long_nuclei(np.random.default_rng(0), frames=60, scenario="focus", size_px=SIZE, n_objects=6, diameter_px=18)
    sharp = [np.abs(np.diff(frame.astype(float), axis=0)).max() for frame in made.image]
    assert min(sharp) < 0.6 * sharp[0]


def test_a_crowd_grows_of_look_alikes() -> None:
    made = long_nuclei(
        np.random.default_rng(1), frames=120, scenario="crowd", size_px=SIZE, n_objects=6, diameter_px=14
    )
    assert made.lineage_labels is not None
    assert len(np.unique(made.lineage_labels[-1])) > len(np.unique(made.lineage_labels[0]))


def test_bad_orders() -> None:
    with pytest.raises(ConfigError, match="expected one of drift"):
        long_nuclei(np.random.default_rng(0), frames=5, scenario="storm")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="frames"):
        long_nuclei(np.random.default_rng(0), frames=0, scenario="drift")
