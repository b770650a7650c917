from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

import napari_xmem as nx
from lineage_scenes import PARENTS, budding, family
from napari_xmem.errors import InputError, OutputError
from napari_xmem.io import check_tracks_output, read_tracks, write_tracks
from napari_xmem.io.tracks import formats
from napari_xmem.tracking import Begin, End, Lineage


@pytest.fixture
def lineage():
    return Lineage.from_labels(family(), PARENTS, confidence={2: 0.75, 3: 0.75, 5: 1 / 3, 6: 1 / 3})


def real(shared_dir, name):
    with np.load(shared_dir / "data" / f"dev_{name}.npz") as archive:
        parents = {int(child): int(mother) for child, mother, _ in archive["lineage"]}
        return archive["labels"], Lineage.from_labels(archive["labels"], parents)


def is_valid(folder):
    """Ask the validator of the Cell Tracking Challenge's measures."""
    metrics = pytest.importorskip("ctc_metrics")
    return metrics.validate_sequence(str(folder), threads=1)["Valid"] == 1


@pytest.mark.parametrize("name", ["cells.geff", "cells.csv"])
@pytest.mark.parametrize("volumes", [False, True])
def test_round_trip(tmp_path, lineage, name, volumes):
    if name.endswith("geff"):
        pytest.importorskip("geff")
    if volumes:
        lineage = Lineage.from_labels(np.stack([family(), family()], 1), PARENTS)
    nx.write_tracks(tmp_path / name, lineage)
    assert nx.read_tracks(tmp_path / name).lineage == lineage
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["ecoli_divisions", "yeast_budding"])
@pytest.mark.parametrize("path", ["cells.geff", "cells.csv"])
def test_round_trip_of_real_lineages(tmp_path, shared_dir, name, path):
    if path.endswith("geff"):
        pytest.importorskip("geff")
    _, lineage = real(shared_dir, name)
    write_tracks(tmp_path / path, lineage)
    assert read_tracks(tmp_path / path).lineage == lineage


def test_geff_opens_with_its_library(tmp_path, lineage):
    geff = pytest.importorskip("geff")
    path = tmp_path / "cells.geff"
    write_tracks(path, lineage, scale=(0.5, 0.25), unit="um", labels_path="labels.zarr")
    geff.validate_structure(str(path))
    graph, metadata = geff.read(str(path))
    labels = family()
    expected = {(t, i) for t in range(8) for i in np.unique(labels[t]).tolist() if i}
    assert {(node["t"], node["track_id"]) for _, node in graph.nodes(data=True)} == expected
    for _, node in graph.nodes(data=True):
        mask = labels[node["t"]] == node["segmentation_id"]
        np.testing.assert_allclose((node["y"], node["x"]), np.argwhere(mask).mean(0))
        assert node["area_px"] == mask.sum() and node["lineage_id"] == lineage.founder[node["track_id"]]
    links = {
        (graph.nodes[a]["track_id"], graph.nodes[b]["track_id"]): data["confidence"]
        for a, b, data in graph.edges(data=True)
    }
    assert {pair for pair in links if pair[0] != pair[1]} == {(mother, child) for child, mother in PARENTS.items()}
    assert links[1, 2] == 0.75
    assert graph.number_of_edges() == len(expected) - len(lineage) + len(PARENTS)
    assert [(axis.name, axis.type, axis.scale, axis.scaled_unit) for axis in metadata.axes] == [
        ("t", "time", None, None),
        ("y", "space", 0.5, "micrometer"),
        ("x", "space", 0.25, "micrometer"),
    ]
    again = read_tracks(path)
    assert again.scale == (0.5, 0.25) and again.unit == "micrometer"
    assert again.labels_path.resolve() == (tmp_path / "labels.zarr").resolve()


def test_geff_tracklets_do_not_branch(tmp_path):
    geff = pytest.importorskip("geff")
    labels, parents = budding()
    write_tracks(tmp_path / "cells.geff", (labels, Lineage.from_labels(labels, parents)))
    graph, metadata = geff.read(str(tmp_path / "cells.geff"))
    assert metadata.track_node_props == {"tracklet": "tracklet_id", "lineage": "lineage_id"}
    for node, following in graph.adjacency():
        same = [n for n in following if graph.nodes[n]["tracklet_id"] == graph.nodes[node]["tracklet_id"]]
        assert len(same) == len(following) == 1 or not same


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_geff_of_others(tmp_path, zarr_format):
    """Without ids of tracks, an object begins where a track begins or branches."""
    geff = pytest.importorskip("geff")
    networkx = pytest.importorskip("networkx")
    graph = networkx.DiGraph()
    for node, (t, y, x) in {10: (0, 1.0, 1.0), 11: (1, 2.0, 2.0), 12: (2, 3.0, 1.0), 13: (2, 3.0, 3.0)}.items():
        graph.add_node(node, time=t, row=y, col=x, **({"name": "a word"} if zarr_format == 2 else {}))
    graph.add_edges_from([(10, 11), (11, 12), (11, 13)])
    store = tmp_path / "other.geff"
    axes = {"axis_names": ["time", "row", "col"], "axis_types": ["time", "space", "space"]}
    geff.write(graph, str(store), **axes, axis_units=["second", "pixel", "pixel"], zarr_format=zarr_format)
    lineage = read_tracks(store).lineage
    assert lineage.parents == {2: 1, 3: 1} and lineage.last_frame == {1: 1, 2: 2, 3: 2}
    np.testing.assert_allclose(lineage.detections.centroids_px, [[1, 1], [2, 2], [3, 1], [3, 3]])


def test_geff_with_cells_that_merge(tmp_path):
    geff = pytest.importorskip("geff")
    graph = pytest.importorskip("networkx").DiGraph()
    graph.add_nodes_from((k, {"t": t, "y": 1.0, "x": float(k)}) for k, t in enumerate([0, 0, 1]))
    graph.add_edges_from([(0, 2), (1, 2)])
    axes = {"axis_names": ["t", "y", "x"], "axis_types": ["time", "space", "space"]}
    geff.write(graph, str(tmp_path / "a.geff"), **axes, axis_units=["frame", "pixel", "pixel"])
    with pytest.raises(InputError, match="cells merge on frame 1"):
        read_tracks(tmp_path / "a.geff")


class _Code:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("dtype", ["<f8", "|O"])
def test_geff_with_code_is_refused_before_it_runs(tmp_path, lineage, dtype):
    geff = pytest.importorskip("geff")
    from napari_xmem.tracking.graph import to_networkx

    store = tmp_path / "cells.geff"
    axes = {"axis_names": ["t", "y", "x"], "axis_types": ["time", "space", "space"]}
    geff.write(to_networkx(lineage), str(store), **axes, axis_units=["frame", "pixel", "pixel"], zarr_format=2)
    array = store / "nodes" / "props" / "y" / "values"
    about = json.loads((array / ".zarray").read_text())
    about |= {"dtype": dtype, "filters": [{"id": "pickle", "protocol": 5}], "compressor": None, "fill_value": 0}
    (array / ".zarray").write_text(json.dumps(about))
    ran = tmp_path / "ran"
    (array / "0").write_bytes(pickle.dumps(_Code(ran)))
    with pytest.raises(InputError, match="pickle"):
        read_tracks(store)
    assert not ran.exists()


def test_ctc_of_a_family(tmp_path, lineage):
    folder = tmp_path / "01_RES"
    write_tracks(folder, (family(), lineage))
    assert is_valid(folder)
    table = (folder / "res_track.txt").read_text().splitlines()
    assert table == ["1 0 2 0", "2 3 7 1", "3 3 5 1", "4 0 4 0", "5 6 7 3", "6 6 7 3", "7 5 6 0"]
    masks = sorted(path.name for path in folder.glob("*.tif"))
    assert masks == [f"mask{t:03d}.tif" for t in range(8)]
    frame = tifffile.imread(folder / "mask003.tif")
    assert frame.dtype == np.uint16 and np.array_equal(frame, family()[3])
    again = read_tracks(folder)
    assert again.lineage.parents == PARENTS and again.lineage.detections == lineage.detections
    assert again.labels.shape == (8, 48, 64) and np.array_equal(np.asarray(again.labels), family())


def test_ctc_cuts_at_gaps_and_buds(tmp_path):
    labels, parents = budding()
    labels[3, labels[3] == 2] = 0
    lineage = Lineage.from_labels(labels, parents)
    write_tracks(tmp_path / "02_RES", (labels, lineage))
    assert is_valid(tmp_path / "02_RES")
    # 1 buds on frames 2 and 4; 2 is missing on frame 3.
    table = (tmp_path / "02_RES" / "res_track.txt").read_text().splitlines()
    assert table == ["1 0 1 0", "2 2 2 1", "3 4 5 4", "4 2 3 1", "5 4 5 4", "6 4 5 2"]


@pytest.mark.parametrize("name", ["ecoli_divisions", "yeast_budding"])
def test_ctc_of_real_lineages(tmp_path, shared_dir, name):
    labels, lineage = real(shared_dir, name)
    write_tracks(tmp_path / "01_RES", (labels, lineage))
    assert is_valid(tmp_path / "01_RES")
    again = read_tracks(tmp_path / "01_RES")
    for t in range(0, len(labels), 9):
        assert np.array_equal(again.labels[t] > 0, labels[t] > 0)
    if name.startswith("ecoli"):
        assert again.lineage == lineage
    else:  # every budding cuts the mother in two: 8 cells and 7 buddings
        assert len(again.lineage) == 15 and len(again.lineage.divisions) == 7


def test_ctc_of_volumes_and_many_frames(tmp_path):
    labels = np.zeros((1001, 2, 4, 4), np.uint8)
    labels[:, :, :2, :2] = 7
    write_tracks(tmp_path / "01_RES", (labels, Lineage.from_labels(labels)))
    assert (tmp_path / "01_RES" / "mask0000.tif").exists() and is_valid(tmp_path / "01_RES")
    again = read_tracks(tmp_path / "01_RES")
    assert again.labels.shape == labels.shape and again.lineage == Lineage.from_labels(labels)


def test_ctc_truth_and_damage(tmp_path, lineage):
    truth = tmp_path / "01_GT" / "TRA"
    truth.parent.mkdir()
    write_tracks(tmp_path / "01_RES", (family(), lineage))
    (tmp_path / "01_RES").rename(truth)
    for path in list(truth.iterdir()):
        path.rename(path.with_name(path.name.replace("mask", "man_track").replace("res_track", "man_track")))
    assert read_tracks(tmp_path / "01_GT").lineage.parents == PARENTS
    table = truth / "man_track.txt"
    table.write_text(table.read_text() + "50 3 4 1\n")
    with pytest.raises(InputError, match="50, a daughter of 1, does not exist"):
        read_tracks(truth)
    table.write_text("1 2 three 4\n")
    with pytest.raises(InputError, match="L B E P"):
        read_tracks(truth)


def test_ctc_limits(tmp_path, lineage):
    big = family(np.int32)
    big[big == 7] = 70_000
    with pytest.raises(OutputError, match="70000 does not fit the 16-bit masks"):
        write_tracks(tmp_path / "01_RES", (big, Lineage.from_labels(big, PARENTS)))
    with pytest.raises(InputError, match="is to hold masks"):
        write_tracks(tmp_path / "01_RES", lineage)
    other = family()
    other[5, other[5] == 7] = 0
    with pytest.raises(InputError, match="differ on frame 5: object 7"):
        write_tracks(tmp_path / "01_RES", (other, lineage))
    assert list(tmp_path.iterdir()) == []


def test_csv_for_pandas_and_trackmate(tmp_path, lineage):
    scores = SimpleNamespace(
        frames=np.array([0, 1]), object_ids=np.array([1, 4]), confidence=np.array([[1.0, 0.5], [0.25, np.nan]])
    )
    result = SimpleNamespace(labels=family(), lineage=lineage, scores=scores)
    write_tracks(tmp_path / "cells.csv", result)
    with (tmp_path / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"track_id", "frame", "x", "y", "z", "quality"} <= set(rows[0])
    assert len(rows) == len(lineage.detections)
    first = rows[0]
    assert (first["track_id"], first["frame"], float(first["x"]), float(first["y"])) == ("1", "0", 23.5, 23.5)
    quality = {(int(r["track_id"]), int(r["frame"])): float(r["quality"]) for r in rows}
    assert quality[4, 0] == 0.5 and quality[1, 1] == 0.25 and quality[4, 1] == 1.0
    assert {r["parent_id"] for r in rows if r["track_id"] == "5"} == {"3"}


def test_csv_of_others(tmp_path):
    trackmate = tmp_path / "spots.csv"
    trackmate.write_text(
        "LABEL,TRACK_ID,POSITION_X,POSITION_Y,POSITION_Z,FRAME\n"
        "Label,Track ID,X,Y,Z,Frame\n,,(micron),(micron),(micron),\n"
        "a,3,1.5,2.5,0.0,0\nb,3,2.5,2.5,0.0,1\nc,,9,9,0,1\n"
    )
    lineage = read_tracks(trackmate).lineage
    assert lineage.object_ids == (3,) and lineage.detections.centroids_px.tolist() == [[2.5, 1.5], [2.5, 2.5]]
    trackpy = tmp_path / "trackpy.csv"
    trackpy.write_text("y,x,frame,particle\n1,2,0,1\n1,3,1,1\n")
    assert read_tracks(trackpy).lineage.last_frame == {1: 1}
    trackpy.write_text("y,x,frame,particle\n1,2,0,0\n1,3,1,0\n5,5,1,4\n")
    assert read_tracks(trackpy).lineage.last_frame == {1: 1, 5: 1}, "0 is background here"
    trackpy.write_text("track_id,frame,x,y,parent_id\n0,0,1,2,\n1,1,1,2,0\n2,1,5,2,0\n3,0,9,9,-1\n")
    assert read_tracks(trackpy).lineage.parents == {2: 1, 3: 1}
    for text, words in (
        ("a,b\n1,2\n", "no column track_id, frame, x, y"),
        ("", "no column"),
        ("track_id,frame,x,y\n1,0,one,2\n", "no number"),
        ("track_id,frame,x,y\n1,0,1,2\n1,0,3,4\n", "twice on frame 0"),
        ("track_id,frame,x,y,parent_id\n1,0,1,2,9\n", "does not exist"),
    ):
        trackpy.write_text(text)
        with pytest.raises(InputError, match=words):
            read_tracks(trackpy)


def test_written_whole_or_not_at_all(tmp_path, lineage, monkeypatch):
    path = tmp_path / "cells.csv"
    write_tracks(path, lineage)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists"):
        write_tracks(path, lineage)

    def full(target, *_):
        target.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(formats, "write_table", full)
    with pytest.raises(OutputError, match="No space left"):
        write_tracks(path, lineage, overwrite=True)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["cells.csv"]


def test_folders_are_replaced_only_by_their_kind(tmp_path, lineage):
    folder = tmp_path / "01_RES"
    write_tracks(folder, (family(), lineage))
    fewer = family()
    fewer[fewer == 7] = 0
    write_tracks(folder, (fewer, Lineage.from_labels(fewer, PARENTS)), overwrite=True)
    assert 7 not in read_tracks(folder).lineage
    precious = tmp_path / "data_RES"
    precious.mkdir()
    (precious / "thesis.txt").write_text("words")
    with pytest.raises(OutputError, match="something else than tracks"):
        write_tracks(precious, (family(), lineage), overwrite=True)
    assert (precious / "thesis.txt").read_text() == "words"


@pytest.mark.parametrize(
    ("name", "words"),
    [("cells.xml", "expected NAME.geff, NAME.csv or a folder NAME_RES"), ("no/cells.csv", "does not exist")],
)
def test_names(tmp_path, name, words):
    with pytest.raises(OutputError, match=words):
        check_tracks_output(tmp_path / name)


def test_what_is_no_tracks(tmp_path, lineage):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.geff").mkdir()
    (tmp_path / "a.txt").write_text("words")
    for name, words in (
        ("empty", "holds no tracks"),
        ("a.geff", "GEFF"),
        ("a.txt", "no tracks"),
        ("b.csv", "not exist"),
    ):
        if name.endswith("geff"):
            pytest.importorskip("geff")
        with pytest.raises(InputError, match=words):
            read_tracks(tmp_path / name)
    with pytest.raises(InputError, match="has no lineage"):
        write_tracks(tmp_path / "c.csv", family())


def test_without_the_library(tmp_path, lineage, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "geff", None)
    with pytest.raises(OutputError, match=r"napari-xmem\[geff\]"):
        write_tracks(tmp_path / "a.geff", lineage)
    with pytest.raises(OutputError, match=r"napari-xmem\[geff\]"):
        check_tracks_output(tmp_path / "a.geff")


def test_begins_and_ends_survive_where_the_format_holds_them(tmp_path, lineage):
    pytest.importorskip("geff")
    write_tracks(tmp_path / "a.geff", lineage)
    again = read_tracks(tmp_path / "a.geff").lineage
    assert again.ends[4] is End.LEFT and again.ends[7] is End.LOST and again.begins[7] is Begin.APPEARED
    assert again.stop == 8
