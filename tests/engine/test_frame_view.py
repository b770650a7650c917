"""Few small objects on a large field: only where they may be is made, looked at and encoded."""

import numpy as np
import pytest
import torch

from napari_xmem.config import ModelConfig
from napari_xmem.engine.scopes.aggregation import aggregate_regions
from napari_xmem.engine.scopes.frame_view import PartialFrame, WholeFrame, is_sparse
from napari_xmem.engine.scopes.preprocess import FrameGeometry, NetworkInput
from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.imaging import BrightnessChange, IntensityNormaliser


@pytest.mark.parametrize(("channels", "scale"), [(1, 2.04), (3, 1.3), (1, 1.0)])
def test_a_part_of_a_frame_is_what_the_whole_shows_there(channels: int, scale: float) -> None:
    rng = np.random.default_rng(0)
    shape = (150, 131, channels) if channels > 1 else (150, 131)
    frame = rng.integers(0, 255, shape).astype(np.uint8)
    model = ModelConfig(intensity="percentile", contrast_px=21, image_channels=4, nominal_diameter_px=40.0)
    geometry = FrameGeometry.fit((150, 131), scale, 8)
    prepare = NetworkInput(model, IntensityNormaliser((3.0,) * channels, (200.0,) * channels), geometry)
    light = [BrightnessChange(1.4, 0.1)] * channels
    part, whole = PartialFrame(prepare, frame, 0, light), WholeFrame(prepare(frame, 0, light), geometry.scaled_shape)
    rows, columns = geometry.padded_shape
    for region in (
        Region(0, 0, 32, 48),
        Region(40, 56, 64, 32),
        Region(rows - 40, columns - 24, 40, 24),
        Region(0, 0, rows, columns),
    ):
        part.need([region])
        window = (slice(None), *region.slices)
        torch.testing.assert_close(part.image[window], whole.image[window], atol=2e-4, rtol=0)
    mask = RegionMask(1, Region(40, 56, 64, 48), torch.zeros(64, 48))
    mask.probability[20:40, 10:30] = 1.0
    shrunk, expected = part.shrunk([mask], 3), whole.shrunk([mask], 3)
    known = np.isfinite(shrunk)
    assert shrunk.shape == expected.shape
    assert known[16:32, 20:32].all()
    np.testing.assert_allclose(shrunk[known], expected[known], atol=1e-4)
    there = part.where([mask])
    assert there.frame.sum() * scale**2 == pytest.approx(400, rel=0.2)
    y, x = (float(np.mean(axis)) for axis in np.nonzero(there.frame))
    assert (y + 0.5) * scale == pytest.approx(70, abs=2)
    assert (x + 0.5) * scale == pytest.approx(76, abs=2)


def test_two_specks_on_a_large_field_are_sparse_and_a_crowd_is_not() -> None:
    seeds = np.zeros((512, 512), np.int64)
    seeds[100:125, 100:125], seeds[300:330, 350:380] = 1, 2
    geometry = FrameGeometry.fit(seeds.shape, 2.0, 8)
    assert is_sparse(seeds, geometry, 40.0, 64)
    assert not is_sparse(seeds, FrameGeometry.fit(seeds.shape, 0.8, 8), 40.0, 64)
    assert not is_sparse(0 * seeds, geometry, 40.0, 64)
    seeds[20:500:40, 20:500:40] = np.arange(3, 147).reshape(12, 12)
    assert not is_sparse(seeds, geometry, 40.0, 64)


def test_objects_far_apart_are_aggregated_as_in_the_whole_frame() -> None:
    generator = torch.Generator().manual_seed(0)
    places = [(0, 0), (16, 24), (96, 96), (40, 0), (112, 24)]
    masks = [
        RegionMask(i, Region(y, x, 32, 32), torch.rand(32, 32, generator=generator))
        for i, (y, x) in enumerate(places, start=1)
    ]
    crowd = [RegionMask(100 + i, Region(120, 120, 8, 8), torch.zeros(8, 8)) for i in range(20)]  # makes one group
    expected = {m.object_id: m for m in aggregate_regions([*masks, *crowd], {2}, (144, 144))}
    for mask in aggregate_regions(masks, {2}, (144, 144)):
        assert mask.region == expected[mask.object_id].region
        if mask.object_id != 3:  # where it lies the crowd claims something
            assert torch.equal(mask.probability, expected[mask.object_id].probability)
