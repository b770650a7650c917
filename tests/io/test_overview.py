from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pytest
from PIL import Image

from napari_xmem.errors import InputError, OutputError
from napari_xmem.imaging import FrameSource
from napari_xmem.io.overview_picture import Overview, label_color, outlines


def test_outlines_lie_inside_the_objects_and_part_neighbours():
    labels = np.zeros((12, 14), int)
    labels[2:10, 2:7], labels[2:10, 7:12] = 1, 2
    edge = outlines(labels)
    assert not edge[labels == 0].any()
    assert edge[5, 6] and edge[5, 7] and edge[2, 4] and not edge[5, 4]


def test_colours_are_bright_and_differ():
    colors = [label_color(i) for i in range(1, 200)]
    assert len(set(colors)) > 190
    assert min(max(c) for c in colors) > 150


@pytest.mark.parametrize("shape", [(40, 50), (30, 90), (90, 30), (8, 8), (900, 1100)])
@pytest.mark.parametrize("n_frames", [2, 3, 9])
def test_the_picture_shows_objects_in_their_colours(tmp_path, shape, n_frames):
    movie = np.random.default_rng(0).integers(0, 1000, (n_frames, *shape)).astype(np.uint16)
    labels = np.zeros(shape, int)
    labels[: shape[0] // 2, : shape[1] // 2], labels[-1, -1] = 3, 70000
    overview = Overview.of_range(FrameSource(movie), 0, n_frames)
    for t in range(n_frames):
        overview.add(t, labels, seeded=t == 0)
    overview.save(tmp_path / "overview.png")
    picture = np.asarray(Image.open(tmp_path / "overview.png"))
    assert 200 < picture.shape[0] < 3500 and 200 < picture.shape[1] < 1700
    assert (picture == label_color(3)).all(-1).sum() > 100
    assert os.listdir(tmp_path) == ["overview.png"]


def test_frames_that_were_not_labelled_are_left_out(tmp_path):
    source = FrameSource(np.zeros((20, 16, 16), np.uint8))
    overview = Overview.of_range(source, 5, 10)
    overview.add(5, np.ones((16, 16), int))
    overview.add(3, np.ones((16, 16), int))
    overview.save(tmp_path / "overview.png")
    assert Image.open(tmp_path / "overview.png").size[0] < 420
    with pytest.raises(InputError, match="holds no frame"):
        Overview.of_range(source, 0, 20).save(tmp_path / "none.png")


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
def test_no_room(tmp_path):
    import resource

    overview = Overview(FrameSource(np.zeros((2, 16, 16), np.uint8)), [0])
    overview.add(0, np.ones((16, 16), int))
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"overview.png cannot be written: File too large"):
            overview.save(tmp_path / "overview.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == []
