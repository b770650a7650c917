from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tifffile
import zarr

from napari_xmem.errors import InputError, OutputError
from napari_xmem.io import LabelWriter, open_labels

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.repeat(RNG.integers(0, 300, (5, 12, 15)), 10, 1), 10, 2).astype(np.uint16)
NAMES = ["out.tif", "out.ome.tiff", "out.npy", "out.zarr"]


def write(path, labels=LABELS, order=None, **options):
    with LabelWriter(path, labels.shape, labels.dtype, **options) as writer:
        for t in range(len(labels)) if order is None else order:
            writer.write(t, labels[t])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", [None, [4, 3, 2, 1, 0], [2, 3, 4, 1, 0], [2, 2, 0, 1, 0, 4, 3]])
def test_round_trip_in_any_order(tmp_path, name, order):
    write(tmp_path / name, order=order)
    labels = open_labels(tmp_path / name)
    assert labels.axes == "TYX" and labels.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(labels.data), LABELS)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_frames_not_written_are_background_and_the_last_version_counts(tmp_path, name):
    with LabelWriter(tmp_path / name, LABELS.shape, np.int32) as writer:
        writer.write(3, LABELS[0])
        writer.write(3, LABELS[3].astype(np.int64) * 100_000)
    data = np.asarray(open_labels(tmp_path / name).data)
    assert data.dtype == np.int32
    np.testing.assert_array_equal(data[3], LABELS[3].astype(np.int64) * 100_000)
    assert not data[[0, 1, 2, 4]].any()


def test_tiff_is_compressed_and_carries_axes_and_pixel_size(tmp_path):
    write(tmp_path / "out.tif", scale=(0.25, 0.5), unit="µm")
    assert (tmp_path / "out.tif").stat().st_size < LABELS.nbytes / 10
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert tiff.series[0].axes == "TYX"
        assert tiff.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert len(tiff.pages) == 5
    movie = open_labels(tmp_path / "out.tif")
    assert (movie.scale, movie.unit) == ((0.25, 0.5), "µm")


def test_tiff_with_several_strips_and_an_uneven_end(tmp_path):
    labels = RNG.integers(0, 9, (2, 301, 2000)).astype(np.uint16)
    write(tmp_path / "out.tif", labels)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), labels)


def test_big_tiff_where_needed(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_xmem.io.label_backends._CLASSIC_TIFF_BYTES", 1000)
    write(tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert tiff.is_bigtiff
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), LABELS)


def test_zarr_has_a_chunk_per_frame_and_axis_names(tmp_path):
    write(tmp_path / "out.zarr")
    array = zarr.open_group(str(tmp_path / "out.zarr"), mode="r")["0"]
    assert array.chunks[0] == 1 and array.metadata.dimension_names == ("t", "y", "x")


@pytest.mark.parametrize("name", NAMES)
def test_existing_output(tmp_path, name):
    write(tmp_path / name)
    with pytest.raises(OutputError, match="exists.*--overwrite"):
        LabelWriter(tmp_path / name, LABELS.shape, np.uint16)
    write(tmp_path / name, LABELS[::-1], overwrite=True)
    np.testing.assert_array_equal(np.asarray(open_labels(tmp_path / name).data), LABELS[::-1])
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_an_error_leaves_nothing_and_spares_what_was_there(tmp_path, name):
    write(tmp_path / name)
    with pytest.raises(KeyError), LabelWriter(tmp_path / name, LABELS.shape, np.uint16, overwrite=True) as writer:
        writer.write(0, LABELS[4])
        raise KeyError
    np.testing.assert_array_equal(np.asarray(open_labels(tmp_path / name).data), LABELS)
    assert os.listdir(tmp_path) == [name]
    with pytest.raises(OutputError, match="closed"):
        writer.write(0, LABELS[0])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_under_the_final_name_before_the_end(tmp_path, name):
    with LabelWriter(tmp_path / name, LABELS.shape, np.uint16) as writer:
        writer.write(0, LABELS[0])
        assert not (tmp_path / name).exists()
    assert (tmp_path / name).exists()


def test_output_that_appears_meanwhile_is_spared(tmp_path):
    writer = LabelWriter(tmp_path / "out.npy", LABELS.shape, np.uint16)
    (tmp_path / "out.npy").write_text("mine")
    with pytest.raises(OutputError, match="meanwhile"):
        writer.close()
    assert (tmp_path / "out.npy").read_text() == "mine" and len(os.listdir(tmp_path)) == 1


def test_bad_outputs(tmp_path):
    with pytest.raises(OutputError, match=r"expected a name that ends in \.tif"):
        LabelWriter(tmp_path / "out.png", LABELS.shape)
    with pytest.raises(OutputError, match="does not exist; make it first"):
        LabelWriter(tmp_path / "no" / "out.tif", LABELS.shape)
    with pytest.raises(InputError, match="float64"):
        LabelWriter(tmp_path / "out.tif", LABELS.shape, float)
    with LabelWriter(tmp_path / "out.npy", LABELS.shape, np.uint16) as writer:
        with pytest.raises(InputError, match="frame 5"):
            writer.write(5, LABELS[0])
        with pytest.raises(InputError, match="shape"):
            writer.write(0, LABELS[0, :3])
        with pytest.raises(InputError, match="70000, which does not fit uint16"):
            writer.write(0, np.full((120, 150), 70000))
        with pytest.raises(InputError, match="label -1, which does not fit uint16"):
            writer.write(0, np.full((120, 150), -1))


# A limit on file size stops writes like a full disk does, in the middle of a file.
FULL_DISK = """
    import os, resource, sys
    import numpy as np
    from napari_xmem.errors import OutputError
    from napari_xmem.io import LabelWriter

    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    labels = np.random.default_rng(0).integers(0, 60000, (5, 200, 200)).astype(np.uint16)
    try:
        with LabelWriter(sys.argv[1], labels.shape, labels.dtype) as writer:
            for t in range(5):
                writer.write(t, labels[t])
    except OutputError as error:
        print(error)
        sys.exit(2)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("limit", [10_000, 150_000, 395_000])
def test_no_room(tmp_path, name, limit):
    if name == "out.zarr" and limit > 10_000:
        pytest.skip("each of its files is small")
    command = [sys.executable, "-c", textwrap.dedent(FULL_DISK), str(tmp_path / name), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert f"{name} cannot be written: File too large" in done.stdout
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_device(tmp_path, monkeypatch):
    writer = LabelWriter(tmp_path / "out.npy", LABELS.shape, np.uint16)
    with open("/dev/full", "wb") as full:
        os.dup2(full.fileno(), writer._backend._file.fileno())
    with pytest.raises(OutputError, match="No space left on device"):
        for t in range(5):
            writer.write(t, LABELS[t])
    assert os.listdir(tmp_path) == []


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    code = (
        "import os, sys; from napari_xmem.io import LabelWriter; "
        "writer = LabelWriter(sys.argv[1], (2, 4, 4)); os.kill(os.getpid(), 9)"
    )
    for name in ("a.tif", "b.tif"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=False)
    assert len(list(tmp_path.glob(".?.tif.*.partial"))) == 2
    first = LabelWriter(tmp_path / "a.tif", (2, 4, 4), overwrite=True)
    with first, LabelWriter(tmp_path / "a.tif", (2, 4, 4)):
        assert len(list(tmp_path.glob(".a.tif.*.partial"))) == 2, "those of running processes stay"
    assert [path.name.split(".")[1] for path in tmp_path.glob("*.partial")] == ["b"]


@pytest.mark.parametrize("name", NAMES)
def test_volumes_are_written_plane_by_plane_in_any_order(tmp_path, name):
    volumes = np.stack([LABELS[:4], LABELS[1:], LABELS[:4] + 7])
    with LabelWriter(tmp_path / name, volumes.shape, volumes.dtype, scale=(0.5, 0.5), unit="µm", z_step=2.0) as writer:
        for z, t in [(3, 0), (1, 2), (0, 1), (3, 2), (2, 1)]:
            writer.write(t, volumes[t, z], z)
        for t, z in [(3, 0), (0, 4), (0, None)]:
            with pytest.raises(InputError, match="which has shape"):
                writer.write(t, volumes[0, 0], z)
    opened = open_labels(tmp_path / name, volumes=True)
    assert opened.axes == "TZYX" and opened.shape == volumes.shape
    if name.endswith(("tif", "tiff")):
        assert (opened.scale, opened.unit, opened.z_step) == ((0.5, 0.5), "µm", 2.0)
    for t, z in np.ndindex(3, 4):
        written = (z, t) in [(3, 0), (1, 2), (0, 1), (3, 2), (2, 1)]
        np.testing.assert_array_equal(opened.data[t, z], volumes[t, z] * written)
