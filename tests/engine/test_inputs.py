"""What a script may pass as movie, seeds and settings, what is refused in our own words, and what is only mentioned."""

from __future__ import annotations

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
import xarray

import napari_xmem as nx
from engine.simple_movies import disc_movie, tiny_network
from napari_xmem.config import settings_of
from napari_xmem.errors import (
    ArgumentError,
    CheckpointError,
    ConfigError,
    DeviceError,
    InputError,
    SeedError,
    UnknownNameError,
    XMemError,
)

FRAMES, LABELS = disc_movie(n_objects=2, n_frames=4, shape=(48, 64))
SEED = LABELS[0]
NETWORK = tiny_network()


def run(frames=FRAMES, seeds=SEED, **options):
    return nx.propagate(frames, seeds, model=NETWORK, **options).labels


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    tifffile.imwrite(folder / "movie.tif", FRAMES, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(folder / "seeds.tif", SEED.astype(np.uint16))
    return folder


def test_files_named_axes_and_axes_of_length_one_give_the_same_labels(files) -> None:
    expected = run()
    movie, seeds = files / "movie.tif", files / "seeds.tif"
    two = np.stack([np.zeros_like(FRAMES), FRAMES])
    for frames, painted, options in (
        (movie, seeds, {}),
        (str(movie), {0: str(seeds)}, {}),
        (nx.open_movie(movie), nx.open_labels(seeds), {}),
        (FRAMES[:, None, None], SEED[None, None], {}),
        (FRAMES[:, None], SEED[..., None], {}),
        (np.moveaxis(FRAMES, 0, -1), SEED, {"axes": "YXT"}),
        (two, SEED, {"axes": "CTYX", "channels": [1]}),
        (np.moveaxis(two, 0, -1), SEED, {"channels": [1]}),
        (xarray.DataArray(FRAMES.transpose(1, 2, 0), dims=("y", "x", "time")), SEED, {}),
        (FRAMES, xarray.DataArray(SEED.T, dims=("x", "y")), {}),
        (torch.from_numpy(FRAMES), SEED, {}),
    ):
        np.testing.assert_array_equal(run(frames, painted, **options), expected)
    assert nx.forecast(movie, seeds, model=NETWORK).n_frames == 4
    volumes = nx.propagate_volumes(np.stack([FRAMES, FRAMES], 1), {0: np.stack([SEED, SEED])}, model=NETWORK)
    assert volumes.labels.shape == (4, 2, 48, 64)


def test_what_cannot_be_meant_is_refused_with_what_to_do() -> None:
    masks = np.stack([SEED == 1, SEED == 2])
    layer = SimpleNamespace(data=SEED)
    for kind, words, call in (
        (InputError, 'say so with axes="TCYX"', lambda: run(np.stack([FRAMES] * 2, 1).repeat(2, 0))),
        (InputError, "several movies one by one", lambda: run(np.stack([FRAMES] * 7).repeat(2, 1))),
        (SeedError, "are the keys objects", lambda: run(FRAMES, {1: SEED == 1, 2: SEED == 2})),
        (SeedError, "are the keys objects", lambda: run(FRAMES, {1: (SEED == 1) * 1, 2: (SEED == 2) * 1})),
        (SeedError, "one mask per object", lambda: run(FRAMES[:2], masks)),
        (SeedError, "one mask per object", lambda: run(FRAMES, masks.astype(np.uint8) * 255)),
        (SeedError, "rows and columns come first", lambda: run(FRAMES, np.moveaxis(masks, 0, -1))),
        (SeedError, "time seems to be the movie's last axis", lambda: run(FRAMES.transpose(1, 2, 0))),
        (SeedError, "pass its labels: .data", lambda: run(FRAMES, layer)),
        (SeedError, "pass its labels: .data", lambda: run(FRAMES, {0: layer})),
        (SeedError, "seeds are None", lambda: run(FRAMES, None)),
        (InputError, "pass its pixels: .data", lambda: run(layer)),
        (InputError, "does not exist", lambda: run("nothing.tif")),
        (InputError, "requires grad", lambda: run(torch.from_numpy(FRAMES).requires_grad_())),
        (InputError, "axes 'TQ'", lambda: run(FRAMES, axes="TQ")),
        (ConfigError, "start is -1, but the movie has 4 frames", lambda: run(start=-1)),
        (ConfigError, "stop is 100, but the movie has 4 frames", lambda: run(stop=100)),
        (ConfigError, "cannot be called with two numbers", lambda: run(progress=lambda done: None)),
        (ConfigError, "cannot be called with two numbers", lambda: run(progress="bar")),
        (ConfigError, "memory is {}, expected a MemoryConfig", lambda: run(memory={})),
        (UnknownNameError, "no argument directon (did you mean direction?)", lambda: run(directon="both")),
        (UnknownNameError, "did you mean top_k?", lambda: nx.MemoryConfig(topk=20)),
        (UnknownNameError, "did you mean top_k?", lambda: nx.MemoryConfig.paper(topk=20)),
        (UnknownNameError, "did you mean scope?", lambda: nx.PropagationConfig(scoope="local")),
        (UnknownNameError, "did you mean stop?", lambda: nx.forecast(FRAMES, SEED, stopp=3)),
        (AttributeError, "did you mean propagate?", lambda: nx.propogate),
        (DeviceError, "was loaded on cpu", lambda: run(device="cuda")),
        (CheckpointError, "bundled", lambda: nx.propagate(FRAMES, SEED, model="bundeld")),
        (InputError, "expected labels", lambda: nx.evaluate("labels.tif", LABELS)),
        (InputError, "open_labels(path)", lambda: nx.evaluate("labels.tif", LABELS)),
        (InputError, "pass its pixels: .data", lambda: nx.propagate(layer, SEED, model=NETWORK)),
        (InputError, "expected an array, what open_movie", lambda: nx.measure(layer, LABELS)),
        (InputError, "labels: a SimpleNamespace, expected labels (T, Y, X)", lambda: nx.measure(FRAMES, layer)),
        (ArgumentError, "frames is 2.5, expected several whole numbers, a", lambda: nx.evaluate(LABELS, LABELS, 2.5)),
        (ArgumentError, "Open a file first: open_movie", lambda: nx.find_similar("movie.tif", SEED)),
        (ArgumentError, "find_similar() is called without labels", lambda: nx.find_similar(FRAMES[0])),
        (ArgumentError, "evaluate() is given 7 arguments without names", lambda: nx.evaluate(*[LABELS] * 7)),
        (UnknownNameError, "did you mean config?", lambda: nx.TrackingSession(FRAMES, SEED, konfig=None)),
        (UnknownNameError, "did you mean overwrite?", lambda: nx.LabelWriter("a.tif", (1, 2, 3), overwrit=True)),
    ):  # fmt: skip
        with pytest.raises(kind) as caught:
            call()
        assert words in str(caught.value), (words, str(caught.value))
    session = nx.TrackingSession(FRAMES, {0: SEED}, model=NETWORK)
    session.run()
    assert repr(session) == "TrackingSession(finished, 4 of 4 frames of 48 x 64 px)"
    session.lock(3)
    for call in (lambda: session.correct(SEED), lambda: session.lock("a"), lambda: session.lock([1.5])):
        with pytest.raises(XMemError, match="expected"):
            call()


def test_what_is_rarely_meant_is_mentioned() -> None:
    swapped = np.where(LABELS[2] == 1, 2, np.where(LABELS[2] == 2, 1, 0))
    for words, seeds, options in (
        ("lies in 2 separate parts.*split_parts", SEED > 0, {}),
        ("Object 1 of frame 2 lies where object 2 lay on frame 0", {0: SEED, 2: swapped}, {}),
        ("All 4 frames are labelled", LABELS, {}),
        ("the seeds' median is", SEED, {"diameter_px": 300}),
        ("direction='forward' or 'both'", {0: SEED}, {"direction": "backward"}),
        ("direction='backward' or 'both'", {3: LABELS[3]}, {}),
    ):
        with pytest.warns(UserWarning, match=words):
            run(FRAMES, seeds, **options)


@pytest.mark.filterwarnings("ignore::napari_xmem.imaging.normalise.NonFinitePixelsWarning")
@pytest.mark.parametrize("scope", ["local", "global"])
def test_frames_that_show_nothing_are_said_and_nothing_is_painted_there(scope) -> None:
    frames = FRAMES.copy()
    frames[1], frames[3] = np.nan, 7.0
    result = nx.propagate(frames, {0: SEED}, model=NETWORK, scope=scope)
    bad = {event.frame: event.detail for event in result.events if event.kind == "bad frame"}
    assert set(bad) >= {1, 3} and set(bad.values()) <= {"flat", "blank", "foreign"}
    assert not result.labels[[1, 3]].any() and not np.nansum(result.scores.area_px[[1, 3]])
    assert "bad frame" in repr(result)
    learned = [sum(store.elements for store in snapshot.stores) for snapshot in result.memory]
    assert learned[1] == learned[0] and learned[3] == learned[2], "nothing is learned there"
    for value in (0.0, np.nan):
        with pytest.warns(UserWarning, match="Frame 0, which is labelled, holds one value everywhere"):
            result = nx.propagate(np.full_like(FRAMES, value), {0: SEED}, model=NETWORK, scope=scope)
        assert not result.labels[1:].any() and [event.detail for event in result.events] == ["blank"] * 3


def test_progress_is_a_bar_and_names_are_complete(capsys) -> None:
    run(progress=True)
    assert "4/4" in capsys.readouterr().err
    assert set(dir(nx)) == set(nx.__all__)
    assert all(hasattr(nx, name) for name in nx.__all__)
    for function in (
        nx.propagate,
        nx.iter_propagate,
        nx.forecast,
        nx.propagate_volumes,
        nx.iter_volumes,
        nx.find_similar,
    ):
        parameters = inspect.signature(function).parameters.values()
        assert inspect.Parameter.VAR_KEYWORD not in {parameter.kind for parameter in parameters}
        if function is nx.find_similar:
            continue
        said = {name: known.default for name, known in settings_of(nx.PropagationConfig).items() if name != "memory"}
        given = {p.name: p.default for p in parameters if p.name in said}
        assert given == {name: said[name] for name in given} and len(given) > 10
        if function in (nx.propagate, nx.iter_propagate, nx.forecast):
            assert set(given) == set(said)
