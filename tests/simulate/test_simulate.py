"""What every kind of simulated movie must hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_xmem.errors import ConfigError
from napari_xmem.simulate import KINDS, SimulatedMovie, simulate

FRAMES = 5
SIZE = (128, 144)
DIAMETER = 30.0

DIM_OUTSIDE = ("nuclei", "sparse_nuclei", "rods_fluorescence", "mitosis", "dim_nuclei")


def movie(kind: str, seed: int = 1, **changes: object) -> SimulatedMovie:
    options: dict[str, object] = {"frames": FRAMES, "size_px": SIZE, "diameter_px": DIAMETER, **changes}
    return simulate(kind, np.random.default_rng(seed), **options)  # type: ignore[arg-type]


def areas(labels: np.ndarray) -> np.ndarray:
    """Areas of the objects of a frame that do not touch its border."""
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    count = np.bincount(labels.ravel())
    count[0] = 0
    count[rim] = 0
    return count[count > 0]


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_dtypes(kind: str) -> None:
    made = movie(kind)
    assert made.kind == kind
    assert made.image.shape[:3] == made.labels.shape == (FRAMES, *SIZE)
    assert made.image.dtype in (np.uint8, np.uint16)
    assert made.labels.dtype == np.uint16
    assert made.labels.max() > 0
    assert made.image.std() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_movie(kind: str) -> None:
    first, again, other = movie(kind, 3), movie(kind, 3), movie(kind, 4)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.image.dtype != other.image.dtype or not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("kind", KINDS)
def test_first_frame_shows_objects_and_their_ids_come_first(kind: str) -> None:
    for seed in range(6):
        labels = movie(kind, seed).labels
        first = np.unique(labels[0])
        first = first[first > 0]
        assert len(first) >= 1
        np.testing.assert_array_equal(first, np.arange(1, len(first) + 1))


@pytest.mark.parametrize("kind", KINDS)
def test_objects_have_about_the_wanted_size(kind: str) -> None:
    found = np.concatenate([areas(movie(kind, seed, frames=1).labels[0]) for seed in range(8)])
    diameter = np.sqrt(4 / np.pi * np.median(found))
    assert 0.6 * DIAMETER < diameter < 1.5 * DIAMETER


@pytest.mark.parametrize("kind", KINDS)
def test_number_of_objects_follows_the_wish(kind: str) -> None:
    few = [len(np.unique(movie(kind, s, frames=1, n_objects=4, diameter_px=24.0).labels)) - 1 for s in range(6)]
    many = [len(np.unique(movie(kind, s, frames=1, n_objects=16, diameter_px=24.0).labels)) - 1 for s in range(6)]
    assert np.mean(many) > np.mean(few)


@pytest.mark.parametrize("kind", KINDS)
def test_most_objects_persist_between_frames(kind: str) -> None:
    """Ids are the identity of bodies: where nothing jumps, most are still there in the next frame."""
    kept = []
    for seed in range(6):
        labels = movie(kind, seed, frames=2).labels
        before, after = (set(np.unique(frame)) - {0} for frame in labels)
        kept.append(len(before & after) / len(before))
    assert np.mean(kept) > 0.6


@pytest.mark.parametrize("kind", DIM_OUTSIDE)
def test_fluorescent_masks_cover_the_light(kind: str) -> None:
    ratios = []
    for seed in range(10):
        made = movie(kind, seed)
        inside, outside = made.image[made.labels > 0].mean(), made.image[made.labels == 0].mean()
        ratios.append((inside - outside) / made.image.std())
    ratios = np.abs(ratios)  # a few movies are inverted
    assert np.min(ratios) > 0.3


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("em_stack", "membranes")])
def test_outlines_lie_on_visible_edges(kind: str) -> None:
    """The image changes most within two pixels of the outline of the foreground, not farther inside or outside."""
    at_edge, elsewhere = [], []
    for seed in range(10):
        made = movie(kind, seed)
        image = made.image[0].astype(float)
        slope = ndimage.gaussian_gradient_magnitude(image, 1.0) / (image.std() + 1e-9)
        own = made.labels[0] > 0
        if own.all():
            continue
        distance = np.where(own, ndimage.distance_transform_edt(own), ndimage.distance_transform_edt(~own))
        inner = np.zeros(SIZE, bool)
        inner[4:-4, 4:-4] = True
        at_edge.append(slope[inner & (distance <= 2)].mean())
        elsewhere.append(slope[inner & (distance > 5)].mean())
    assert np.mean(at_edge) > 1.4 * np.mean(elsewhere)


def test_membranes_are_bright_between_cells() -> None:
    contrast = []
    for seed in range(10):
        made = movie("membranes", seed)
        labels, image = made.labels[0], made.image[0].astype(float)
        between = np.zeros(labels.shape, bool)
        between[:, 1:] |= (labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] > 0) & (labels[:, :-1] > 0)
        deep = (ndimage.distance_transform_edt(~between) > 5) & (labels > 0)
        if between.sum() > 30 and deep.sum() > 30:
            contrast.append((image[between].mean() - image[deep].mean()) / image.std())
    assert np.median(contrast) > 0.5


def test_em_membranes_are_dark() -> None:
    contrast = []
    for seed in range(8):
        made = movie("em_stack", seed)
        labels, image = made.labels[0], made.image[0].astype(float)
        border = np.zeros(labels.shape, bool)
        border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
        border[1:] |= labels[1:] != labels[:-1]
        contrast.append(image[ndimage.distance_transform_edt(~border) > 5].mean() - image[border].mean())
    assert min(contrast) > 0


@pytest.mark.parametrize("kind", ["nuclei", "rods_phase", "rods_fluorescence", "phase_cells"])
def test_daughters_keep_the_mothers_label(kind: str) -> None:
    seen = 0
    for seed in range(12):
        made = movie(kind, seed, frames=10)
        if made.lineage_labels is None:
            assert made.parents == {}
            continue
        np.testing.assert_array_equal(made.lineage_labels > 0, made.labels > 0)
        for child, mother in made.parents.items():
            own = made.labels[made.lineage_labels == child]
            mothers = made.labels[made.lineage_labels == mother]
            assert len(np.unique(own)) == 1
            assert set(own.tolist()) == set(mothers.tolist())
            last = np.flatnonzero((made.lineage_labels == mother).any((1, 2)))[-1]
            first = np.flatnonzero((made.lineage_labels == child).any((1, 2)))[0]
            assert first > last
            seen += 1
    assert seen >= 4


def test_rods_grow_until_they_divide() -> None:
    grew = []
    for seed in range(6):
        made = movie("rods_phase", seed, frames=8)
        labels = made.labels if made.lineage_labels is None else made.lineage_labels
        for rod in np.unique(labels[0])[1:]:
            area = np.array([(frame == rod).sum() for frame in labels])
            rim = any((edge == rod).any() for edge in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]))
            if not rim and (area > 0).all():
                grew.append(area[-1] / area[0])
    assert np.median(grew) > 1.02


def test_colour_and_grey_kinds_have_no_gaps_in_range() -> None:
    """Digits use a fair part of their range and do not all saturate."""
    for kind in KINDS:
        for seed in range(3):
            image = movie(kind, seed).image
            low, high = np.percentile(image, [1, 99])
            assert high - low >= 5
            top = np.iinfo(image.dtype).max
            assert (image == top).mean() < 0.5


def test_bad_orders_say_what_to_do() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="expected one of nuclei"):
        simulate("cats", rng, frames=2, size_px=(64, 64))
    with pytest.raises(ConfigError, match="at least 1 frame"):
        simulate("nuclei", rng, frames=0, size_px=(64, 64))
    with pytest.raises(ConfigError, match="32 x 32"):
        simulate("nuclei", rng, frames=2, size_px=(16, 64))
    with pytest.raises(ConfigError, match="n_objects"):
        simulate("nuclei", rng, frames=2, size_px=(64, 64), n_objects=0)
    with pytest.raises(ConfigError, match="diameter_px"):
        simulate("nuclei", rng, frames=2, size_px=(64, 64), diameter_px=500)


@pytest.mark.parametrize("kind", KINDS)
def test_one_frame_and_one_object_are_enough(kind: str) -> None:
    made = movie(kind, frames=1, n_objects=1, size_px=(64, 64), diameter_px=20.0)
    assert made.labels.shape == (1, 64, 64)
    assert made.labels.max() >= 1
