"""The suite's movies: always the same, never seen in training, what their kind promises."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from napari_xmem.errors import ConfigError, InputError
from napari_xmem_training.suite import KINDS, suite_movies
from napari_xmem_training.suite.movie import SuiteMovie, keep_whole, motion_per_frame, movie_rng

QUICK = ("natural", "return", "em-stack", "rods-drift")


def one(kind, data_dir=None):
    return next(iter(suite_movies(data_dir, [kind])))


def usable(movie: SuiteMovie) -> None:
    assert len(movie.frames) == len(movie.truth)
    assert movie.frames.shape[1:3] == movie.truth.shape[1:]
    assert movie.scored
    assert set(movie.scored) <= set(np.unique(movie.seeds).tolist())
    assert movie.frames.std() > 0


@pytest.mark.parametrize("kind", QUICK)
def test_a_movie_is_the_same_every_time(kind):
    first, second = one(kind), one(kind)
    usable(first)
    assert first.fingerprint == second.fingerprint
    assert len(first.truth) == 20


def test_movies_of_a_kind_differ():
    movies = list(suite_movies(None, ["natural"]))
    assert len({m.fingerprint for m in movies}) == len(movies) == 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", [k.name for k in KINDS if not k.needs and k.name not in QUICK])
def test_every_simulated_kind_can_be_made(kind):
    for movie in suite_movies(None, [kind]):
        usable(movie)


def test_no_training_clip_has_the_suites_randomness():
    ours = movie_rng("nuclei-dense", 1).bit_generator.state["state"]
    validation = [1_000_003, 99, zlib.crc32(b"nuclei-dense"), 1]
    for seed in ([0, 1], [1, 1], [0, 1, 1], validation):
        assert np.random.default_rng(seed).bit_generator.state["state"] != ours


def test_drift_moves_the_whole_colony_about_a_hundred_pixels():
    movie = one("rods-drift")
    steps = []
    for before, after in zip(movie.truth[:10], movie.truth[1:11], strict=True):
        ids = set(np.unique(before)) & set(np.unique(after)) - {0}
        moved = [np.linalg.norm(np.argwhere(after == i).mean(0) - np.argwhere(before == i).mean(0)) for i in ids]
        steps.append(np.median(moved))
    assert 70 < np.median(steps) < 130


def test_a_third_of_the_nuclei_is_gone_and_returns():
    movie = one("return")
    seen = [set(np.unique(frame)) for frame in movie.truth]
    gone = (seen[0] & set(movie.scored)) - seen[8]
    assert len(gone) >= len(movie.scored) // 5
    assert len(gone & seen[19]) >= 0.6 * len(gone)


def test_stills_move_and_keep_their_objects(data_dir):
    for kind in ("still-fluo", "still-other", "still-phase"):
        for movie in suite_movies(data_dir, [kind]):
            usable(movie)
            assert 0.01 < motion_per_frame(movie.truth).mean() < 0.3
            assert np.isin(movie.scored, np.unique(movie.truth[-1])).mean() > 0.5


def test_motion_is_measured_in_diameters():
    truth = np.zeros((3, 60, 60), np.uint16)
    for t, x in enumerate((5, 5, 25)):
        truth[t, 10:30, x : x + 20] = 1
    diameter = np.sqrt(4 * 400 / np.pi)
    assert motion_per_frame(truth) == pytest.approx([0.0, 20 / diameter])
    assert motion_per_frame(np.zeros((3, 8, 8), np.uint16)).tolist() == [0.0, 0.0]


def test_specks_are_not_scored():
    labels = np.zeros((40, 40), np.uint16)
    labels[2:12, 2:12], labels[20:30, 20:30], labels[35:37, 35:37] = 1, 2, 3
    assert keep_whole(labels) == (1, 2)
    assert keep_whole(np.zeros_like(labels)) == ()


def test_unknown_kinds_and_missing_data_are_said(tmp_path):
    with pytest.raises(ConfigError, match=r"no kind 'nukes'.*nuclei-dense"):
        list(suite_movies(None, ["nukes"]))
    with pytest.raises(InputError, match=r"drosophila needs dev_drosophila_fluo.npz"):
        list(suite_movies(tmp_path, ["drosophila"]))
    with pytest.raises(InputError, match="is no folder"):
        list(suite_movies(tmp_path / "nowhere"))


def test_development_movies_score_reliable_tracks_only(shared_dir):
    for kind, n_frames in (("drosophila", 21), ("c2c12", 10)):
        movie = one(kind, shared_dir / "data")
        usable(movie)
        assert len(movie.truth) == n_frames
    drosophila = one("drosophila", shared_dir / "data")
    assert len(drosophila.scored) == 6
    assert np.unique(drosophila.seeds).size - 1 == 7


def test_budding_yeast_keep_their_own_labels_beside_their_buds(shared_dir):
    movie = one("budding", shared_dir / "data")
    usable(movie)
    assert len(movie.truth) == 20
    assert set(movie.scored) <= set(np.unique(movie.truth[-1]).tolist())
    assert len(np.unique(movie.truth[-1])) > len(np.unique(movie.seeds))


def test_condensed_nuclei_are_scored_where_mitosis_is_the_question():
    """The usual threshold for specks would leave out plates and young daughters."""
    movie = one("mitosis")
    areas = np.bincount(movie.seeds.ravel())[list(movie.scored)]
    assert (areas < 0.35 * np.median(areas)).any()


def test_the_lamp_flickers_and_rows_are_saturated():
    flicker, stripes = one("flicker"), one("stripes")
    bright = np.median(flicker.frames[:, flicker.seeds > 0].astype(float), axis=1)
    assert bright.max() / bright.min() > 4, "the light differs several times over"
    full = np.iinfo(stripes.frames.dtype).max
    hot = (stripes.frames == full).all(0).mean()
    assert 0.001 < hot < 0.006
    rows = [np.flatnonzero((frame == full).mean(1) == 1).size for frame in stripes.frames]
    assert [n >= 3 for n in rows] == [t % 3 == 1 for t in range(20)]
