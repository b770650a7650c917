"""What overwriting may replace: files by files, stores of arrays by stores of arrays, nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from napari_xmem.errors import OutputError
from napari_xmem.io import LabelWriter, check_output
from napari_xmem.io.staging import StagingFolder

LABELS = np.arange(2 * 4 * 4, dtype=np.uint16).reshape(2, 4, 4)


def write(path, overwrite=True):
    with LabelWriter(path, LABELS.shape, overwrite=overwrite) as writer:
        for t, frame in enumerate(LABELS):
            writer.write(t, frame)


def array(path, version=3, **options):
    zarr.create_array(
        store=str(path), data=np.ones((4, 6, 6), np.uint8), chunks=(1, 3, 3), zarr_format=version, **options
    )


def labels_of_another_program(path, version=3):
    """Two levels and what NGFF asks of labels."""
    root = zarr.open_group(str(path), mode="w", zarr_format=version)
    levels = [{"path": name} for name in ("s0", "s1/deep")]
    for level in levels:
        root.create_array(level["path"], data=np.ones((4, 6, 6), np.uint8), chunks=(1, 3, 3))
    about = {"multiscales": [{"datasets": levels, "axes": list("tyx")}], "image-label": {}}
    root.attrs.update({"ome": about} if version == 3 else about)


def group(path, version=3):
    root = zarr.open_group(str(path), mode="w", zarr_format=version)
    root.create_group("deep").create_array("0", data=np.ones((4, 6), np.uint8), chunks=(2, 3))
    root.create_array("0", data=np.ones((4, 6), np.uint8), chunks=(2, 3))
    root.attrs["a"] = 1


STORES = {
    "array": array,
    "array 2": lambda path: array(path, 2),
    "array 2, nested": lambda path: array(path, 2, chunk_key_encoding={"name": "v2", "separator": "/"}),
    "array, dots": lambda path: array(path, 3, chunk_key_encoding={"name": "default", "separator": "."}),
    "sharded": lambda path: array(path, 3, shards=(2, 6, 6)),
    "labels of another program": labels_of_another_program,
    "labels of another program 2": lambda path: labels_of_another_program(path, 2),
    "nothing": lambda path: zarr.open_group(str(path), mode="w"),
    "our own": lambda path: write(path, False),
}


def image(path, version=3):
    """An image, which is more than the labels of one movie, even where it carries labels."""
    labels_of_another_program(path, version)
    root = zarr.open_group(str(path), mode="r+")
    root.attrs.put({"multiscales": [{"datasets": [{"path": "s0"}, {"path": "s1/deep"}], "axes": list("tyx")}]})


def labels_and_more(path):
    write(path, False)
    zarr.open_group(str(path), mode="r+").create_array("raw", data=np.ones((4, 6, 6), np.uint16))


def damaged(path):
    write(path, False)
    (path / "zarr.json").write_text("{")


OTHERS = {
    "group": (group, "holds 0, deep/0, which are no labels of one movie"),
    "group 2": (lambda path: group(path, 2), "holds 0, deep/0"),
    "image": (image, "is an image rather than labels"),
    "image 2": (lambda path: image(path, 2), "is an image rather than labels"),
    "labels and more": (labels_and_more, "holds raw, which are no labels"),
    "damaged": (damaged, "cannot be read"),
}


@pytest.mark.parametrize("kind", STORES)
def test_a_store_of_arrays_is_replaced(tmp_path, kind):
    path = tmp_path / "a.zarr"
    STORES[kind](path)
    with pytest.raises(OutputError, match="exists; choose another name"):
        LabelWriter(path, LABELS.shape)
    write(path)
    np.testing.assert_array_equal(zarr.open_group(str(path), mode="r")["0"][:], LABELS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("kind", OTHERS)
def test_a_store_of_other_arrays_is_left_alone(tmp_path, kind):
    path = tmp_path / "a.zarr"
    make, reason = OTHERS[kind]
    make(path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(OutputError, match=reason):
        check_output(path, overwrite=True)
    with pytest.raises(OutputError, match="is not replaced"):
        write(path)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("kind", [None, *STORES])
@pytest.mark.parametrize("inside", ["precious.txt", "c/precious.txt", "0/precious.txt", "notes/1.txt", "deep/x"])
def test_what_holds_anything_else_is_left_alone(tmp_path, kind, inside):
    path = tmp_path / "a.zarr"
    path.mkdir()
    if kind:
        path.rmdir()
        STORES[kind](path)
    (path / inside).parent.mkdir(parents=True, exist_ok=True)
    if (path / inside).parent.is_file():
        return
    (path / inside).write_text("mine")
    with pytest.raises(OutputError, match="is not replaced"):
        check_output(path, overwrite=True)
    with pytest.raises(OutputError, match="is not replaced"):
        write(path)
    assert (path / inside).read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "suffixes"), [("a.tif", ".tif"), ("a.npy", ".npy"), ("a.csv", ".csv"), ("a.png", ".png")]
)
@pytest.mark.parametrize("full", [True, False])
def test_a_folder_is_never_replaced_by_a_file(tmp_path, name, suffixes, full):
    (tmp_path / name).mkdir()
    if full:
        (tmp_path / name / "precious.txt").write_text("mine")
    with pytest.raises(OutputError, match="folder"):
        check_output(tmp_path / name, overwrite=True, suffixes=suffixes)
    assert (tmp_path / name).is_dir()


def test_a_file_is_not_replaced_by_a_store(tmp_path):
    (tmp_path / "a.zarr").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        write(tmp_path / "a.zarr")
    assert (tmp_path / "a.zarr").read_text() == "mine"


def test_what_appears_meanwhile_is_left_alone(tmp_path):
    path = tmp_path / "a.zarr"
    with pytest.raises(OutputError, match="is no store of arrays"), LabelWriter(path, (1, 4, 4), overwrite=True):
        path.mkdir()
        (path / "precious.txt").write_text("mine")
    assert (path / "precious.txt").read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


def test_a_store_that_was_being_replaced_when_the_process_died_is_put_back(tmp_path):
    path = tmp_path / "a.zarr"
    write(path, False)
    staging = StagingFolder(path)
    path.rename(staging.place.parent / "replaced")
    dead = staging.place.parent
    abandoned = dead.with_name(dead.name.replace(f"-{__import__('os').getpid()}.", "-999999999."))
    dead.rename(abandoned)
    staging.discard()
    StagingFolder(path).discard()
    np.testing.assert_array_equal(zarr.open_group(str(path), mode="r")["0"][:], LABELS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


def test_a_folder_given_for_a_file_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"is a folder; give the name of a file to write, such as .*result.tif"):
        check_output(tmp_path)
