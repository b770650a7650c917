"""Files of acquisitions that broke off, companion files, and the time between frames."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr

from napari_xmem.errors import InputError
from napari_xmem.io import LabelWriter, open_labels, open_movie

MOVIE = np.random.default_rng(0).integers(0, 4000, (6, 24, 30)).astype(np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 4000, (6, 2, 24, 30)).astype(np.uint16)


@pytest.mark.parametrize(
    ("movie", "options"),
    [
        (MOVIE, {"imagej": True, "metadata": {"axes": "TYX"}}),
        (MOVIE, {"metadata": {"axes": "TYX"}}),
        (MOVIE, {"compression": "zlib", "metadata": None}),
        (MOVIE, {"contiguous": False, "metadata": None}),
        (COLOUR, {"imagej": True, "metadata": {"axes": "TCYX"}}),
    ],
)
@pytest.mark.parametrize("n_whole", [2, 5])
def test_the_whole_frames_of_a_file_that_is_cut_off(tmp_path, movie, options, n_whole):
    file = tmp_path / "movie.tif"
    if options.pop("contiguous", True):
        tifffile.imwrite(file, movie, **options)
        options["contiguous"] = True
    else:  # as microscopes write: a page at a time
        options["contiguous"] = False
        with tifffile.TiffWriter(file) as tiff:
            for frame in movie:
                tiff.write(frame, contiguous=False, metadata=None)
    with tifffile.TiffFile(file) as tiff:
        series = tiff.series[0]
        per_frame = len(series.pages) // 6
        if series.dataoffset is not None:
            end = series.dataoffset + movie[0].nbytes * n_whole
        else:
            page = series.pages[n_whole * per_frame - 1]
            following = series.pages[n_whole * per_frame]
            end = max(page.dataoffsets[-1] + page.databytecounts[-1], following.offset + 300)
    file.write_bytes(file.read_bytes()[: end + 40])
    with pytest.raises(InputError, match=rf"first {n_whole} frames are whole; movie.tif:whole takes these") as said:
        open_movie(file)
    assert "<" not in str(said.value)
    opened = open_movie(f"{file}:whole")
    assert opened.shape[0] == n_whole
    for t in range(n_whole):
        found = np.moveaxis(opened.data[t], -1, 0) if movie.ndim == 4 else opened.data[t]
        np.testing.assert_array_equal(found, movie[t])


def test_a_whole_file_has_all_frames_and_a_ruin_none(tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", MOVIE, metadata={"axes": "TYX"})
    np.testing.assert_array_equal(np.asarray(open_movie(f"{tmp_path / 'movie.tif'}:whole").data), MOVIE)
    (tmp_path / "ruin.tif").write_bytes((tmp_path / "movie.tif").read_bytes()[:400])
    for path in (tmp_path / "ruin.tif", f"{tmp_path / 'ruin.tif'}:whole"):
        with pytest.raises(InputError) as caught:
            open_movie(path)
        assert ":whole takes" not in str(caught.value)


NAMES = [f"t_{t:02d}.ome.tif" for t in range(6)]


def companion(folder, names=NAMES):
    """Write one file per frame and a companion file that names them."""
    blocks = "".join(
        f'<TiffData FirstT="{t}" FirstC="0" FirstZ="0" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{t}</UUID></TiffData>'
        for t, name in enumerate(names)
    )
    head = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    (folder / "a.companion.ome").write_text(
        f'{head}<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="30" SizeY="24" '
        f'SizeZ="1" SizeC="1" SizeT="{len(names)}" PhysicalSizeX="0.5" TimeIncrement="2" TimeIncrementUnit="min">'
        f"{blocks}</Pixels></Image></OME>"
    )
    part = f'{head}<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:c"/></OME>'
    for frame, name in zip(MOVIE, NAMES, strict=True):
        tifffile.imwrite(folder / name, frame, description=part, metadata=None)
    return folder / "a.companion.ome"


@pytest.mark.parametrize("given", ["a.companion.ome", "t_00.ome.tif", "t_04.ome.tif", ""])
def test_a_companion_file_its_folder_or_any_part_opens_the_movie(tmp_path, given):
    companion(tmp_path)
    opened = open_movie(tmp_path / given)
    np.testing.assert_array_equal(np.asarray(opened.data), MOVIE)
    if given:
        assert (opened.scale, opened.unit, opened.frame_interval_s) == ((0.5, 0.5), "µm", 120.0)


def test_bad_companion_files(tmp_path):
    file = companion(tmp_path)
    (tmp_path / NAMES[3]).unlink()
    with pytest.raises(InputError, match=r"names files that are not there: t_03.ome.tif"):
        open_movie(file)
    companion(tmp_path, [*NAMES[:5], "../other.tif"])
    with pytest.raises(InputError, match="expected one in its own folder"):
        open_movie(file)
    for text in ("<OME", "<OME/>", "no XML", ""):
        file.write_text(text)
        with pytest.raises(InputError, match="a.companion.ome"):
            open_movie(file)


def test_the_frame_interval_goes_from_movie_to_labels(tmp_path):
    tifffile.imwrite(tmp_path / "ij.tif", MOVIE, imagej=True, metadata={"axes": "TYX", "finterval": 12.5, "unit": "um"})
    tifffile.imwrite(
        tmp_path / "m.ome.tif", MOVIE, metadata={"axes": "TYX", "TimeIncrement": 250.0, "TimeIncrementUnit": "ms"}
    )
    group = zarr.open_group(str(tmp_path / "m.zarr"), mode="w", zarr_format=2)
    group.create_array("0", data=MOVIE)
    axes = [{"name": "t", "type": "time", "unit": "minute"}, {"name": "y"}, {"name": "x"}]
    group.attrs["multiscales"] = [
        {
            "axes": axes,
            "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [3, 0.5, 0.5]}]}],
        }
    ]
    for name, seconds in (("ij.tif", 12.5), ("m.ome.tif", 0.25), ("m.zarr", 180.0)):
        assert open_movie(tmp_path / name).frame_interval_s == pytest.approx(seconds)
    tifffile.imwrite(tmp_path / "plain.tif", MOVIE, metadata={"axes": "TYX"})
    assert open_movie(tmp_path / "plain.tif").frame_interval_s is None
    with LabelWriter(tmp_path / "out.tif", MOVIE.shape, frame_interval_s=12.5) as writer:
        writer.write(0, MOVIE[0])
    assert open_labels(tmp_path / "out.tif").frame_interval_s == pytest.approx(12.5)
