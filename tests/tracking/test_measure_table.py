from __future__ import annotations

import csv
import sys

import numpy as np
import pytest

import napari_xmem as nx
from lineage_scenes import PARENTS, family
from napari_xmem.errors import InputError, OutputError
from napari_xmem.io import Movie

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def movie():
    return RNG.integers(0, 4000, (8, 48, 64)).astype(np.uint16)


def rows_of(table, object_id):
    return np.flatnonzero(table["object_id"] == object_id)


def test_against_the_definitions(movie):
    labels = family()
    table = nx.measure(movie, labels)
    pairs = list(zip(table["object_id"].tolist(), table["frame"].tolist(), strict=True))
    assert pairs == [(i, t) for i in range(1, 8) for t in range(8) if (labels[t] == i).any()]
    for row, (i, t) in enumerate(pairs):
        mask = labels[t] == i
        values = movie[t][mask].astype(float)
        assert table["area_px"][row] == mask.sum()
        np.testing.assert_allclose([table["y_px"][row], table["x_px"][row]], np.argwhere(mask).mean(0))
        for name in ("mean", "std", "min", "max"):
            assert table[f"intensity_{name}"][row] == pytest.approx(getattr(np, name)(values))
        assert table["extent"][row] == table["solidity"][row] == 1  # boxes
        assert table["equivalent_diameter_px"][row] == pytest.approx(np.sqrt(4 * mask.sum() / np.pi))
    assert table["eccentricity"][rows_of(table, 1)] == pytest.approx(0, abs=1e-6)


def test_a_long_bar_has_its_axes_and_direction():
    labels = np.zeros((1, 60, 60), np.uint8)
    labels[0, 28:32, 10:50] = 1  # along the columns
    table = nx.measure(None, labels)
    # An ellipse with the moments of a box of side a has axes of 4 a / sqrt(12).
    assert table["major_axis_px"][0] == pytest.approx(40 * 4 / np.sqrt(12), rel=0.01)
    assert table["minor_axis_px"][0] == pytest.approx(4 * 4 / np.sqrt(12), rel=0.05)
    assert abs(table["orientation_rad"][0]) == pytest.approx(np.pi / 2)
    assert not [name for name in table.columns if name.startswith("intensity")]


def test_speed_over_gaps():
    labels = np.zeros((5, 20, 40), np.int32)
    for t, x in ((0, 2), (1, 5), (4, 17)):
        labels[t, 4:8, x : x + 4] = 9
    table = nx.measure(None, labels)
    np.testing.assert_allclose(table["displacement_px"], [np.nan, 3, 12])
    np.testing.assert_allclose(table["speed_px_per_frame"], [np.nan, 3, 4])


def test_units_of_the_movie(movie):
    labels = family()
    table = nx.measure(Movie(movie, "TYX", "movie.tif", (0.5, 0.5), "µm"), labels)
    np.testing.assert_allclose(table["area_um2"], table["area_px"] * 0.25)
    np.testing.assert_allclose(table["y_um"], table["y_px"] * 0.5)
    np.testing.assert_allclose(table["perimeter_um"], table["perimeter_px"] * 0.5)
    uneven = nx.measure(movie, labels, scale=(0.5, 0.25), unit="um")
    np.testing.assert_allclose(uneven["area_um2"], table["area_px"] * 0.125)
    assert "perimeter_um" not in uneven.columns
    moving = np.zeros((2, 20, 20), np.uint8)
    moving[0, 2:4, 2:4] = moving[1, 6:8, 5:7] = 1  # 4 rows and 3 columns on
    assert nx.measure(None, moving, scale=(0.5, 2.0), unit="um")["speed_um_per_frame"][1] == pytest.approx(
        np.hypot(2, 6)
    )
    assert not [name for name in nx.measure(movie, labels).columns if "_um" in name]


def test_channels(movie):
    labels = family()
    both = np.stack([movie, movie[::-1]], axis=-1)
    table, first, second = nx.measure(both, labels), nx.measure(movie, labels), nx.measure(movie[::-1], labels)
    for name in ("mean", "std", "min", "max"):
        np.testing.assert_allclose(table[f"intensity_{name}_c0"], first[f"intensity_{name}"])
        np.testing.assert_allclose(table[f"intensity_{name}_c1"], second[f"intensity_{name}"])


def test_volumes(movie):
    labels = np.stack([family(), family() * 0, family()], axis=1)
    volumes = np.stack([movie, movie, movie // 2], axis=1)
    table = nx.measure(volumes, labels, scale=(2.0, 0.5, 0.5), unit="um")
    flat = nx.measure(movie, family())
    assert (table["volume_px"] == 2 * flat["area_px"]).all()
    np.testing.assert_allclose(table["z_px"], 1.0)
    np.testing.assert_allclose(table["volume_um3"], table["volume_px"] * 0.5)
    assert (table["intensity_max"] == flat["intensity_max"]).all()


def test_descent():
    lineage = nx.Lineage.from_labels(family(), PARENTS)
    table = nx.measure(None, family(), lineage)
    for row in range(len(table)):
        i = int(table["object_id"][row])
        assert table["parent_id"][row] == PARENTS.get(i, 0)
        assert table["generation"][row] == lineage.generation[i] and table["founder_id"][row] == lineage.founder[i]
        assert table["age_frames"][row] == table["frame"][row] - lineage.first_frame[i]
    with pytest.raises(InputError, match="object 7 of the labels is missing in the lineage"):
        nx.measure(None, family(), nx.Lineage.from_labels(np.where(family() == 7, 0, family()), PARENTS))


def test_large_ids_tiny_objects_and_nothing():
    labels = np.zeros((2, 12, 12), np.int64)
    labels[0, 3, 3], labels[0, 6, 2:9], labels[1, 0, 0] = 2**31 - 1, 4, 4
    table = nx.measure(np.ones(labels.shape), labels)
    assert table["object_id"].tolist() == [4, 4, 2**31 - 1] and table["area_px"].tolist() == [7, 1, 1]
    assert np.isfinite(table["solidity"]).all()
    empty = nx.measure(np.ones(labels.shape), labels * 0)
    assert len(empty) == 0 and set(empty.columns) == set(table.columns)


def test_frames_are_read_one_at_a_time(movie):
    labels, asked = family(), []

    class Lazy:
        shape, dtype = movie.shape, movie.dtype

        def __getitem__(self, t):
            asked.append(t)
            return movie[t]

    nx.measure(Lazy(), labels)
    assert asked == list(range(8))


def test_files_of_the_movie(tmp_path, movie):
    np.save(tmp_path / "movie.npy", movie)
    opened = nx.open_movie(tmp_path / "movie.npy")
    np.testing.assert_array_equal(
        nx.measure(opened, family())["intensity_mean"], nx.measure(movie, family())["intensity_mean"]
    )


def test_csv_and_dataframe(tmp_path, movie):
    table = nx.measure(movie, family())
    table.to_csv(tmp_path / "cells.csv")
    with (tmp_path / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(table.columns) and len(rows) == len(table)
    assert rows[0]["speed_px_per_frame"] == "" and float(rows[1]["speed_px_per_frame"]) == 0
    assert [float(row["x_px"]) for row in rows] == table["x_px"].tolist()
    frame = pytest.importorskip("pandas").read_csv(tmp_path / "cells.csv")
    again = table.to_dataframe()
    assert list(frame.columns) == list(again.columns)
    np.testing.assert_allclose(frame.to_numpy(float), again.to_numpy(float))
    with pytest.raises(OutputError, match="cannot be written"):
        table.to_csv(tmp_path / "no" / "cells.csv")
    with pytest.raises(InputError, match="no column 'speed'"):
        table["speed"]


def test_without_pandas(movie, monkeypatch):
    table = nx.measure(movie, family())
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        table.to_dataframe()


@pytest.mark.parametrize(
    ("frames", "labels", "options", "words"),
    [
        (np.zeros((8, 48, 63)), family(), {}, "expected the same"),
        (np.zeros((7, 48, 64)), family(), {}, "expected the same"),
        (None, family()[0], {}, r"expected \(T, Y, X\)"),
        (None, family().astype(float), {}, "whole numbers"),
        (None, family(), {"scale": (0.5, 0.0), "unit": "um"}, "above 0"),
        (None, family(), {"scale": (1.0, 0.5, 0.5), "unit": "um"}, "expected 2 lengths"),
    ],
)
def test_refused(frames, labels, options, words):
    with pytest.raises(InputError, match=words):
        nx.measure(frames, labels, **options)
