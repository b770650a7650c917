"""Movies of volumes, and stacks followed along z."""

from __future__ import annotations

import numpy as np
import pytest

from engine.simple_movies import tiny_network
from napari_xmem.config import MemoryConfig
from napari_xmem.engine.volumes import follow_through_z, iter_volumes, propagate_volumes
from napari_xmem.errors import ConfigError, InputError, SeedError
from napari_xmem.model import load_model
from napari_xmem.model.checkpoint import bundled_path

SHAPE = (4, 5, 64, 80)


def balls(shape=SHAPE, radius=11):
    """Return frames and labels (T, Z, Y, X) of two balls that drift in the plane; planes 0 and 4 hold less of them."""
    t, z, y, x = np.mgrid[tuple(slice(n) for n in shape)]
    labels = np.zeros(shape, np.int32)
    for object_id, cy, cx, step in ((3, 20, 24, 1), (70_000, 44, 54, -1)):
        squared = (4 * (z - 2)) ** 2 + (y - cy) ** 2 + (x - cx - step * t) ** 2
        labels[squared < radius**2] = object_id
    frames = 100 + 200 * (labels > 0) + np.random.default_rng(0).normal(0, 8, shape)
    return frames.astype(np.float32), labels


@pytest.fixture(scope="module")
def bundled():
    if not bundled_path().exists():
        pytest.skip("no bundled weights")
    return load_model("bundled", "cpu")


def jaccard(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


def test_a_cell_is_one_object_in_all_planes_and_frames(bundled):
    frames, labels = balls()
    done = []
    result = propagate_volumes(frames, labels[0], model=bundled, progress=lambda n, total: done.append((n, total)))
    assert result.labels.shape == SHAPE and result.labels.dtype == np.int32
    assert set(np.unique(result.labels)) == {0, 3, 70_000}
    for object_id in (3, 70_000):
        assert jaccard(result.labels[3] == object_id, labels[3] == object_id) > 0.7
    np.testing.assert_array_equal(result.labels[0], labels[0])
    assert result.planes == tuple(z for z in range(5) if labels[0, z].any())
    assert result.scores.area_px[2].sum() == (result.labels[2] > 0).sum()
    n_planes = 4 * len(result.planes)
    assert done == [(n, n_planes) for n in range(1, n_planes + 1)]


def test_seeds_of_one_plane_are_followed_through_z_first(bundled):
    frames, labels = balls()
    seeds = np.zeros_like(labels[0])
    seeds[2] = labels[0, 2]
    filled = follow_through_z(frames[0], seeds, model=bundled)
    np.testing.assert_array_equal(filled[2], labels[0, 2])
    assert jaccard(filled[1:4] == 3, labels[0, 1:4] == 3) > 0.6
    result = propagate_volumes(frames, seeds, fill_planes=True, model=bundled)
    assert len(result.planes) >= 3 and jaccard(result.labels[3] == 3, labels[3] == 3) > 0.5


def test_planes_are_read_one_at_a_time_and_in_any_form_of_seeds():
    frames, labels = balls()

    class Lazy:
        shape, dtype, ndim = frames.shape, frames.dtype, 4

        def __getitem__(self, index):
            t, z = index
            return frames[int(t), int(z)]

    forms = [labels[0], {0: labels[0]}, np.concatenate([labels[:1], np.zeros_like(labels[1:])])]
    results = [propagate_volumes(Lazy(), seeds, model=tiny_network()).labels for seeds in forms]
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_late_seeds_and_backward_runs():
    frames, labels = balls()
    late = np.zeros_like(labels)
    late[2] = labels[2]
    seen = [(r.z, r.frame.frame) for r in iter_volumes(frames, late, model=tiny_network())]
    assert {t for _, t in seen} == {2, 3}
    back = [r.frame.frame for r in iter_volumes(frames, {2: labels[2]}, model=tiny_network(), direction="backward")]
    assert back[:3] == [2, 1, 0]


def test_bad_input_says_what_was_expected():
    frames, labels = balls()
    with pytest.raises(InputError, match="T, Z, Y, X"):
        propagate_volumes(frames[0], labels[0])
    with pytest.raises(SeedError, match="empty"):
        propagate_volumes(frames, np.zeros_like(labels[0]))
    with pytest.raises(SeedError, match="shape"):
        propagate_volumes(frames, labels[0, :3])
    with pytest.raises(SeedError, match="hold -"):
        propagate_volumes(frames, -labels[0])
    with pytest.raises(SeedError, match="expected integers"):
        propagate_volumes(frames, labels[0] * 0.5)
    with pytest.raises(SeedError, match="empty"):
        follow_through_z(frames[0], np.zeros_like(labels[0]))


def test_settings_and_unknown_sizes_are_refused_by_the_call_itself():
    frames, labels = balls()
    with pytest.raises(ConfigError, match="eviction is 'foo'"):
        iter_volumes(frames, labels[0], memory=MemoryConfig(eviction="foo"))
    array = pytest.importorskip("dask.array")
    unknown = array.from_array(frames)[array.from_array(np.ones(4, bool))]
    with pytest.raises(InputError, match=r"movie.compute_chunk_sizes\(\)"):
        iter_volumes(unknown, labels[0])
