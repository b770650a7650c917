"""Lineages open in napari as from *File > Open*."""

from __future__ import annotations

import numpy as np
import pytest

from napari_xmem.io import write_tracks
from napari_xmem.tracking import Lineage
from napari_xmem.widgets.layers.track_reader import track_reader

pytestmark = pytest.mark.gui


@pytest.fixture
def family():
    labels = np.zeros((4, 40, 40), np.uint16)
    labels[:2, 10:20, 10:30] = 1
    labels[2:, 10:20, 10:18] = 2
    labels[2:, 10:20, 22:30] = 3
    labels[:, 30:36, 4:10] = 4
    return labels, Lineage.from_labels(labels, {2: 1, 3: 1})


@pytest.mark.parametrize("name", ["cells.geff", "cells.csv", "01_RES"])
def test_tracks_open_in_the_viewer(viewer, tmp_path, family, name):
    labels, lineage = family
    write_tracks(tmp_path / name, family, scale=None)
    layers = viewer.open(str(tmp_path / name), plugin="napari-xmem")
    tracks = layers[-1]
    assert {daughter: list(mothers) for daughter, mothers in tracks.graph.items()} == {2: [1], 3: [1]}
    assert len(tracks.data) == len(lineage.detections.frames)
    in_cell_2 = tracks.data[tracks.data[:, 0] == 2]
    np.testing.assert_allclose(in_cell_2[:, 1:], [[2, 14.5, 13.5], [3, 14.5, 13.5]])
    if name == "01_RES":
        np.testing.assert_array_equal(np.stack([np.asarray(layers[0].data[t]) for t in range(4)]), labels)


def test_scale_is_that_of_the_store(viewer, tmp_path, family):
    write_tracks(tmp_path / "cells.geff", family, scale=(0.5, 0.25), unit="micrometer")
    (tracks,) = viewer.open(str(tmp_path / "cells.geff"), plugin="napari-xmem")
    np.testing.assert_allclose(tracks.scale, (1, 0.5, 0.25))


def test_other_files_are_left_to_others(tmp_path):
    (tmp_path / "table.csv").write_text("name,age\nx,3\n")
    (tmp_path / "noise.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "folder_RES").mkdir()
    for name in ("table.csv", "noise.csv", "empty.csv", "folder_RES", "none.csv", "movie.tif"):
        assert track_reader(str(tmp_path / name)) is None
    assert track_reader([str(tmp_path / "table.csv")]) is None
