"""What is read, and from what: for each kind of file small whole ones, and how the program takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import tifffile
import torch
import zarr
from PIL import Image

from napari_xmem.config import MemoryConfig, ModelConfig, PropagationConfig
from napari_xmem.engine.prepare import prepare_run
from napari_xmem.engine.run_passes import iter_run, open_scope
from napari_xmem.engine.state_file import load_memory, save_memory
from napari_xmem.imaging import FrameSource, normalise_seeds
from napari_xmem.io import open_labels, open_movie
from napari_xmem.memory import MemoryBank
from napari_xmem.model import XMem, load_model, save_model
from napari_xmem.model.checkpoint import model_card
from napari_xmem.session.checkpoint import RunCheckpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["TARGETS", "Target"]

_SHAPE = (5, 24, 32)
_TINY = ModelConfig(
    name="tiny", key_block="basic", stem_width=4, key_widths=(4, 4, 8), key_depths=(1, 1, 1), value_widths=(4, 4, 8),
    value_depths=(1, 1, 1), key_dim=6, value_dim=12, hidden_dim=5, decoder_widths=(8, 6), intensity="percentile",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of file.

    Attributes
    ----------
    name : str
        Of the kind.
    make : callable
        Writes whole files, or folders, each one example, into a folder.
    read : callable
        Reads one as the program does.
    """

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], Any]


def _movie() -> np.ndarray:
    t, y, x = np.mgrid[: _SHAPE[0], : _SHAPE[1], : _SHAPE[2]]
    noise = np.random.default_rng(0).normal(0, 30, _SHAPE)
    return (300 + 3000 * ((y - 10) ** 2 + (x - 10 - t) ** 2 < 25) + noise).clip(0).astype(np.uint16)


def _labels() -> np.ndarray:
    y, x = np.mgrid[: _SHAPE[1], : _SHAPE[2]]
    out = np.zeros(_SHAPE, np.uint16)
    out[0] = ((y - 10) ** 2 + (x - 10) ** 2 < 25) * 1 + ((y - 18) ** 2 + (x - 25) ** 2 < 16) * 2
    return out


def _write(folder: Path, array: np.ndarray, axes: str) -> None:
    """Write an array in every format there is."""
    codecs = ("none", "lzw", "zlib", "zstd", "lzma", "packbits", "png", "jpegxl", "lerc", "jpeg2000")
    for codec in codecs:
        kind = None if codec == "none" else codec
        tifffile.imwrite(folder / f"{codec}.tif", array, compression=kind, metadata={"axes": axes})
    tifffile.imwrite(folder / "predictor.tif", array, compression="lzw", predictor=True, metadata={"axes": axes})
    tifffile.imwrite(folder / "tiles.tif", array, tile=(16, 16), compression="zlib", metadata={"axes": axes})
    tifffile.imwrite(folder / "imagej.tif", array, imagej=True, metadata={"axes": axes})
    tifffile.imwrite(folder / "ome.ome.tif", array, metadata={"axes": axes})
    tifffile.imwrite(folder / "big.tif", array, bigtiff=True, byteorder=">")
    tifffile.imwrite(folder / "bare.tif", array, metadata=None)
    if array.max() > 255:  # labels are never compressed so
        eight_bits = (array >> 4).astype(np.uint8)
        tifffile.imwrite(folder / "jpeg.tif", eight_bits, compression="jpeg", metadata={"axes": axes})
    np.save(folder / "a.npy", array)
    np.savez(folder / "a.npz", array)
    np.savez_compressed(folder / "b.npz", array)
    chunks = (1,) * (array.ndim - 2) + array.shape[-2:]
    for codec in ("blosc", "zlib", "zstd", "lz4", "bz2"):
        stored = zarr.create_array(
            str(folder / f"{codec}.zarr"), shape=array.shape, chunks=chunks, dtype=array.dtype, zarr_format=2,
            compressors=numcodecs.get_codec({"id": codec}),
        )  # fmt: skip
        stored[:] = array
    zarr.create_array(str(folder / "three.zarr"), data=array, chunks=chunks)
    zarr.create_array(str(folder / "shards.zarr"), data=array, chunks=chunks, shards=array.shape)
    group = zarr.open_group(str(folder / "ome.zarr"), mode="w", zarr_format=2)
    group.create_group("0").create_array("0", data=array, chunks=chunks)
    names = [{"name": letter.lower(), "type": "space"} for letter in axes]
    levels = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0] * array.ndim}]}]
    group["0"].attrs["multiscales"] = [{"version": "0.4", "axes": names, "datasets": levels}]


def _make_movies(folder: Path) -> None:
    _write(folder, _movie(), "TYX")
    for kind in ("png", "bmp", "jpg", "tif"):
        images = folder / f"folder_{kind}"
        images.mkdir()
        for t, frame in enumerate(_movie()[:3]):
            Image.fromarray(frame if kind in ("png", "tif") else (frame >> 4).astype(np.uint8)).save(
                images / f"{t}.{kind}"
            )


def _read_movie(path: Path) -> Any:
    source = FrameSource(open_movie(path).data)
    return [int(source.read(t).sum(dtype=np.float64) > 0) for t in sorted({0, len(source) // 2, len(source) - 1})]


def _make_seeds(folder: Path) -> None:
    _write(folder, _labels()[0], "YX")
    stacks = folder / "stacks"
    stacks.mkdir()
    _write(stacks, _labels(), "TYX")
    for path in stacks.iterdir():
        path.rename(folder / f"stack_{path.name}")
    stacks.rmdir()
    image = Image.fromarray(_labels()[0].astype(np.uint8))
    palette = Image.fromarray(_labels()[0].astype(np.uint8), mode="P")
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 759)
    image.save(folder / "grey.png")
    image.save(folder / "grey.bmp")
    palette.save(folder / "palette.png")


def _read_seeds(path: Path) -> Any:
    return sorted(normalise_seeds(open_labels(path).data, _SHAPE[0], _SHAPE[1:], None))


def _network() -> XMem:
    torch.manual_seed(0)
    return XMem(_TINY).eval().requires_grad_(False)


def _make_models(folder: Path) -> None:
    network = _network()
    save_model(network, folder / "ours.safetensors", card={"data": ["CC0"]})
    torch.save(network.state_dict(), folder / "state.pth")
    torch.save({"network": network.state_dict(), "it": 3}, folder / "training.pth")
    torch.save(network.state_dict(), folder / "legacy.pth", _use_new_zipfile_serialization=False)


def _read_model(path: Path) -> Any:
    if path.suffix == ".safetensors":
        model_card(path)
    return load_model(path, device="cpu").fingerprint


def _bank() -> MemoryBank:
    bank = MemoryBank(MemoryConfig(working_min_frames=1, working_max_frames=2), key_dim=6, value_dim=3)
    generator = torch.Generator().manual_seed(0)
    for t in range(5):
        key, selection = torch.randn(6, 8, generator=generator), torch.rand(6, 8, generator=generator)
        values = torch.randn(2, 3, 8, generator=generator)
        bank.add(t, key, 1 + torch.rand(8, generator=generator), selection, values, [1, 7], permanent=t == 0)
    return bank


def _make_banks(folder: Path) -> None:
    _bank().save(folder / "full.bank", fingerprint="abc")
    MemoryBank(MemoryConfig(), key_dim=6, value_dim=3).save(folder / "empty.bank")


def _read_bank(path: Path) -> Any:
    bank = MemoryBank.load(path)
    if bank.sizes.total:
        bank.read(torch.zeros(bank._state.key_dim, 4), torch.ones(bank._state.key_dim, 4), frame=9)
    return bank.snapshot(9)


def _config(**options: Any) -> PropagationConfig:
    return PropagationConfig(device="cpu", memory=MemoryConfig(), **options)


def _run(**options: Any) -> Any:
    seeds = {0: _labels()[0]} if options.get("direction") != "both" else {2: _labels()[0]}
    return prepare_run(_movie(), seeds, _network(), _config(**options), announce=False)


def _make_memories(folder: Path) -> None:
    for scope in ("local", "global"):
        run = _run(scope=scope)

        def watch(follower: Any, frame: int, scope: str = scope, run: Any = run) -> None:
            save_memory(follower, folder / f"{scope}.xmem", fingerprint=run.network.fingerprint)

        for _ in zip(range(3), iter_run(run, watch=watch), strict=False):
            pass


def _read_memory(path: Path) -> Any:
    stored = load_memory(path)
    run = _run(scope=stored.scope)
    stored.check(run.network.fingerprint, run.scope)
    stored.restore(open_scope(run))
    return stored.object_ids


def _make_checkpoints(folder: Path) -> None:
    for direction in ("forward", "both"):
        run = _run(direction=direction, scope="local")
        checkpoint = RunCheckpoint(folder / direction, save_after_s=0)
        rest, _ = checkpoint.begin(run)
        for done, result in enumerate(iter_run(rest, watch=checkpoint.watch)):
            checkpoint.keep(result)
            if done == 2:
                break


def _read_checkpoint(path: Path) -> Any:
    direction = path.name.removesuffix(".unfinished")
    checkpoint = RunCheckpoint(path.with_name(direction))
    rest, kept = checkpoint.resume(_run(direction=direction.split("-")[-1], scope="local"))
    left = [result.frame for result in iter_run(rest)]
    return len(kept), len(left)


TARGETS = {
    target.name: target
    for target in (
        Target("movies", _make_movies, _read_movie),
        Target("seeds", _make_seeds, _read_seeds),
        Target("labels", _make_seeds, lambda path: open_labels(path, volumes=True).data[:].shape),
        Target("models", _make_models, _read_model),
        Target("banks", _make_banks, _read_bank),
        Target("memories", _make_memories, _read_memory),
        Target("checkpoints", _make_checkpoints, _read_checkpoint),
    )
}
