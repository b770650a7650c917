"""OME-Zarr: what goes in with a scale comes out with it, as labels of the image, as a store and as TIFF."""

from __future__ import annotations

import functools
import http.server
import threading

import numpy as np
import pytest
import tifffile
import zarr

from napari_xmem.cli.batch.jobs import find_jobs
from napari_xmem.errors import InputError
from napari_xmem.io import LabelWriter, open_labels, open_movie
from napari_xmem.io.zarr_store import image_names

T, Y, X = 3, 24, 32
MOVIE = np.random.default_rng(0).integers(0, 900, (T, 2, Y, X)).astype(np.uint16)
AXES = [
    {"name": "t", "type": "time", "unit": "minute"},
    {"name": "c", "type": "channel"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def write_image(group, version):
    """Fill a group with a movie of two levels; half of the pixel size stands at the image, as the format allows."""
    levels = []
    for number, factor in enumerate((1, 2)):
        group.create_array(str(number), data=MOVIE[:, :, ::factor, ::factor], chunks=(1, 1, Y, X))
        scale = [{"type": "scale", "scale": [2.0, 1.0, 0.65 * factor, 0.5 * factor]}]
        levels.append({"path": str(number), "coordinateTransformations": scale})
    whole = [{"type": "scale", "scale": [1.0, 1.0, 0.5, 0.5]}]
    image = {"axes": AXES, "datasets": levels, "coordinateTransformations": whole}
    if version == 2:
        group.attrs["multiscales"] = [{"version": "0.4", **image}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}


def write_labels(path, movie, overwrite=False):
    labels = np.zeros((T, Y, X), np.uint16)
    labels[:, 4:9, 5:12], labels[1, 15:20, 20:28] = 3, 70
    size = {"scale": movie.scale, "unit": movie.unit, "frame_interval_s": movie.frame_interval_s}
    with LabelWriter(path, labels.shape, labels.dtype, overwrite, **size) as writer:
        for t in (2, 0, 1):
            writer.write(t, labels[t])
    return labels


@pytest.mark.parametrize("version", [2, 3])
def test_scale_and_units_come_out_as_they_went_in(tmp_path, version):
    from napari.components import ViewerModel

    store = tmp_path / "movie.zarr"
    write_image(zarr.open_group(str(store), mode="w", zarr_format=version), version)
    movie = open_movie(store)
    assert movie.scale == (0.325, 0.25) and movie.unit == "micrometer" and movie.frame_interval_s == 120
    outputs = [store / "labels" / "cells", tmp_path / "alone.zarr", tmp_path / "labels.tif"]
    viewer = ViewerModel()
    viewer.add_image(np.asarray(movie.data)[..., 0], scale=(movie.frame_interval_s, *movie.scale))
    for output in outputs:
        labels = write_labels(output, movie)
        found = open_labels(output)
        assert found.axes == "TYX" and found.scale == movie.scale and found.frame_interval_s == 120
        np.testing.assert_array_equal(np.asarray(found.data), labels)
        layer = viewer.add_labels(np.asarray(found.data), scale=(found.frame_interval_s, *found.scale))
        np.testing.assert_allclose(layer.extent.world, viewer.layers[0].extent.world)
        assert layer.get_value((1 * 120, 17 * 0.325, 24 * 0.25), world=True) == 70
    with tifffile.TiffFile(outputs[2]) as tiff:
        assert 'PhysicalSizeXUnit="µm"' in tiff.ome_metadata
    write_labels(outputs[0], movie, overwrite=True)
    write_labels(store / "labels" / "more", movie)
    group = zarr.open_group(str(store), mode="r")
    listed = dict(group["labels"].attrs)
    assert (listed if version == 2 else listed["ome"])["labels"] == ["cells", "more"]
    inside = group["labels/cells"]
    about = dict(inside.attrs) if version == 2 else inside.attrs["ome"]
    scales = [level["coordinateTransformations"][0]["scale"] for level in about["multiscales"][0]["datasets"]]
    assert scales == [[120.0, 0.325, 0.25], [120.0, 0.65, 0.5]]
    np.testing.assert_array_equal(inside["1"][:], labels[:, ::2, ::2])
    assert [entry["label-value"] for entry in about["image-label"]["colors"]] == [3, 70]
    assert about["image-label"]["source"] == {"image": "../../"} and inside.metadata.zarr_format == version
    np.testing.assert_array_equal(np.asarray(open_movie(store).data)[..., 1], MOVIE[:, 1])
    assert sorted(p.name for p in (store / "labels").iterdir() if p.is_dir()) == ["cells", "more"]


@pytest.fixture
def plate(tmp_path):
    root = zarr.open_group(str(tmp_path / "plate.zarr"), mode="w")
    root.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "A/1"}, {"path": "B/12"}, {"path": "C/1"}]}}
    for well in ("A/1", "B/12"):
        root.create_group(well).attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}, {"path": "1"}]}}
        for field in "01":
            write_image(root.create_group(f"{well}/{field}"), 3)
    return tmp_path / "plate.zarr"


def test_a_plate_is_a_movie_per_field(plate, tmp_path):
    fields = ["A/1/0", "A/1/1", "B/12/0", "B/12/1"]
    assert image_names(plate) == fields
    movie = open_movie(f"{plate}:A/1/0")
    write_labels(plate / "A/1/0/labels/seeds", movie)
    write_labels(tmp_path / "plate_B_12_1_seeds.tif", movie)
    jobs = find_jobs([str(tmp_path)], str(tmp_path / "out"), "_seeds", "zarr")
    assert [job.movie for job in jobs] == [f"{plate}:{field}" for field in fields]
    assert [job.output.name for job in jobs][::3] == ["plate_A_1_0_labels.zarr", "plate_B_12_1_labels.zarr"]
    assert jobs[0].seeds == f"{plate}:A/1/0/labels/seeds" and jobs[1].seeds is None
    assert jobs[3].seeds == str(tmp_path / "plate_B_12_1_seeds.tif")
    assert open_labels(jobs[0].seeds).shape == (T, Y, X)


def test_stores_are_read_by_their_address_with_the_same_care(plate, tmp_path):
    pytest.importorskip("aiohttp")
    bad = zarr.open_group(str(tmp_path / "bad.zarr"), mode="w", zarr_format=2)
    bad.create_array("0", shape=(3, 4, 5), chunks=(1, 4, 5), dtype="S8")
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        assert image_names(f"{base}/plate.zarr") == image_names(plate)
        movie = open_movie(f"{base}/plate.zarr:B/12/0")
        assert movie.scale == (0.325, 0.25)
        np.testing.assert_array_equal(np.asarray(movie.data[1])[..., 0], MOVIE[1, 0])
        with pytest.raises(InputError, match="which is no image"):
            open_movie(f"{base}/bad.zarr:0")
        for wrong in ("plate.zarr:Z/1", "none.zarr", "movie.tif"):
            with pytest.raises(InputError):
                open_movie(f"{base}/{wrong}")
        server.shutdown()
