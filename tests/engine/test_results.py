"""Results as records: shown in a line, pickled and copied without what they cannot take along."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from engine.division.dividing_movies import apart, dividing_movie
from engine.simple_movies import disc_movie, tiny_network
from napari_xmem.engine import PropagationResult, iter_propagate, propagate, propagate_volumes, settings_of_recipe
from napari_xmem.errors import ConfigError, InputError, OutputError
from napari_xmem.tracking import evaluate, measure

FRAMES, LABELS = disc_movie(2, 4, (48, 64), diameter=12)


def follow():
    return propagate(FRAMES, LABELS[0], model=tiny_network(), device="cpu", diameter_px=11.5)


@pytest.fixture(scope="module")
def result():
    return follow()


@pytest.mark.parametrize("way", [lambda r: pickle.loads(pickle.dumps(r)), copy.deepcopy], ids=["pickle", "deepcopy"])
def test_a_copy_has_everything_but_its_explainer_and_says_so(result, way):
    other = way(result)
    np.testing.assert_array_equal(other.labels, result.labels)
    np.testing.assert_array_equal(other.scores.confidence, result.scores.confidence)
    assert other.recipe == result.recipe and other.memory == result.memory and other.events == result.events
    assert other.lineage.parents == result.lineage.parents
    with pytest.raises(InputError, match="pickled or copied, and the movie and the network .* left behind"):
        other.explain(2, 24, 16)
    assert result.explain(2, *np.argwhere(LABELS[2] == 1).mean(0), 1).votes
    assert pickle.loads(pickle.dumps(other)).labels.sum() == other.labels.sum()  # a copy of a copy


def test_a_shallow_copy_explains(result):
    assert copy.copy(result).explain(2, *np.argwhere(LABELS[2] == 1).mean(0), 1).votes


def test_a_result_comes_back_from_another_process(result):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        other = pool.submit(follow).result(timeout=300)
    np.testing.assert_array_equal(other.labels, result.labels)


def test_records_are_shown_in_one_line(result):
    frame = next(iter_propagate(FRAMES, LABELS[0], model=tiny_network(), device="cpu", diameter_px=11.5))
    assert repr(frame) == "FrameResult(frame 0, 2 objects, confidence 1.00, seeded)"
    assert repr(result).startswith("PropagationResult(2 objects on 4 frames, labels 4 x 48 x 64 uint16, scope ")
    assert repr(result.scores) == "Scores(2 objects on 4 frames)"
    assert repr(result.lineage) == "Lineage(2 objects on frames 0 to 3, 0 mothers)"
    volumes = propagate_volumes(
        np.stack([FRAMES, FRAMES], 1), np.stack([LABELS[0]] * 2), model=tiny_network(), device="cpu", diameter_px=11.5
    )
    assert repr(volumes) == "VolumeResult(2 objects on 4 frames, 2 planes followed, labels 4 x 2 x 48 x 64 uint16)"
    records = [result, frame, result.scores, result.memory[0], result.lineage, volumes, measure(FRAMES, LABELS)]
    records.append(result.explain(2, *np.argwhere(LABELS[2] == 1).mean(0), 1))
    scored = evaluate(np.concatenate([LABELS] * 40), np.concatenate([LABELS] * 40))
    assert repr(scored) == f"EvaluationTable(2 objects on {4 * 40 - 1} frames, mean Jaccard 1.000, identity 1.000)"
    records += [scored, result.lineage.detections]
    for record in records:
        assert "\n" not in repr(record) and len(repr(record)) < 400, repr(record)


def test_a_result_with_a_division_says_so():
    frames, labels = dividing_movie(apart(5, 2))
    shown = repr(propagate(frames, labels[0], device="cpu", scope="local"))
    assert shown.endswith("1 division)") and shown.startswith("PropagationResult(4 objects on 5 frames")


def test_a_result_is_asked_by_frame_and_object_and_kept_in_a_file(tmp_path) -> None:
    frames, labels = disc_movie(n_objects=2, n_frames=4, shape=(48, 64))
    network = tiny_network()
    result = propagate(frames, {1: labels[1]}, model=network, direction="both", max_displacement_px=9.0)
    third = result.frame(3)
    np.testing.assert_array_equal(third.labels, result.labels[3])
    assert third.object_ids == (1, 2)
    assert not third.seeded
    assert result.frame(1).seeded
    np.testing.assert_array_equal(third.confidence, result.scores.confidence[3])
    table = result.scores.to_dataframe()
    assert list(table.columns) == ["frame", "object", "area_px", "confidence"]
    assert len(table) == 8
    second = result.scores.of(2)
    np.testing.assert_array_equal(second["area_px"], table[table.object == 2].area_px)
    for call in (lambda: result.frame(4), lambda: result.frame(-1), lambda: result.scores.of(7)):
        with pytest.raises(InputError, match="was not propagated|no object 7"):
            call()

    result.save(tmp_path / "result.npz")
    again = PropagationResult.load(tmp_path / "result.npz")
    np.testing.assert_array_equal(again.labels, result.labels)
    np.testing.assert_array_equal(again.scores.confidence, result.scores.confidence)
    assert (again.events, again.scope, again.recipe) == (result.events, result.scope, result.recipe)
    assert again.lineage.first_frame == result.lineage.first_frame
    assert set(again.recipe["versions"]) >= {"napari-xmem", "torch"}
    settings = settings_of_recipe(again.recipe)
    assert settings["model"] == "tiny"
    assert settings["diameter_px"] == result.recipe["diameter_px"] != round(result.recipe["diameter_px"], 2)
    repeated = propagate(frames, {1: labels[1]}, **(settings | {"model": network}))
    np.testing.assert_array_equal(repeated.labels, result.labels)

    (tmp_path / "other.npz").write_bytes(b"nothing")
    np.savez(tmp_path / "arrays.npz", labels=result.labels)
    for name, why in (
        ("other.npz", "is no result that[^`]*$"),
        ("arrays.npz", "is no result"),
        ("no.npz", "not exist"),
    ):
        with pytest.raises(InputError, match=why):
            PropagationResult.load(tmp_path / name)
    with pytest.raises(OutputError, match=r"\.npz"):
        result.save(tmp_path / "result.tif")
    with pytest.raises(ConfigError, match="no recipe"):
        settings_of_recipe({"model": "tiny"})
