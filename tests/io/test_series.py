"""Folders and single images as users have them: several series, gaps, masks with palettes, OME in parts."""

from __future__ import annotations

import uuid
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_xmem.errors import InputError, XMemError
from napari_xmem.imaging import FrameSource, normalise_seeds
from napari_xmem.io import open_labels, open_movie

if TYPE_CHECKING:
    from pathlib import Path

MOVIE = np.random.default_rng(0).integers(0, 4000, (5, 20, 24)).astype(np.uint16)
LABELS = np.zeros((5, 20, 24), np.uint8)
LABELS[:, 2:8, 2:9], LABELS[:, 11:18, 12:20] = 1, 2


def frames(path: Path | str) -> list[int]:
    """Tell which frames of MOVIE a movie's frames are; -1 for others."""
    source = FrameSource(open_movie(path).data)
    return [next((k for k, m in enumerate(MOVIE) if np.array_equal(source.read(t), m)), -1) for t in range(len(source))]


def write(folder: Path, names: list[str], images: np.ndarray = MOVIE) -> None:
    folder.mkdir(exist_ok=True)
    for name, image in zip(names, images, strict=False):
        tifffile.imwrite(folder / name, image)


@pytest.mark.parametrize(
    ("first", "second", "choice"),
    [
        ("t{:03d}_ch1.tif", "t{:03d}_ch2.tif", "*_ch1.tif"),
        ("t{}_c0.tif", "t{}_c1.tif", "t*_c0.tif"),
        ("t{:03d}.tif", "t{:03d}_mask.tif", "t*.tif"),
        ("w1_t{}.tif", "w2_t{}.tif", "w1_t*.tif"),
        ("GFP_{:02d}.tif", "phase_{:02d}.tif", "GFP*"),
    ],
)
def test_two_series_are_named_and_one_can_be_chosen(tmp_path: Path, first: str, second: str, choice: str) -> None:
    write(tmp_path / "d", [first.format(k) for k in range(5)])
    write(tmp_path / "d", [second.format(k) for k in range(5)], MOVIE // 2)
    with pytest.raises(InputError, match=r"10 images of 2 series \(.*\*.*\); choose one, for example '.*d/"):
        open_movie(tmp_path / "d")
    assert frames(tmp_path / "d" / choice) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "names",
    [
        ["a_-2.tif", "a_-1.tif", "a_0.tif", "a_1.tif", "a_2.tif"],
        ["1.tif", "2.tif", "10.tif", "11.tif", "100.tif"],
        ["0.0h.tif", "0.5h.tif", "1.0h.tif", "1.5h.tif", "2.0h.tif"],
        [f"2026-01-0{d}_{h}-30.tif" for d, h in ((1, 22), (1, 23), (2, 10), (2, 11), (3, 10))],
        ["c1_t1.tif", "c1_t2.tif", "c1_t3.tif", "c1_t4.tif", "c1_t5.tif"],
        ["alpha.tif", "beta.tif", "gamma.tif", "phi.tif", "psi.tif"],
    ],
)
@pytest.mark.filterwarnings("ignore:.*time jumps there")
def test_one_series_is_read_in_the_order_of_its_numbers(tmp_path: Path, names: list[str]) -> None:
    write(tmp_path / "d", names)
    assert frames(tmp_path / "d") == [0, 1, 2, 3, 4]


def test_pictures_of_another_kind_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    write(folder, [f"t{k}.tif" for k in range(5)])
    Image.fromarray(LABELS[0]).save(folder / "look.png")
    with pytest.warns(UserWarning, match=r"d holds 1 \.png besides 5 \.tif; only the \.tif are read"):
        assert frames(folder) == [0, 1, 2, 3, 4]
    for k in range(5):
        Image.fromarray(LABELS[k]).save(folder / f"t{k}.png")
    (folder / "look.png").unlink()
    with pytest.raises(InputError, match=r"holds 5 \.png and 5 \.tif; choose, for example '.*d/\*\.png'"):
        open_movie(folder)
    assert frames(folder / "*.tif") == [0, 1, 2, 3, 4]


def test_missing_numbers_are_named(tmp_path: Path) -> None:
    write(tmp_path / "gap", ["t000.tif", "t001.tif", "t002.tif", "t004.tif", "t005.tif"])
    with pytest.warns(UserWarning, match="gap lacks the images with number 3: time jumps there"):
        assert frames(tmp_path / "gap") == [0, 1, 2, 3, 4]
    write(tmp_path / "even", ["t000.tif", "t010.tif", "t020.tif", "t030.tif", "t040.tif"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames(tmp_path / "even")


def _palette(path: Path, labels: np.ndarray) -> None:
    image = Image.fromarray(labels, mode="P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 759)
    image.save(path)


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
def test_the_indices_of_a_palette_are_the_labels(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for k in range(5):
        _palette(tmp_path / "masks" / f"{k:05d}.png", LABELS[k])
    np.testing.assert_array_equal(np.asarray(open_labels(tmp_path / "masks").data), LABELS)
    np.testing.assert_array_equal(open_labels(tmp_path / "masks" / "00003.png").data, LABELS[3])
    assert open_movie(tmp_path / "masks").axes == "TYXC"  # as a movie they are pictures


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_single_images_are_labels(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(LABELS[0]).save(tmp_path / f"seeds.{suffix}")
    np.testing.assert_array_equal(open_labels(tmp_path / f"seeds.{suffix}").data, LABELS[0])
    Image.fromarray(np.stack([LABELS[0]] * 3, -1)).save(tmp_path / f"colour.{suffix}")
    with pytest.raises(InputError, match="3 channels, expected none"):
        open_labels(tmp_path / f"colour.{suffix}")


def test_jpeg_changes_labels(tmp_path: Path) -> None:
    Image.fromarray(LABELS[0]).save(tmp_path / "seeds.jpg")
    with pytest.raises(InputError, match="JPEG, which changes the numbers"):
        open_labels(tmp_path / "seeds.jpg")


def test_numbers_in_names_say_which_frames_labels_belong_to(tmp_path: Path) -> None:
    write(tmp_path / "SEG", ["man_seg000.tif", "man_seg003.tif"], LABELS.astype(np.uint16))
    assert list(normalise_seeds(open_labels(tmp_path / "SEG"), 5, (20, 24))) == [0, 3]


def test_labels_of_the_first_frames(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "three.tif", LABELS[:3], photometric="rgb", planarconfig="separate")
    with pytest.raises(InputError, match=r"holds 3 images that its file calls channels.*--seeds-axes TYX"):
        open_labels(tmp_path / "three.tif")
    assert list(normalise_seeds(open_labels(tmp_path / "three.tif", "TYX"), 5, (20, 24))) == [0, 1, 2]
    np.save(tmp_path / "three.npy", LABELS[:3])
    with pytest.raises(InputError, match="labels of 3 frames .* for a movie of 5.*--seeds-axes TYX"):
        normalise_seeds(open_labels(tmp_path / "three.npy"), 5, (20, 24))


def test_positions_are_named(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.ome.tif") as file:
        file.write(MOVIE, metadata={"axes": "TYX"})
        file.write(MOVIE[::-1].copy(), metadata={"axes": "TYX"})
    with pytest.raises(InputError, match=r"2 movies of shape \(5, 20, 24\).*two.ome.tif:1"):
        open_movie(tmp_path / "two.ome.tif")
    assert frames(f"{tmp_path}/two.ome.tif:1") == [4, 3, 2, 1, 0]
    assert frames(f"{tmp_path}/two.ome.tif:0") == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="no series 7; it holds 0 to 1"):
        open_movie(f"{tmp_path}/two.ome.tif:7")


def _ome_parts(folder: Path, name: str, *, left_out: int | None = None, companion: bool = False) -> None:
    """Write a movie as one OME-TIFF per frame, which the metadata call t_NN.ome.tif."""
    folder.mkdir()
    ids = [f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_DNS, str(k))}" for k in range(len(MOVIE))]
    blocks = "".join(
        f'<TiffData FirstT="{k}" FirstC="0" FirstZ="0" IFD="0" PlaneCount="1"><UUID FileName="t_{k:02d}.ome.tif">{u}'
        "</UUID></TiffData>"
        for k, u in enumerate(ids)
    )
    pixels = (
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="24" SizeY="20" '
        f'SizeZ="1" SizeC="1" SizeT="5"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{blocks}</Pixels></Image>'
    )
    form = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'UUID="{}">{}</OME>'
    )
    for k, frame in enumerate(MOVIE):
        body = '<BinaryOnly MetadataFile="m.companion.ome" UUID="urn:uuid:0"/>' if companion else pixels
        if k != left_out:
            tifffile.imwrite(folder / name.format(k), frame, description=form.format(ids[k], body), metadata=None)


@pytest.mark.filterwarnings("ignore:.*time jumps there")
def test_ome_in_parts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _ome_parts(tmp_path / "whole", "t_{:02d}.ome.tif")
    assert frames(tmp_path / "whole") == frames(tmp_path / "whole" / "t_02.ome.tif") == [0, 1, 2, 3, 4]
    _ome_parts(tmp_path / "missing", "t_{:02d}.ome.tif", left_out=3)
    assert frames(tmp_path / "missing") == [0, 1, 2, 4]
    with pytest.raises(InputError, match=r"one of 5 files of a movie, of which t_03.ome.tif are missing"):
        open_movie(tmp_path / "missing" / "t_00.ome.tif")
    _ome_parts(tmp_path / "renamed", "cell_{:02d}.ome.tif")
    assert frames(tmp_path / "renamed") == [0, 1, 2, 3, 4]
    _ome_parts(tmp_path / "companion", "t_{:02d}.ome.tif", companion=True)
    assert frames(tmp_path / "companion") == [0, 1, 2, 3, 4]
    assert not caplog.records


@pytest.mark.parametrize("name", ["movie.btf", "movie.tf8", "movie"])
def test_content_tells_tiff_under_other_names(tmp_path: Path, name: str) -> None:
    with tifffile.TiffWriter(tmp_path / name, bigtiff=True) as file:
        file.write(MOVIE, metadata={"axes": "TYX"})
    assert frames(tmp_path / name) == [0, 1, 2, 3, 4]


def test_pickled_segmentations_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "image_seg.npy", {"masks": LABELS[0]}, allow_pickle=True)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"pickled Python object, such as the \*_seg.npy.*Export the masks"):
        open_labels(tmp_path / "image_seg.npy")


def test_axes_of_length_one(tmp_path: Path) -> None:
    for shape in ((5, 1, 20, 24), (5, 1, 1, 20, 24), (1, 5, 20, 24), (5, 1, 20, 24, 1)[:4]):
        np.save(tmp_path / "a.npy", MOVIE.reshape(shape))
        assert frames(tmp_path / "a.npy") == [0, 1, 2, 3, 4]
        np.testing.assert_array_equal(FrameSource(MOVIE.reshape(shape)).read(3), MOVIE[3])


@pytest.mark.parametrize("path", ["x" * 300 + ".tif", "https://example.org/movie.tif", MOVIE])
def test_what_is_no_path(path: object) -> None:
    with pytest.raises(XMemError, match="path|name|address|file"):
        open_movie(path)  # type: ignore[arg-type]
