from __future__ import annotations

import json

import numpy as np
import tifffile

import napari_xmem as nx
from napari_xmem.cli import main
from napari_xmem.sample_data import simulated_nuclei


def test_what_is_found_on_the_seeded_frame_is_followed(tmp_path, capsys):
    """Of two painted frames the first is searched; new ids come after all that were painted on either."""
    movie, truth = simulated_nuclei(frames=2, size_px=(128, 128), n_objects=6)
    painted = np.where(truth <= 2, truth, 0)
    painted[1] = np.where(truth[1] == 1, 1, 0)
    painted[1, :20, :20] = 40
    for name, array in (("movie", movie), ("seeds", painted)):
        tifffile.imwrite(tmp_path / f"{name}.tif", array, metadata={"axes": "TYX"})
    names = {name: str(tmp_path / name) for name in ("movie.tif", "seeds.tif", "labels.tif", "facts.json")}
    command = ["propagate", names["movie.tif"], "--seeds", names["seeds.tif"], "-o", names["labels.tif"]]
    options = ["--find-rest", "--min-confidence", "0.75", "--use-frames", "all", "--json", names["facts.json"]]
    assert main([*command, *options]) == 0
    found = nx.find_similar(movie[0], painted[0], min_confidence=0.75, first_id=41)
    assert len(found) >= 2
    assert f"found {len(found)} more objects on frame 0, confidence 0." in capsys.readouterr().out
    np.testing.assert_array_equal(tifffile.imread(names["labels.tif"])[0], found.labels)
    assert set(range(41, 41 + len(found))) <= set(json.loads((tmp_path / "facts.json").read_text())["objects"])
    assert main([*command, "--find-rest", "--min-confidence", "2", "--overwrite", "--use-frames", "all"]) == 2
    assert "min_confidence is 2" in capsys.readouterr().err


def test_new_cells_are_those_of_python(files, tiny_model, capsys):
    command = ["propagate", files.movie, "--seeds", files.seeds, "-o", files.output, "--model", tiny_model]
    options = ["--device", "cpu", "--entries", "find", "--entry-interval-frames", "2", "--min-confidence", "0.3"]
    assert main([*command, *options, "--scope", "local"]) == 0, capsys.readouterr().err
    settings = {"entries": "find", "entry_interval_frames": 2, "min_confidence": 0.3, "scope": "local"}
    result = nx.propagate(files.arrays["movie"], files.arrays["seeds"], model=tiny_model, device="cpu", **settings)
    np.testing.assert_array_equal(tifffile.imread(files.output), result.labels)
    assert settings.items() <= result.recipe.items()
    assert main([*command, *options, "--scope", "global", "--overwrite"]) == 2
    assert "local scope only" in capsys.readouterr().err


def test_seeds_on_every_frame_can_be_linked(files, tiny_model, capsys):
    truth = files.arrays["truth"]
    command = ["propagate", files.movie, "--seeds", files.truth, "-o", files.output, "--model", tiny_model]
    assert main([*command, "--device", "cpu"]) == 2
    assert f"link them with --use-frames 0 --detections {files.truth}" in capsys.readouterr().err
    options = ["--device", "cpu", "--use-frames", "0", "--detections", files.truth, "--min-confidence", "0.2"]
    assert main([*command, *options]) == 0, capsys.readouterr().err
    more = {"detections": truth, "min_confidence": 0.2, "device": "cpu"}
    result = nx.propagate(files.arrays["movie"], {0: truth[0]}, model=tiny_model, **more)
    np.testing.assert_array_equal(tifffile.imread(files.output), result.labels)
