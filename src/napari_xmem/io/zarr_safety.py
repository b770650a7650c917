"""Which zarr arrays may be read: decided from their metadata, before any chunk is touched.

A chunk is decoded by the codecs that the store names, and some of those run what is in the chunk: pickle does, and
whatever is registered under a name by another package may. So only numbers are read, and only with codecs that turn
bytes into numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_zarr_array"]

#: Codecs of zarr version 3 and of numcodecs (there with "numcodecs." before their name) that only change numbers.
_CODECS = frozenset(
    """
    bytes endian transpose sharding_indexed
    blosc bz2 gzip lz4 lzma pcodec zfpy zlib zstd
    astype bitround delta fixedscaleoffset packbits quantize shuffle scale_offset cast_value
    adler32 crc32 crc32c fletcher32 jenkins_lookup3
    """.split()
)
#: Settings of codecs that name a dtype.
_DTYPE_SETTINGS = ("dtype", "astype", "encode_dtype", "decode_dtype", "data_type")
#: What blosc can compress in one piece; no chunk that makes sense is larger.
_LARGEST_CHUNK_BYTES = 2**31


def check_zarr_array(array: Any, name: str) -> None:
    """Raise `InputError` unless an opened zarr array holds numbers that known codecs decode.

    Parameters
    ----------
    array : zarr.Array
        Opened, not read.
    name : str
        What it is called in the message.
    """
    dtype = _dtype(array)
    if dtype is None or dtype.kind not in "buif":
        kind = "values of another kind" if dtype is None else f"dtype {dtype}"
        raise InputError(
            f"{name} holds {kind}, which is no image; expected an array of whole numbers or floats. Nothing was read "
            "from it, since objects in a zarr store can run code."
        )
    for codec, settings in _codecs(array.metadata.to_dict()):
        if codec.removeprefix("numcodecs.") not in _CODECS:
            raise InputError(
                f"{name} is coded with {codec!r}, which is not known to be safe; expected one of "
                f"{', '.join(sorted(_CODECS))}. Nothing was read from it. Write the array again with one of them."
            )
        for setting in _DTYPE_SETTINGS:
            if setting in settings and not _is_numeric(settings[setting]):
                raise InputError(
                    f"{name}: its codec {codec!r} has {setting} {settings[setting]!r}, which is no number."
                )
    chunk_bytes = math.prod(int(n) for n in array.chunks) * dtype.itemsize
    if chunk_bytes > _LARGEST_CHUNK_BYTES:
        raise InputError(
            f"{name} has chunks of {chunk_bytes / 1e9:.1f} GB, expected at most {_LARGEST_CHUNK_BYTES / 1e9:.1f} GB; "
            "is it damaged? Write the array again in smaller chunks, best one frame each."
        )


def _dtype(array: Any) -> np.dtype[Any] | None:
    try:
        return np.dtype(array.dtype)
    except TypeError:
        return None


def _is_numeric(setting: Any) -> bool:
    try:
        return np.dtype(setting).kind in "buif"
    except (TypeError, ValueError):
        return False


def _codecs(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and settings of all codecs of an array, those inside shards too."""
    if int(metadata.get("zarr_format", 0)) == 2:
        yield from _of_version_2([metadata.get("compressor"), *(metadata.get("filters") or ())])
    else:
        yield from _of_version_3(metadata.get("codecs"))
        yield from _of_version_3(metadata.get("storage_transformers"))


def _of_version_2(codecs: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for codec in codecs:
        if codec is None:
            continue
        settings = codec if isinstance(codec, Mapping) else codec.get_config()
        yield str(settings.get("id")), settings


def _of_version_3(codecs: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for codec in codecs or ():
        settings = codec if isinstance(codec, Mapping) else codec.to_dict()
        inner = settings.get("configuration") or {}
        yield str(settings.get("name")), inner
        for name in ("codecs", "index_codecs"):
            yield from _of_version_3(inner.get(name))
