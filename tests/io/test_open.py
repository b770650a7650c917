from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_xmem.errors import InputError
from napari_xmem.imaging import FrameSource
from napari_xmem.io import open_labels, open_movie

RNG = np.random.default_rng(0)
MOVIE = RNG.integers(0, 60000, (6, 40, 50)).astype(np.uint16)
COLOUR = RNG.integers(0, 255, (6, 40, 50, 3)).astype(np.uint8)
CHANNELS = np.ascontiguousarray(np.moveaxis(COLOUR, -1, 1)[:, :2])


def frames_equal(movie, expected):
    assert movie.shape == expected.shape
    source = FrameSource(movie.data)
    for t in (3, 0, len(source) - 1):
        np.testing.assert_array_equal(source.read(t), expected[t])
        np.testing.assert_array_equal(movie.data[t], expected[t])
    np.testing.assert_array_equal(np.asarray(movie.data), expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"imagej": True, "metadata": {"axes": "TYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"compression": "zlib"},
        {"compression": "lzw"},
        {"compression": "zlib", "metadata": {"axes": "TYX"}, "tile": (16, 16)},
        {"ome": True, "metadata": {"axes": "TYX"}, "compression": "zlib"},
        {"ome": True, "metadata": {"axes": "TYX"}},
    ],
)
def test_grey_tiff(tmp_path, options):
    tifffile.imwrite(tmp_path / "movie.tif", MOVIE, **options)
    movie = open_movie(tmp_path / "movie.tif")
    assert movie.axes == "TYX"
    frames_equal(movie, MOVIE)


def test_tiff_page_by_page_without_metadata(tmp_path):
    with tifffile.TiffWriter(tmp_path / "movie.tif") as tiff:
        for frame in MOVIE:
            tiff.write(frame, metadata=None, contiguous=False)
    frames_equal(open_movie(tmp_path / "movie.tif"), MOVIE)


@pytest.mark.parametrize(
    ("array", "options"),
    [
        (CHANNELS, {"imagej": True, "metadata": {"axes": "TCYX"}}),
        (CHANNELS, {"ome": True, "metadata": {"axes": "TCYX"}}),
        (CHANNELS, {"ome": True, "metadata": {"axes": "TCYX"}, "compression": "zlib"}),
        (CHANNELS.swapaxes(0, 1), {"ome": True, "metadata": {"axes": "CTYX"}, "compression": "zlib"}),
        (COLOUR, {"photometric": "rgb"}),
        (COLOUR, {"photometric": "rgb", "compression": "zlib"}),
        (COLOUR, {"photometric": "rgb", "imagej": True, "metadata": {"axes": "TYXS"}}),
        (COLOUR, {"photometric": "rgb", "ome": True, "metadata": {"axes": "TYXS"}}),
    ],
)
def test_tiff_with_channels(tmp_path, array, options):
    tifffile.imwrite(tmp_path / "movie.tif", array, **options)
    movie = open_movie(tmp_path / "movie.tif")
    assert movie.axes == "TYXC"
    frames_equal(movie, COLOUR if array is COLOUR else COLOUR[..., :2])


def test_tiff_pixel_size(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif", MOVIE, metadata={"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    )
    movie = open_movie(tmp_path / "a.ome.tif")
    assert (movie.scale, movie.unit) == ((0.25, 0.5), "µm")
    tifffile.imwrite(tmp_path / "b.tif", MOVIE, imagej=True, resolution=(2, 4), metadata={"axes": "TYX", "unit": "um"})
    movie = open_movie(tmp_path / "b.tif")
    assert (movie.scale, movie.unit) == ((0.25, 0.5), "um")


def test_axes_that_metadata_do_not_tell_are_asked_for(tmp_path):
    np.save(tmp_path / "movie.npy", CHANNELS)
    with pytest.raises(InputError, match=r"--axes .*TCYX.*Probably --axes TCYX"):
        open_movie(tmp_path / "movie.npy")
    frames_equal(open_movie(tmp_path / "movie.npy", "TCYX"), COLOUR[..., :2])
    tifffile.imwrite(tmp_path / "movie.tif", CHANNELS, photometric="minisblack")
    with pytest.raises(InputError, match="--axes"):
        open_movie(tmp_path / "movie.tif")
    frames_equal(open_movie(tmp_path / "movie.tif", "TCYX"), COLOUR[..., :2])


def test_a_colour_image_is_not_taken_for_a_movie(tmp_path):
    np.save(tmp_path / "image.npy", COLOUR[0])
    with pytest.raises(InputError, match="looks like one colour image"):
        open_movie(tmp_path / "image.npy")
    np.save(tmp_path / "flat.npy", MOVIE[0])
    with pytest.raises(InputError, match="single 2D image"):
        open_movie(tmp_path / "flat.npy")
    tifffile.imwrite(tmp_path / "flat.tif", MOVIE[0])
    with pytest.raises(InputError, match="single image"):
        open_movie(tmp_path / "flat.tif")
    colours = {"photometric": "rgb", "planarconfig": "separate"}
    for name, how in (("four", {"imagej": True}), ("ome", {"ome": True}), ("three", colours)):
        n_frames = 3 if name == "three" else 4
        tifffile.imwrite(tmp_path / f"{name}.tif", MOVIE[:n_frames], **how)
        with pytest.raises(InputError, match=rf"If its {n_frames} channels are frames, say so: --axes TYX"):
            open_movie(tmp_path / f"{name}.tif")
        movie = open_movie(tmp_path / f"{name}.tif", "TYX")
        np.testing.assert_array_equal(np.asarray(movie.data), MOVIE[:n_frames])


def test_npy_is_mapped(tmp_path):
    np.save(tmp_path / "movie.npy", MOVIE.astype(">u2"))
    movie = open_movie(str(tmp_path / "movie.npy"))
    assert isinstance(movie.data, np.memmap)
    frames_equal(movie, MOVIE)


def test_npz(tmp_path):
    np.savez_compressed(tmp_path / "movie.npz", times=np.arange(6), frames=MOVIE, labels=MOVIE[..., ::-1])
    frames_equal(open_movie(tmp_path / "movie.npz"), MOVIE)
    frames_equal(open_movie(f"{tmp_path / 'movie.npz'}:labels"), MOVIE[..., ::-1])
    with pytest.raises(InputError, match="no array 'truth'; it holds times, frames, labels"):
        open_movie(f"{tmp_path / 'movie.npz'}:truth")
    np.savez(tmp_path / "empty.npz", times=np.arange(6))
    with pytest.raises(InputError, match="only: times"):
        open_movie(tmp_path / "empty.npz")


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_array(tmp_path, version):
    zarr.create_array(str(tmp_path / "movie.zarr"), data=MOVIE, chunks=(1, 16, 50), zarr_format=version)
    frames_equal(open_movie(tmp_path / "movie.zarr"), MOVIE)


def test_zarr_axes_from_names(tmp_path):
    zarr.create_array(
        str(tmp_path / "movie.zarr"), data=CHANNELS, chunks=(1, 1, 40, 50), dimension_names=["t", "c", "y", "x"]
    )
    frames_equal(open_movie(tmp_path / "movie.zarr"), COLOUR[..., :2])


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr_level_zero(tmp_path, version):
    group = zarr.open_group(str(tmp_path / "movie.ome.zarr"), mode="w", zarr_format=version)
    data = CHANNELS[:, :, None]
    group.create_array("full", data=data, chunks=(1, 1, 1, 40, 50))
    group.create_array("half", data=data[..., ::2, ::2], chunks=(1, 1, 1, 20, 25))
    axes = [{"name": n, "unit": "micrometer"} if n in "zyx" else {"name": n} for n in "tczyx"]
    levels = [
        {"path": "full", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 2, 0.3, 0.6]}]},
        {"path": "half"},
    ]
    image = [{"axes": axes, "datasets": levels}]
    group.attrs.update({"multiscales": image} if version == 2 else {"ome": {"multiscales": image}})
    movie = open_movie(tmp_path / "movie.ome.zarr")
    assert (movie.scale, movie.unit) == ((0.3, 0.6), "micrometer")
    frames_equal(movie, COLOUR[..., :2])


def test_zarr_group_needs_a_choice(tmp_path):
    group = zarr.open_group(str(tmp_path / "both.zarr"), mode="w")
    group.create_array("frames", data=MOVIE, chunks=(1, 40, 50))
    frames_equal(open_movie(tmp_path / "both.zarr"), MOVIE)
    group.create_array("other", data=MOVIE, chunks=(1, 40, 50))
    with pytest.raises(InputError, match=r"frames, other.*both.zarr:frames"):
        open_movie(tmp_path / "both.zarr")
    frames_equal(open_movie(f"{tmp_path / 'both.zarr'}:other"), MOVIE)
    with pytest.raises(InputError, match="no array 'third'"):
        open_movie(f"{tmp_path / 'both.zarr'}:third")


def test_folder_of_images_in_natural_order(tmp_path):
    for t, frame in enumerate(MOVIE):
        tifffile.imwrite(tmp_path / f"frame{t + 7}.tif", frame)
    (tmp_path / "notes.txt").write_text("not an image")
    Image.fromarray(COLOUR[0]).save(tmp_path / "preview.png")
    with pytest.warns(UserWarning, match=r"holds 1 \.png besides 6 \.tif"):
        movie = open_movie(tmp_path)
    frames_equal(movie, MOVIE)


def test_folder_of_colour_pictures(tmp_path):
    for t, frame in enumerate(COLOUR):
        opaque = np.concatenate([frame, np.full((40, 50, 1), 255, np.uint8)], -1)
        Image.fromarray(opaque).save(tmp_path / f"{t}.png")
    frames_equal(open_movie(tmp_path), COLOUR)


def test_folder_of_16_bit_pngs(tmp_path):
    for t, frame in enumerate(MOVIE):
        Image.fromarray(frame).save(tmp_path / f"{t}.png")
    frames_equal(open_movie(tmp_path), MOVIE)


def test_bad_folders(tmp_path):
    with pytest.raises(InputError, match="holds no images"):
        open_movie(tmp_path)
    tifffile.imwrite(tmp_path / "0.tif", MOVIE[0])
    tifffile.imwrite(tmp_path / "1.tif", MOVIE[0, :20])
    with pytest.raises(InputError, match=r"1.tif has shape \(20, 50\)"):
        FrameSource(open_movie(tmp_path).data).read(1)
    tifffile.imwrite(tmp_path / "0.tif", MOVIE)
    for movie in (tmp_path, tmp_path / "*.tif"):
        with pytest.raises(InputError, match=r"is a stack by itself, of shape .* give its own name, .*0\.tif\.$"):
            open_movie(movie)
    (tmp_path / "0.tif").write_bytes(b"II*\0")
    with pytest.raises(InputError, match=r"0.tif"):
        open_movie(tmp_path)


@pytest.mark.parametrize("name", ["no.tif", "no.zarr", "no"])
def test_missing(tmp_path, name):
    with pytest.raises(InputError, match="does not exist"):
        open_movie(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.npz", "a.zarr", "a.mp4"])
def test_files_that_are_something_else(tmp_path, name):
    (tmp_path / name).write_text("not at all what the name says")
    with pytest.raises(InputError, match=name):
        open_movie(tmp_path / name)


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}, None], object), allow_pickle=True)
    with pytest.raises(InputError, match="a.npy holds a pickled Python object"):
        open_movie(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"imagej": True, "metadata": {"axes": "TYX"}},
        {"compression": "zlib", "metadata": {"axes": "TYX"}},
        {"ome": True, "metadata": {"axes": "TYX"}, "compression": "zlib"},
        {"compression": "zlib", "metadata": None},
    ],
)
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.98])
def test_truncated_tiff(tmp_path, options, share, caplog):
    file = tmp_path / "movie.tif"
    tifffile.imwrite(file, MOVIE, **options)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"movie.tif .*(damaged|cut off)"):
        open_movie(file)
    assert not caplog.records


def test_truncated_npy(tmp_path):
    np.save(tmp_path / "a.npy", MOVIE)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:5000])
    with pytest.raises(InputError, match="a.npy cannot be read"):
        open_movie(tmp_path / "a.npy")


@pytest.mark.parametrize("damage", ["no metadata", "broken metadata", "level missing", "chunk"])
def test_unreadable_zarr(tmp_path, damage):
    path = tmp_path / "movie.zarr"
    if damage == "level missing":
        group = zarr.open_group(str(path), mode="w")
        group.attrs["multiscales"] = [{"axes": ["t", "y", "x"], "datasets": [{"path": "0"}]}]
    else:
        zarr.create_array(str(path), data=MOVIE, chunks=(1, 40, 50))
    metadata = path / "zarr.json"
    if damage == "no metadata":
        metadata.unlink()
    elif damage == "broken metadata":
        metadata.write_text(metadata.read_text()[:50])
    elif damage == "chunk":
        chunk = path / "c" / "2" / "0" / "0"
        chunk.write_bytes(chunk.read_bytes()[:30])
        source = FrameSource(open_movie(path).data)
        source.read(1)
        with pytest.raises(InputError, match="frame 2 cannot be read"):
            source.read(2)
        return
    with pytest.raises(InputError, match=r"movie.zarr"):
        open_movie(path)


def test_zarr_of_the_future(tmp_path):
    zarr.create_array(str(tmp_path / "a.zarr"), data=MOVIE, chunks=(1, 40, 50))
    metadata = tmp_path / "a.zarr" / "zarr.json"
    content = json.loads(metadata.read_text())
    content["codecs"] = [{"name": "not_invented_yet"}]
    metadata.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"a.zarr cannot be read as zarr"):
        open_movie(tmp_path / "a.zarr")


def test_labels(tmp_path):
    np.save(tmp_path / "seeds.npy", MOVIE[0])
    assert open_labels(tmp_path / "seeds.npy").axes == "YX"
    np.testing.assert_array_equal(open_labels(tmp_path / "seeds.npy").data, MOVIE[0])
    for options in ({}, {"compression": "zlib"}, {"imagej": True}, {"ome": True}):
        tifffile.imwrite(tmp_path / "seeds.tif", MOVIE[0], **options)
        np.testing.assert_array_equal(open_labels(tmp_path / "seeds.tif").data, MOVIE[0])
    tifffile.imwrite(tmp_path / "seeds.tif", MOVIE, compression="zlib")
    frames_equal(open_labels(tmp_path / "seeds.tif"), MOVIE)
    np.save(tmp_path / "seeds.npy", MOVIE[:1])
    assert open_labels(tmp_path / "seeds.npy").shape == (1, 40, 50)
    tifffile.imwrite(tmp_path / "colour.tif", COLOUR, photometric="rgb")
    with pytest.raises(InputError, match="3 channels, expected none"):
        open_labels(tmp_path / "colour.tif")


def test_no_file_stays_open(tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", MOVIE, compression="zlib")
    movie = open_movie(tmp_path / "movie.tif")
    movie.data[0]
    assert movie.data._array._pages[0].parent.filehandle.closed
    shutil.move(tmp_path / "movie.tif", tmp_path / "elsewhere.tif")
    with pytest.raises(InputError, match="cannot be read"):
        FrameSource(movie.data).read(1)
