"""Movies that are never in memory as a whole, and labels that leave frame by frame."""

from __future__ import annotations

import gc

import numpy as np
import psutil
import pytest

import napari_xmem as nx
from engine.simple_movies import disc_movie, tiny_network
from napari_xmem.engine.read_ahead import ReadAhead
from napari_xmem.imaging import FrameSource
from napari_xmem.io import LabelWriter, open_labels, open_movie


def stored(kind, frames, folder):
    """Return the movie as something that is read from outside memory."""
    if kind == "dask":
        import dask.array as da

        def block(block_id):
            return frames[block_id[0]][None]

        shape = frames.shape
        return da.map_blocks(block, dtype=frames.dtype, chunks=((1,) * shape[0], *((n,) for n in shape[1:])))
    if kind == "zarr":
        import zarr

        array = zarr.create_array(folder / "m.zarr", shape=frames.shape, chunks=(1, *frames.shape[1:]), dtype="f4")
        array[:] = frames
        return open_movie(folder / "m.zarr", axes="TYX").data
    if kind == "tiff":
        import tifffile

        tifffile.imwrite(folder / "m.tif", frames, metadata={"axes": "TYX"})
        return open_movie(folder / "m.tif").data
    np.save(folder / "m.npy", frames)
    return np.load(folder / "m.npy", mmap_mode="r")


@pytest.mark.parametrize("kind", ["dask", "zarr", "tiff", "memmap"])
@pytest.mark.parametrize("scope", ["local", "global"])
def test_stored_movies_give_what_arrays_give(kind, scope, tmp_path):
    frames, labels = disc_movie(2, 5, (48, 64))
    options = {"model": tiny_network(), "scope": scope}
    expected = nx.propagate(frames, {0: labels[0]}, **options).labels
    found = nx.propagate(stored(kind, frames, tmp_path), {0: labels[0]}, **options).labels
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "n_frames"), [(".tif", 10_000), (".zarr", 3_000)])
def test_many_frames_in_and_out_with_flat_memory(suffix, n_frames, tmp_path):
    """The labels of each frame are written before the next is read; nothing of earlier frames stays."""

    class Endless:
        shape, dtype, ndim = (n_frames, 64, 96), np.dtype("u2"), 3

        def __getitem__(self, index):
            return np.full(self.shape[1:], index[0] % 500, "u2")[index[1:]]

    process, resident, path = psutil.Process(), [], tmp_path / f"labels{suffix}"
    source = FrameSource(Endless())
    with ReadAhead(source, range(n_frames)) as reader, LabelWriter(path, Endless.shape, np.uint16) as writer:
        for t, frame in reader:
            writer.write(t, frame)
            if t % (n_frames // 10) == n_frames // 10 - 1:
                gc.collect()
                resident.append(process.memory_info().rss)
    assert resident[-1] < resident[1] + 6e6  # the frames alone are 37 to 123 MB
    written = open_labels(path).data
    assert written.shape == Endless.shape and int(written[2_321][0, 0]) == 2_321 % 500
