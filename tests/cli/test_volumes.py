"""Movies of volumes on the command line: spheres that drift in the plane, (T, Z, Y, X) = (3, 4, 48, 48)."""

from __future__ import annotations

import csv
import os
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import zarr

import napari_xmem
from engine.division.dividing_movies import apart, dividing_movie
from napari_xmem.cli import main
from napari_xmem.io import open_labels, open_movie
from napari_xmem.model.checkpoint import bundled_path

SHAPE = (3, 4, 48, 48)


def spheres():
    """Return a movie and its labels: 5 is in all planes, 300 in the upper two."""
    t, z, y, x = np.mgrid[tuple(slice(n) for n in SHAPE)]
    truth = np.zeros(SHAPE, np.uint16)
    truth[(3 * (z - 1.5)) ** 2 + (y - 14) ** 2 + (x - 14 - 2 * t) ** 2 < 81] = 5
    truth[(3 * (z - 3)) ** 2 + (y - 33 + t) ** 2 + (x - 32) ** 2 < 64] = 300
    noise = np.random.default_rng(0).integers(90, 110, SHAPE)
    return ((truth > 0) * 800 + noise).astype(np.uint16), truth


@pytest.fixture
def volumes(tmp_path):
    """Give the movie and its seeds as ImageJ files, the arrays, and names for outputs."""
    movie, truth = spheres()
    results = tmp_path / "results"
    results.mkdir()
    hyperstack = tmp_path / "movie.tif"
    metadata = {"axes": "TZYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(hyperstack, movie, imagej=True, resolution=(4, 4), metadata=metadata)
    seeds = tmp_path / "movie_seeds.tif"
    tifffile.imwrite(seeds, truth[0], imagej=True, metadata={"axes": "ZYX"})
    return SimpleNamespace(
        movie=str(hyperstack), seeds=str(seeds), output=str(results / "labels.tif"), folder=tmp_path, results=results,
        arrays={"movie": movie, "truth": truth},
    )  # fmt: skip


def propagate(files, model, *extra, **changes):
    options = {"movie": files.movie, "seeds": files.seeds, "output": files.output, **changes}
    command = ["propagate", options["movie"], "--seeds", options["seeds"], "--output", options["output"]]
    # The untrained network loses what it follows in small regions.
    scope = "auto" if model == "bundled" else "global"
    return main([*command, "--model", str(model), "--device", "cpu", "--scope", scope, *extra])


def saved(files, name, array):
    np.save(files.folder / name, array)
    return str(files.folder / name)


def jaccard(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


def test_a_sphere_keeps_its_id_through_planes_and_time(volumes, capsys):
    if not bundled_path().exists():
        pytest.skip("no bundled weights")
    truth, scores = volumes.arrays["truth"], volumes.results / "scores.csv"
    overview = volumes.results / "overview.png"
    code = propagate(volumes, "bundled", "--scores", str(scores), "--overview", str(overview))
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "2 objects in 4 planes on 3 frames" in captured.out and "overview.png (plane 2)" in captured.out
    with tifffile.TiffFile(volumes.output) as tiff:
        assert tiff.series[0].axes == "TZYX"
        assert 'PhysicalSizeZ="2.0"' in tiff.ome_metadata and 'PhysicalSizeX="0.25"' in tiff.ome_metadata
        labels = tiff.asarray()
    assert labels.shape == SHAPE and labels.dtype == np.uint16 and set(np.unique(labels)) == {0, 5, 300}
    np.testing.assert_array_equal(labels[0], truth[0])
    for t, z in np.ndindex(SHAPE[:2]):
        for i in np.unique(truth[t, z])[1:]:
            assert jaccard(labels[t, z] == i, truth[t, z] == i) > 0.6, (t, z, i)
    with open(scores, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["frame"]), int(row["object"])) for row in rows] == [(t, i) for t in range(3) for i in (5, 300)]
    for row in rows:
        assert int(row["volume_voxels"]) == (labels[int(row["frame"])] == int(row["object"])).sum()
        assert 0.5 < float(row["confidence"]) <= 1
    np.save(volumes.folder / "truth.npy", truth)
    assert main(["evaluate", volumes.output, str(volumes.folder / "truth.npy"), "--frames", "all"]) == 0
    mean = next(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  mean"))
    assert float(mean[1]) > 0.9 and mean[2:] == ["1.000", "0", "0"]


@pytest.mark.parametrize("name", ["labels.zarr", "labels.npy", "labels.ome.tif"])
def test_it_gives_what_python_gives_in_every_format(volumes, tiny_model, name):
    output = str(volumes.results / name)
    assert propagate(volumes, tiny_model, "--memory", "top_k=5", output=output) == 0
    memory = napari_xmem.MemoryConfig(top_k=5)
    movie, truth = volumes.arrays["movie"], volumes.arrays["truth"]
    options = {"model": tiny_model, "memory": memory, "device": "cpu", "scope": "global"}
    expected = napari_xmem.propagate_volumes(movie, truth[0], **options)
    assert expected.labels[2].any()
    labels = open_labels(output, volumes=True)
    assert labels.axes == "TZYX"
    np.testing.assert_array_equal(np.asarray(labels.data), expected.labels)
    if name == "labels.zarr":
        array = zarr.open_group(output, mode="r")["0"]
        assert array.metadata.dimension_names == ("t", "z", "y", "x") and array.chunks == (1, 1, 48, 48)


def test_ome_zarr_npy_and_channels_in_any_order(volumes, tiny_model, capsys):
    movie = volumes.arrays["movie"]
    assert propagate(volumes, tiny_model) == 0
    expected = tifffile.imread(volumes.output)
    group = zarr.open_group(str(volumes.folder / "movie.zarr"), mode="w", zarr_format=2)
    group.create_array("0", data=np.stack([movie // 3, movie], axis=1), chunks=(1, 1, 1, 48, 48))
    group.attrs["multiscales"] = [{
        "axes": [{"name": n} for n in "tczyx"],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 3, 0.5, 0.5]}]}],
    }]  # fmt: skip
    opened = open_movie(volumes.folder / "movie.zarr", volumes=True)
    assert (opened.axes, opened.shape, opened.scale, opened.z_step) == ("TZYXC", (*SHAPE, 2), (0.5, 0.5), 3.0)
    np.testing.assert_array_equal(np.asarray(opened.data)[..., 1], movie)
    store = str(volumes.folder / "movie.zarr")
    assert propagate(volumes, tiny_model, "--overwrite", "--channels", "1", movie=store) == 0
    np.testing.assert_array_equal(tifffile.imread(volumes.output), expected)
    swapped = saved(volumes, "swapped.npy", np.moveaxis(movie, 0, -1))
    assert propagate(volumes, tiny_model, "--overwrite", movie=swapped) == 2
    assert "name it with --axes" in capsys.readouterr().err
    assert propagate(volumes, tiny_model, "--overwrite", "--axes", "ZYXT", movie=swapped) == 0
    np.testing.assert_array_equal(tifffile.imread(volumes.output), expected)


def test_seeds_of_several_frames_directions_and_ranges(volumes, tiny_model):
    truth = volumes.arrays["truth"]
    seeds = np.zeros_like(truth)
    seeds[0, 1], seeds[2, 3] = truth[0, 1], truth[2, 3]  # one plane each
    several = saved(volumes, "several.npy", seeds)
    assert propagate(volumes, tiny_model, seeds=several) == 0
    labels = tifffile.imread(volumes.output)
    np.testing.assert_array_equal(labels[0, 1], truth[0, 1])
    np.testing.assert_array_equal(labels[2, 3], truth[2, 3])
    assert not labels[:, [0, 2]].any() and not labels[:2, 3].any()
    assert propagate(volumes, tiny_model, "--overwrite", "--direction", "both", seeds=several) == 0
    np.testing.assert_array_equal(tifffile.imread(volumes.output)[2, 3], truth[2, 3])
    last = saved(volumes, "last.npy", truth[2])
    assert propagate(volumes, tiny_model, "--overwrite", "--direction", "backward", seeds=last) == 0
    np.testing.assert_array_equal(tifffile.imread(volumes.output)[2], truth[2])
    assert propagate(volumes, tiny_model, "--overwrite", "--start", "1", "--stop", "2", seeds=last) == 0
    labels = tifffile.imread(volumes.output)
    np.testing.assert_array_equal(labels[1], truth[2])
    assert labels.shape == SHAPE and not labels[[0, 2]].any()


def test_seeds_of_one_plane_go_through_the_others(volumes, tiny_model, capsys):
    truth = volumes.arrays["truth"]
    seeds = np.zeros_like(truth[0])
    seeds[2] = truth[0, 2]
    one = saved(volumes, "one.npy", seeds)
    assert propagate(volumes, tiny_model, "--fill-planes", seeds=one) == 0
    options = {"model": tiny_model, "device": "cpu", "scope": "global", "fill_planes": True}
    expected = napari_xmem.propagate_volumes(volumes.arrays["movie"], seeds, **options)
    assert len(expected.planes) > 1
    np.testing.assert_array_equal(tifffile.imread(volumes.output), expected.labels)
    flat = saved(volumes, "flat.npy", volumes.arrays["movie"][:, 0])
    assert propagate(volumes, tiny_model, "--fill-planes", "--overwrite", movie=flat) == 2
    assert f"for movies of volumes (T, Z, Y, X); {flat} has shape (3, 48, 48)" in capsys.readouterr().err


def test_dry_run_forecasts_and_writes_nothing(volumes, tiny_model, capsys):
    assert propagate(volumes, tiny_model, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "3 frames of 4 planes of 48 x 48 px" in out and "2 objects on frame 0, planes 0-3" in out
    assert "(3, 4, 48, 48) uint16" in out and "for 12 planes" in out and "nothing was written" in out
    assert os.listdir(volumes.results) == []


def test_damage_in_a_late_plane_keeps_what_is_done_and_resume_gives_the_same(volumes, tiny_model, capsys):
    long = np.tile(volumes.arrays["movie"], (8, 1, 1, 1))
    store = volumes.folder / "movie.zarr"
    names = ("t", "z", "y", "x")
    zarr.create_array(str(store), data=long, chunks=(1, 1, 48, 48), dimension_names=names)
    chunk = store / "c" / "4" / "2" / "0" / "0"  # not one of the frames on which intensities are measured
    good = chunk.read_bytes()
    chunk.write_bytes(good[:20])
    scores = ("--scores", str(volumes.results / "s.csv"))
    assert propagate(volumes, tiny_model, *scores, movie=str(store)) == 2
    err = capsys.readouterr().err
    assert "frame 4 cannot be read" in err and "52 finished frames are kept in" in err  # 2 x 24 + 4
    assert os.listdir(volumes.results) == ["labels.tif.unfinished"]
    assert len(list(volumes.results.rglob("memory-*.xmem"))) == 1
    assert propagate(volumes, tiny_model, *scores, movie=str(store)) == 2
    assert "holds 52 finished frames of an interrupted run: add --resume" in capsys.readouterr().err
    chunk.write_bytes(good)
    assert propagate(volumes, tiny_model, *scores, "--resume", movie=str(store)) == 0
    assert "52 planes of frames finished before" in capsys.readouterr().out
    assert sorted(os.listdir(volumes.results)) == ["labels.tif", "s.csv"]
    again = {"movie": str(store), "output": str(volumes.results / "again.tif")}
    assert propagate(volumes, tiny_model, "--scores", str(volumes.results / "again.csv"), **again) == 0
    np.testing.assert_array_equal(tifffile.imread(volumes.output), tifffile.imread(again["output"]))
    assert (volumes.results / "s.csv").read_text() == (volumes.results / "again.csv").read_text()


TRUTH = spheres()[1]
BAD = {
    "one plane": (TRUTH[0, 0], "seeds have shape (48, 48), expected (4, 48, 48), one volume (Z, Y, X), or (3, 4,"),
    "too few planes": (TRUTH[0, :3], "seeds have shape (3, 48, 48), expected (4, 48, 48)"),
    "too many frames": (TRUTH[[0, 1, 2, 0]], "seeds have shape (4, 4, 48, 48), expected (4, 48, 48)"),
    "empty": (TRUTH[0] * 0, "seeds are empty"),
    "floats": (TRUTH[0] / 2, "plane 0, have dtype float64, expected integers"),
    "negative": (-TRUTH[0].astype(int), "hold -5; labels are 0 for background and above 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_seeds(volumes, tiny_model, capsys, case):
    array, message = BAD[case]
    code = propagate(volumes, tiny_model, seeds=saved(volumes, "bad.npy", array))
    err = capsys.readouterr().err
    assert code == 2 and err.count("\n") == 1 and message in err, err
    assert os.listdir(volumes.results) == []


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--seed-frame", "7"), "seeds are given for frame 7, but the movie has frames 0 to 2"),
        (("--seed-frame", "0", "--start", "1"), "seeds lie on frame 0, all outside frames 1 to 2"),
        (("--stop", "9"), "--stop at most 3"),
        (("--axes", "TCYX"), "the movie has 4 channels"),
        (("--axes", "QZYX"), "Q, Z are all longer than one"),
        (("--axes", "TYX"), "one letter per axis"),
        (("--channels", "2"), "numbers from 0 to 0"),
        (("--diameter-px", "-4"), "diameter_px is -4"),
        (("--memory-budget", "nan"), "--memory-budget is nan, expected GB above 0"),
        (("--memory", "eviction=fifo", "--dry-run"), "eviction is 'fifo', expected one of"),
    ],
)
def test_bad_options(volumes, tiny_model, capsys, extra, message):
    code = propagate(volumes, tiny_model, *extra)
    err = capsys.readouterr().err
    assert code == 2 and message in err, err
    assert os.listdir(volumes.results) == []


def test_a_stack_of_seeds_names_its_frames(volumes, tiny_model, capsys):
    seeds = np.zeros(SHAPE, np.uint16)
    seeds[0] = TRUTH[0]
    code = propagate(volumes, tiny_model, "--seed-frame", "1", seeds=saved(volumes, "stack.npy", seeds))
    err = capsys.readouterr().err
    assert code == 2 and "--seed-frame 1 is for seeds of a single frame" in err and f"has shape {SHAPE}" in err, err


def test_an_image_of_volumes_in_place_of_seeds(volumes, tiny_model, capsys):
    image = np.random.default_rng(0).poisson(900, SHAPE).astype(np.uint16)
    code = propagate(volumes, tiny_model, "--dry-run", seeds=saved(volumes, "image.npy", image))
    err = capsys.readouterr().err
    assert code == 2 and "seeds of frame 0, plane 0, hold" in err and "Was the movie given" in err, err


def test_batch_does_volumes_too(volumes, tiny_model, capsys):
    command = ["batch", str(volumes.folder), "-o", str(volumes.results), "--model", tiny_model, "--device", "cpu"]
    assert main([*command, "--scores", "--format", "zarr"]) == 0, capsys.readouterr().err
    labels = open_labels(volumes.results / "movie_labels.zarr", volumes=True)
    assert labels.shape == SHAPE and "volume_voxels" in (volumes.results / "movie_scores.csv").read_text()


def test_a_division_seen_in_two_planes_is_one_and_the_other_plane_has_the_nearer_daughter(volumes):
    frames, labels = dividing_movie(apart(5, 2))
    planes = np.stack([np.where(labels == 4, 0.1, frames), frames, frames], 1)  # in the first only one of them is seen
    movie = saved(volumes, "dividing.npy", (planes * 1000).astype(np.uint16))
    seeds, tracks = saved(volumes, "begin.npy", np.stack([labels[0]] * 3)), volumes.results / "tracks.csv"
    output = str(volumes.results / "divided.tif")
    options = {"movie": movie, "seeds": seeds, "output": output}
    assert propagate(volumes, "bundled", "--axes", "TZYX", "--scope", "local", "--tracks", str(tracks), **options) == 0
    found, lineage = np.asarray(open_labels(output, volumes=True).data), napari_xmem.read_tracks(tracks).lineage
    (division,) = lineage.divisions
    assert (division.mother, division.frame) == (1, 2)
    for t, volume in enumerate(found):
        assert set(np.unique(volume)) == ({0, 1, 2} if t < 2 else {0, 2, *division.daughters}), t
    (upper_id,) = set(np.unique(found[4, 0])) - {0, 2}
    for z in range(3):
        assert (found[4, z][labels[4] == 3] == upper_id).mean() > 0.6, z
