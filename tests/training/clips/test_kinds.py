"""Every kind of clip keeps the promises of a clip; masks lie on what is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from napari_xmem.errors import ConfigError, InputError
from napari_xmem.imaging import local_contrast
from napari_xmem_training.clips import ClipConfig, Mixture
from napari_xmem_training.clips.crowd import crowd
from napari_xmem_training.clips.make import ClipMaker
from napari_xmem_training.clips.shapes import shapes
from napari_xmem_training.clips.stills import taken_apart, warped
from napari_xmem_training.clips.store import StillStore

if TYPE_CHECKING:
    from pathlib import Path

KINDS = [f"{name}/{source}" for name in ("warp", "stills", "crowd") for source in ("fluo", "other", "phase")]
KINDS += ["shapes/things", "simulated/nuclei", "simulated/rods_phase"]


@pytest.fixture(scope="module")
def maker(data_dir: Path) -> ClipMaker:
    return ClipMaker(ClipConfig(window_px=128, n_frames=4), StillStore(data_dir))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_proper_clip(maker: ClipMaker, kind: str) -> None:
    for number in range(4):
        clip = maker.make_kind(kind, np.random.default_rng(number))
        assert clip.kind == kind
        assert clip.image.shape == (4, 4, 128, 128)
        assert clip.target.shape == clip.others.shape == (4, 128, 128)
        assert {clip.image.dtype, clip.target.dtype, clip.others.dtype} == {np.dtype(np.float32)}
        assert np.isfinite(clip.image).all()
        assert clip.image[:, :3].min() >= -0.5
        assert clip.image[:, :3].max() <= 2.0
        assert set(np.unique(clip.target)) <= {0.0, 1.0}
        assert not (clip.target * clip.others).any()
        assert clip.target[0].sum() >= 0.6 * np.pi / 4 * 26**2
        grey = clip.image[1, :3].mean(0)
        assert np.allclose(clip.image[1, 3], local_contrast(grey, 21), atol=2e-3)


def test_same_state_same_clip(maker: ClipMaker) -> None:
    for number in range(6):
        a, b = (maker.make(np.random.default_rng([7, number])) for _ in range(2))
        assert a.kind == b.kind
        assert np.array_equal(a.image, b.image)
        assert np.array_equal(a.target, b.target)


@pytest.mark.parametrize("draw", [warped, taken_apart, crowd])
def test_masks_lie_on_the_objects(data_dir: Path, draw: object) -> None:
    config = ClipConfig(window_px=128, n_frames=4, absent=0.0)
    store = StillStore(data_dir)
    scores = []
    for number in range(12):
        rng = np.random.default_rng(number)
        drawn = draw(rng, store.pick(rng, "fluo"), config)  # type: ignore[operator]
        objects = drawn.target | drawn.others
        bright = drawn.colour[..., 0] > 0.5
        scores.append((objects & bright).sum() / (objects | bright).sum())
    assert np.median(scores) > 0.9


def test_objects_move_on_their_own(data_dir: Path) -> None:
    config = ClipConfig(window_px=128, n_frames=4, absent=0.0)
    store = StillStore(data_dir)
    rng = np.random.default_rng(3)
    changes = []
    for _ in range(10):
        drawn = taken_apart(rng, store.pick(rng, "fluo"), config)
        both = drawn.target.any((1, 2)) & drawn.others.any((1, 2))
        if both.all():
            gap = [
                np.subtract(ndimage.center_of_mass(drawn.target[t]), ndimage.center_of_mass(drawn.others[t]))
                for t in (0, 3)
            ]
            changes.append(np.abs(gap[1] - gap[0]).max())
    assert np.median(changes) > 1.0


@pytest.mark.parametrize("draw", [taken_apart, crowd, shapes])
def test_targets_vanish_when_asked(data_dir: Path, draw: object) -> None:
    config = ClipConfig(window_px=128, n_frames=5, absent=1.0)
    store = StillStore(data_dir)
    absent = []
    for number in range(20):
        rng = np.random.default_rng(number)
        drawn = draw(rng, store.pick(rng, "fluo"), config)  # type: ignore[operator]
        absent.append((drawn.target[1:].sum((1, 2)) == 0).any())
        assert drawn.target[0].any()
    assert np.mean(absent) > 0.6


def test_mothers_label_stays_with_both_daughters(data_dir: Path) -> None:
    config = ClipConfig(window_px=160, n_frames=6, absent=0.0)
    store = StillStore(data_dir)
    pieces = []
    for number in range(80):
        rng = np.random.default_rng(number)
        drawn = crowd(rng, store.pick(rng, "fluo"), config)
        parts, count = ndimage.label(drawn.target[-1])
        sizes = np.bincount(parts.ravel())[1:]
        pieces.append(count > 1 and np.sort(sizes)[-2] > 100)
    assert 2 <= sum(pieces) <= 30


def test_colour_and_grey_both_occur(maker: ClipMaker) -> None:
    coloured = []
    for number in range(12):
        image = maker.make_kind("shapes/things", np.random.default_rng(number)).image
        coloured.append(not np.array_equal(image[:, 0], image[:, 1]))
    assert any(coloured)
    assert not all(coloured)


def test_without_images_only_drawn_kinds() -> None:
    kinds = ClipMaker(ClipConfig(), None).kinds
    assert "shapes/things" in kinds
    assert "simulated/nuclei" in kinds
    assert not [k for k in kinds if k.startswith(("warp", "stills", "crowd"))]


def test_chosen_simulated_kinds_only() -> None:
    mixture = Mixture(warp=0, stills=0, crowd=0, shapes=0, kinds=(("nuclei", 3.0), ("rods_phase", 1.0)))
    assert ClipMaker(ClipConfig(mixture=mixture), None).kinds == ("simulated/nuclei", "simulated/rods_phase")


def test_bad_settings_are_refused(data_dir: Path) -> None:
    with pytest.raises(ConfigError, match="shapes"):
        Mixture(shapes=-1)
    with pytest.raises(ConfigError, match="window_px"):
        ClipConfig(window_px=32)
    with pytest.raises(ConfigError, match="n_frames"):
        ClipConfig(n_frames=1)
    with pytest.raises(InputError, match="No clip generator"):
        ClipMaker(ClipConfig(mixture=Mixture(shapes=0, simulated=0)), None)
    with pytest.raises(InputError, match="Unknown kind"):
        ClipMaker(ClipConfig(), StillStore(data_dir)).make_kind("warp/none", np.random.default_rng(0))
