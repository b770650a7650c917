from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_xmem.config import MemoryConfig
from napari_xmem.engine.discovery.candidate_filter import distinct
from napari_xmem.engine.discovery.candidate_masks import Candidate, Place
from napari_xmem.engine.discovery.edge_strength import Outlines
from napari_xmem.engine.discovery.example_transform import Fit, spread
from napari_xmem.engine.discovery.key_similarity import Appearance
from napari_xmem.engine.discovery.more_examples import differing
from napari_xmem.engine.discovery.template_matching import Templates
from napari_xmem.engine.scopes.object_state import TrackedObject
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.engine.scopes.tiling import EncodedFrame
from napari_xmem.memory import MemoryBank

STRIDE = 8


def encoded(key):
    """A frame of which keys are known; nothing is decoded."""
    key = torch.from_numpy(key.astype(np.float32))[None]
    return EncodedFrame(key, torch.ones_like(key[:, :1]), torch.ones_like(key), None, None)


def example(i, labels):
    y, x = np.nonzero(labels == i)
    bank = MemoryBank(MemoryConfig(), key_dim=4, value_dim=4)
    return TrackedObject(i, bank, (y.mean() + 0.5, x.mean() + 0.5), (np.ptp(y) + 1, np.ptp(x) + 1), float(len(y)))


@pytest.fixture
def scene():
    """Two patterns of 3 x 3 key cells; both are painted once and lie somewhere else once more."""
    rng = np.random.default_rng(0)
    patterns = rng.normal(0, 1, (2, 6, 5, 5))
    key = rng.normal(0, 0.05, (6, 40, 40))
    labels = np.zeros((320, 320), np.int32)
    for i, (pattern, y, x) in enumerate(zip(patterns, (5, 5), (5, 25), strict=True), 1):
        key[:, y : y + 5, x : x + 5] = pattern
        labels[(y + 1) * STRIDE : (y + 4) * STRIDE, (x + 1) * STRIDE : (x + 4) * STRIDE] = i
    for pattern, y, x in zip(patterns, (25, 30), (8, 28), strict=True):
        key[:, y : y + 5, x : x + 5] = pattern
    return encoded(key), labels, [example(1, labels), example(2, labels)]


def test_places_settle_on_what_is_most_like_an_example(scene):
    """From wherever around it: two places near one pattern become one, and the example is the one that it copies."""
    frame, labels, examples = scene
    templates = Templates(frame, examples, labels, STRIDE)
    first, second = (27.5 * STRIDE, 10.5 * STRIDE), (32.5 * STRIDE, 30.5 * STRIDE)
    around = [(first[0] + 16, first[1] - 8), (first[0] - 8, first[1] + 16), (second[0] - 16, second[1] - 16)]
    centres, alike = templates.settled(around, 2, 2 * STRIDE)
    assert {(round(y), round(x)) for y, x in centres} == {first, second}
    for centre, scores in zip(centres, alike, strict=True):
        assert scores.argmax() == (centre == second)
        assert scores.max() == pytest.approx(0, abs=1e-6)
    assert templates.settled([], 2, 2 * STRIDE)[0] == []
    assert np.isfinite(templates.alike([(2.0, 2.0), (318.0, 318.0)])).all()  # most of the example lies outside


def test_neighbours_that_nobody_painted_are_no_background():
    """Objects a little way off from the painted one look like it, and are not taken for what it is not."""
    labels = np.zeros((320, 320), np.int32)
    key = np.zeros((4, 40, 40))
    for y in range(2, 38, 6):
        for x in range(2, 38, 6):
            key[0, y : y + 4, x : x + 4] = 3
    labels[14 * STRIDE : 18 * STRIDE, 14 * STRIDE : 18 * STRIDE] = 1
    appearance = Appearance.of(encoded(key), labels > 0, STRIDE, 56.0, 1 << 20)
    likeness = appearance.likeness(encoded(key), 1 << 20)
    assert likeness[key[0] > 0].min() > 0.9
    assert likeness[key[0] == 0].max() < 0.1
    part = torch.zeros(40, 40, dtype=torch.bool)
    part[:20] = True
    assert np.array_equal(appearance.likeness(encoded(key), 1 << 20, part), np.where(part, likeness, 0))


def rod(angle, at, sure=0.95, length=40):
    y, x = np.mgrid[:96, :96] - 47.5
    along, across = y * np.sin(angle) + x * np.cos(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = (abs(along) <= length / 2) & (abs(across) <= 6)
    centre = (at[0] + 48.0, at[1] + 48.0)
    values = torch.from_numpy(np.where(inside, 1.0, 0.0).astype(np.float32))
    return Candidate(Place(0, centre), Region(*at, 96, 96), values, float(inside.sum()), centre, sure)


def test_what_differs_becomes_an_example():
    labels = np.zeros((320, 320), np.int32)
    labels[:96, :96][rod(0, (0, 0)).inside] = 1
    frame, known = encoded(np.ones((4, 40, 40))), [example(1, labels)]
    alike, turned, slant, again = rod(0.05, (96, 0)), rod(1.57, (0, 96)), rod(0.8, (96, 96)), rod(1.5, (200, 96))
    long, unsure = rod(0, (200, 0), length=80), rod(2.4, (200, 200), sure=0.6)
    found = [alike, turned, slant, again, long, unsure]
    chosen = differing(frame, known, labels, found, STRIDE)
    assert set(chosen) in ({1, 2, 4}, {2, 3, 4})  # of the two upright ones, one
    assert differing(frame, known, labels, [alike, unsure], STRIDE) == []


def test_background_that_looks_like_the_inside_of_objects_stays_background():
    """A cell with a dark rim, as bright inside as what lies around it."""
    labels = np.zeros((320, 320), np.int32)
    labels[16 * STRIDE : 20 * STRIDE, 16 * STRIDE : 20 * STRIDE] = 1
    key = np.full((4, 40, 40), 3.0)
    key[:, 15:21, 15:21] = 0
    key[:, 16:20, 16:20] = 3
    likeness = Appearance.of(encoded(key), labels > 0, STRIDE, 56.0, 1 << 20).likeness(encoded(key), 1 << 20)
    assert likeness[:10, :10].max() <= 0.6


def test_an_example_is_turned_and_stretched_to_what_was_seen():
    """Ends of a rod come to lie on the ends of another one, and its sensory memory turns with it."""
    lying, slant = rod(0, (0, 0)), rod(0.9, (0, 0), length=60)
    fit = Fit.of(spread(lying.inside), spread(slant.inside), (52.0, 44.0))
    end = torch.tensor([np.sin(0.9) * 30, np.cos(0.9) * 30], dtype=torch.float64)
    at_end = fit.matrix @ end
    assert abs(at_end[0]) < 1 and abs(abs(at_end[1]) - 20) < 1
    side = fit.matrix @ torch.tensor([np.cos(0.9) * 6, -np.sin(0.9) * 6], dtype=torch.float64)
    assert abs(abs(side[0]) - 6) < 1 and abs(side[1]) < 1
    turned = Fit.of(spread(lying.inside), spread(rod(0.9, (0, 0)).inside), (40.0, 34.0)).applied(
        lying.probability[None]
    )
    expected = rod(0.9, (0, 0)).inside
    seen = turned[0].numpy() > 0.5
    assert (seen & expected).sum() / (seen | expected).sum() > 0.85
    same = Fit.of(spread(slant.inside), spread(slant.inside), (52.0, 44.0))
    assert torch.allclose(same.matrix, torch.eye(2, dtype=torch.float64), atol=1e-6)


def test_outlines_are_as_clear_as_the_frame_changes_across_them():
    y, x = np.mgrid[:120, :160]
    disc = np.hypot(y - 40, x - 50) < 20
    outlines = Outlines((1.0 - 0.5 * disc).astype(np.float32), (120, 160))
    on, off = outlines.strength(disc, 0, 0), outlines.strength(disc, 30, 80)
    assert on is not None and off is not None
    assert off < 0.05 * on
    window = disc[10:80, 20:90]
    assert outlines.strength(window, 10, 20) == pytest.approx(on)
    brighter = Outlines((2.0 * disc).astype(np.float32), (120, 160)).strength(disc, 0, 0)
    assert brighter == pytest.approx(4 * on, rel=1e-3)
    assert outlines.strength(np.ones((2, 160), bool), 0, 0) is None  # at the border nothing can be said
    assert outlines.strength(np.zeros((9, 9), bool), 0, 0) is None


def test_cells_that_touch_end_as_clearly_as_others():
    y, x = np.mgrid[:120, :160]
    cell = (np.abs(y - 60) < 20) & (np.abs(x - 60) < 20)
    neighbours = (np.abs(y - 60) < 20) & (x >= 80) & (x < 120)
    alone, among = (Outlines(a.astype(np.float32), (120, 160)) for a in (cell, cell | neighbours))
    free = alone.strength(cell, 0, 0)
    assert free is not None
    assert among.strength(cell, 0, 0) == pytest.approx(free, rel=0.15)


def test_places_that_show_the_same_count_once_and_flat_ground_holds_nothing():
    """Of two masks of one disc the surer stays, its neighbour too; where nothing changes no outline can be."""
    y, x = np.mgrid[:96, :128]
    discs = [(y - 40) ** 2 + (x - cx) ** 2 <= 12**2 for cx in (30, 60)]

    def seen(disc, corner, confidence):
        region = Region(*corner, 64, 64)
        values = torch.from_numpy(disc[region.slices].astype(np.float32))
        return Candidate(Place(0, (40.0, 30.0)), region, values, float(values.sum()), (40.0, 30.0), confidence)

    same = [seen(discs[0], (8, 0), 0.7), seen(discs[0], (16, 8), 0.9), seen(discs[1], (8, 32), 0.6)]
    assert same[0].overlap(same[1]) == 1 and same[0].overlap(same[2]) == 0
    assert distinct(same, [0, 1, 2]) == [1, 2] and distinct(same, [0, 2]) == [0, 2]
    outlines = Outlines((discs[0] | discs[1]).astype(np.float32), (96, 128))
    outline = outlines.of(same[0])
    assert outlines.clearest((40.0, 30.0), 12.0) == pytest.approx(outline, rel=0.15)
    assert outlines.clearest((40.0, 105.0), 12.0) < 0.01 * outline
    assert outlines.clearest((500.0, 500.0), 12.0) == 0
