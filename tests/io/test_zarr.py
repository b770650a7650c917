"""Zarr stores: what runs code is never read, and what holds an image is, however it is coded and nested."""

from __future__ import annotations

import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import pytest
import zarr
from numcodecs.abc import Codec

from napari_xmem.errors import InputError
from napari_xmem.imaging import FrameSource, normalise_seeds
from napari_xmem.io import open_labels, open_movie

if TYPE_CHECKING:
    from pathlib import Path

MOVIE = np.random.default_rng(0).integers(0, 4000, (4, 16, 20)).astype(np.uint16)


class Touch:
    """Unpickling it leaves a folder behind."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.path,)


class Unpickler(Codec):
    """What numcodecs had under the name "pickle" until 0.16.3, which our tests need not have."""

    codec_id = "pickle"

    def __init__(self, protocol: int = 5) -> None:
        self.protocol = protocol

    def encode(self, buf: Any) -> Any:
        return buf

    def decode(self, buf: Any, out: Any = None) -> Any:
        return pickle.loads(bytes(buf))

    def get_config(self) -> dict[str, Any]:
        return {"id": "pickle", "protocol": self.protocol}


@pytest.fixture
def unpickler():
    from numcodecs.registry import codec_registry

    before = codec_registry.get("pickle")
    numcodecs.register_codec(Unpickler, "pickle")
    yield
    if before is None:
        del codec_registry["pickle"]
    else:
        codec_registry["pickle"] = before


@pytest.mark.parametrize("shape", [(16, 20), (4, 16, 20)])
@pytest.mark.parametrize(
    "how",
    [
        {"dtype": "|O", "fill_value": "", "filters": [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}]},
        {"dtype": "|O", "fill_value": 0, "filters": [{"id": "pickle", "protocol": 5}]},
        {"dtype": "<u2", "fill_value": 0, "filters": [{"id": "pickle", "protocol": 5}]},
        {"dtype": "<u2", "fill_value": 0, "filters": None, "compressor": {"id": "pickle", "protocol": 5}},
        {"dtype": "<u2", "fill_value": 0, "filters": [{"id": "delta", "dtype": "|O"}]},
        {"dtype": "<U4", "fill_value": "", "filters": [{"id": "pickle", "protocol": 5}]},
        {"dtype": [["a", "<u2"]], "fill_value": None, "filters": [{"id": "pickle", "protocol": 5}]},
    ],
)
def test_code_in_chunks_never_runs(
    tmp_path: Path, unpickler: None, how: dict[str, Any], shape: tuple[int, ...]
) -> None:
    mark = tmp_path / "CODE_RAN"
    store = tmp_path / "a.zarr"
    store.mkdir()
    chunks = (1, *shape[1:]) if len(shape) == 3 else shape
    about = {"zarr_format": 2, "shape": shape, "chunks": chunks, "order": "C", "compressor": None}
    (store / ".zarray").write_text(json.dumps({**about, **how}))
    for name in ("0.0", "0.0.0", "1.0.0"):
        (store / name).write_bytes(pickle.dumps(Touch(str(mark))))
    for opener in (open_movie, open_labels):
        with pytest.raises(
            InputError, match=r"a.zarr .*(no image|not known to be safe|no number|cannot be read as zarr)"
        ):
            opener(store)
    assert not mark.exists()


def test_the_test_would_notice(tmp_path: Path, unpickler: None) -> None:
    """The crafted chunks do run where they are read."""
    store = tmp_path / "a.zarr"
    store.mkdir()
    about = {"zarr_format": 2, "shape": (4,), "chunks": (4,), "order": "C", "compressor": None, "dtype": "|O"}
    filters = [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}]
    (store / ".zarray").write_text(json.dumps({**about, "fill_value": "", "filters": filters}))
    (store / "0").write_bytes(pickle.dumps(Touch(str(tmp_path / "CODE_RAN"))))
    with pytest.raises(Exception, match=".*"):
        zarr.open(str(store), mode="r")[:]
    assert (tmp_path / "CODE_RAN").exists()


@pytest.mark.parametrize("name", ["numcodecs.pickle", "pickle", "vlen-utf8", "someone.elses"])
def test_unknown_codecs_of_version_3_are_refused(tmp_path: Path, name: str) -> None:
    store = tmp_path / "a.zarr"
    zarr.create_array(str(store), data=MOVIE, chunks=(1, 16, 20))
    content = json.loads((store / "zarr.json").read_text())
    content["codecs"] = [{"name": name, "configuration": {}}]
    (store / "zarr.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"a.zarr"):
        open_movie(store)


@pytest.mark.parametrize("compressor", ["blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"])
@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<f4", "|b1"])
def test_codecs_of_version_2(tmp_path: Path, compressor: str, dtype: str) -> None:
    data = (MOVIE > 2000 if dtype == "|b1" else MOVIE).astype(dtype)
    array = zarr.create_array(
        str(tmp_path / "a.zarr"),
        shape=data.shape,
        chunks=(1, 8, 20),
        dtype=dtype,
        zarr_format=2,
        compressors=numcodecs.get_codec({"id": compressor}),
        order="F",
    )
    array[:] = data
    source = FrameSource(open_movie(tmp_path / "a.zarr").data)
    np.testing.assert_array_equal(source.read(3), data[3])


@pytest.mark.parametrize(
    "codec",
    [
        {"id": "delta", "dtype": "<u2"},
        {"id": "fixedscaleoffset", "scale": 1, "offset": 0, "dtype": "<u2", "astype": "<i4"},
        {"id": "shuffle", "elementsize": 2},
        {"id": "astype", "encode_dtype": "<u4", "decode_dtype": "<u2"},
        {"id": "fletcher32"},
    ],
)
def test_filters_of_version_2(tmp_path: Path, codec: dict[str, Any]) -> None:
    array = zarr.create_array(
        str(tmp_path / "a.zarr"),
        shape=MOVIE.shape,
        chunks=(1, 16, 20),
        dtype="<u2",
        zarr_format=2,
        filters=[numcodecs.get_codec(dict(codec))],
    )
    array[:] = MOVIE
    np.testing.assert_array_equal(FrameSource(open_movie(tmp_path / "a.zarr").data).read(2), MOVIE[2])


def test_shards_and_checksums(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), data=MOVIE, chunks=(1, 8, 10), shards=(2, 16, 20))
    np.testing.assert_array_equal(FrameSource(open_movie(tmp_path / "a.zarr").data).read(2), MOVIE[2])


@pytest.mark.parametrize("codec", ["numcodecs.bz2", "numcodecs.lz4", "numcodecs.zlib"])
@pytest.mark.filterwarnings("ignore")
def test_codecs_of_numcodecs_in_version_3(tmp_path: Path, codec: str) -> None:
    zarr.create_array(
        str(tmp_path / "a.zarr"), data=MOVIE, chunks=(1, 16, 20), compressors={"name": codec, "configuration": {}}
    )
    np.testing.assert_array_equal(FrameSource(open_movie(tmp_path / "a.zarr").data).read(2), MOVIE[2])


@pytest.mark.parametrize("version", [2, 3])
def test_damaged_seeds_are_named(tmp_path: Path, version: int) -> None:
    labels = (MOVIE > 2000).astype(np.uint16)
    one = zarr.create_array(str(tmp_path / "one.zarr"), data=labels[0], chunks=(16, 20), zarr_format=version)
    stack = zarr.create_array(str(tmp_path / "stack.zarr"), data=labels, chunks=(1, 16, 20), zarr_format=version)
    for store, name in (("one.zarr", "0/0"), ("stack.zarr", "1/0/0")):
        chunk = tmp_path / store / (name.replace("/", ".") if version == 2 else f"c/{name}")
        chunk.write_bytes(b"\0\1\2\3")
    with pytest.raises(InputError, match=r"one.zarr cannot be read"):
        open_labels(tmp_path / "one.zarr")
    with pytest.raises(InputError, match=r"stack.zarr: frame 1 cannot be read"):
        normalise_seeds(open_labels(tmp_path / "stack.zarr").data, 4, (16, 20))
    for array, message in ((stack, "seeds of frame 1 cannot be read"), (one, "seeds.* cannot be read")):
        with pytest.raises(InputError, match=message):
            normalise_seeds(array, 4, (16, 20))


def _image(group: Any, data: np.ndarray) -> None:
    group.create_array("0", data=data, chunks=(1, *data.shape[1:]))
    axes = [{"name": "t", "type": "time"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    levels = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 0.5, 0.25]}]}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]


def test_stores_of_bioformats2raw(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "b.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    root.create_group("OME")
    _image(root.create_group("0"), MOVIE)
    movie = open_movie(tmp_path / "b.zarr")
    assert (movie.axes, movie.scale) == ("TYX", (0.5, 0.25))
    np.testing.assert_array_equal(FrameSource(movie.data).read(1), MOVIE[1])
    _image(root.create_group("10"), MOVIE[::-1])
    _image(root.create_group("2"), MOVIE[::-1])
    with pytest.raises(InputError, match=r"3 movies \(0, 2, 10\); choose one, for example b.zarr:0"):
        open_movie(tmp_path / "b.zarr")
    np.testing.assert_array_equal(FrameSource(open_movie(f"{tmp_path / 'b.zarr'}:2").data).read(0), MOVIE[-1])


def test_plates_and_other_nested_groups(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "plate.zarr"), mode="w")
    _image(root.create_group("A").create_group("1").create_group("0"), MOVIE)
    np.testing.assert_array_equal(FrameSource(open_movie(tmp_path / "plate.zarr").data).read(1), MOVIE[1])
    _image(root.create_group("B").create_group("7").create_group("0"), MOVIE)
    with pytest.raises(InputError, match=r"\(A/1/0, B/7/0\).*plate.zarr:A/1/0"):
        open_movie(tmp_path / "plate.zarr")
    with pytest.raises(InputError, match=r"no array 'C'; it holds A/1/0, B/7/0"):
        open_movie(f"{tmp_path / 'plate.zarr'}:C")


def test_a_group_with_one_flat_array_is_a_label_image(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "l.zarr"), mode="w")
    root.create_array("cells", data=MOVIE[0])
    np.testing.assert_array_equal(open_labels(tmp_path / "l.zarr").data, MOVIE[0])


@pytest.mark.parametrize(
    "attributes",
    [
        {"multiscales": [7]},
        {"multiscales": {"a": 1}},
        {"multiscales": [{"datasets": [{"path": "../../etc"}]}]},
        {"multiscales": [{"datasets": 3}]},
        {"ome": 4},
        {"ome": {"multiscales": [{"datasets": [{"path": ["0"]}]}]}},
    ],
)
def test_metadata_that_make_no_sense(tmp_path: Path, attributes: dict[str, Any]) -> None:
    root = zarr.open_group(str(tmp_path / "m.zarr"), mode="w")
    root.attrs.update(attributes)
    with pytest.raises(InputError, match=r"m.zarr"):
        open_movie(tmp_path / "m.zarr")


def test_chunks_that_no_memory_holds_are_refused(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(9, 100_000, 100_000), chunks=(1, 100_000, 100_000), dtype="u2")
    with pytest.raises(InputError, match=r"a.zarr.*GB"):
        open_movie(tmp_path / "a.zarr")
