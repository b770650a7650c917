"""Write labels frame by frame; a file appears under its name only when it is whole."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_xmem.config.arguments import checked_methods
from napari_xmem.errors import InputError, OutputError
from napari_xmem.files import OccupiedError
from napari_xmem.io.label_backends import NpyBackend, TiffBackend
from napari_xmem.io.ngff_labels import NgffBackend, image_around
from napari_xmem.io.replace_check import check_replaceable
from napari_xmem.io.staging import StagingFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from numpy.typing import DTypeLike, NDArray

    from napari_xmem.io.label_backends import Backend
    from napari_xmem.io.ngff_labels import NgffImage

__all__ = ["WRITABLE", "LabelWriter", "check_output"]

WRITABLE = ".tif, .tiff, .npy or .zarr"


def check_output(
    path: str | Path, overwrite: bool = False, suffixes: str = WRITABLE, *, needs_folder: bool = True
) -> Path:
    """Check that something can be written to `path`.

    Parameters
    ----------
    path : str or Path
        Where to.
    overwrite : bool
        Allow that something stands there.
    suffixes : str
        Endings that are allowed, as they are to be listed in the message.
    needs_folder : bool
        The folder must exist; False if it will be made.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    OutputError
        If its kind is not in `suffixes`, its folder does not exist, its name is too long, it exists and `overwrite` is
        False, or what exists is nothing that such an output may replace, see `check_replaceable`.
    """
    target = Path(path)
    try:
        is_folder = target.is_dir()
        exists = is_folder or target.exists()
    except OSError as error:  # a name that is too long
        raise OutputError(f"{target} cannot be written: {error.strerror or error}. Choose another name.") from error
    in_image = suffixes == WRITABLE and image_around(target) is not None
    if not in_image and is_folder and target.suffix.lower() not in suffixes.replace(",", "").split():
        example = target / f"result{suffixes.split(',')[0].split()[0]}"
        raise OutputError(f"{target} is a folder; give the name of a file to write, such as {example}.")
    if not in_image and target.suffix.lower() not in suffixes.replace(",", "").split():
        raise OutputError(f"{target}: cannot write this kind of file, expected a name that ends in {suffixes}.")
    if needs_folder and not in_image and not target.parent.is_dir():
        raise OutputError(f"{target}: its folder {target.parent} does not exist; make it first.")
    if exists and not overwrite:
        raise OutputError(f"{target} exists; choose another name or allow overwriting (overwrite=True, --overwrite).")
    if exists:
        check_replaceable(target)
    return target


@checked_methods
class LabelWriter:
    """Write labels (T, Y, X) frame by frame, or (T, Z, Y, X) plane by plane, in any order and in bounded memory.

    Everything goes to a temporary neighbour of `path` that is renamed by `close`. Leaving the ``with`` block by an
    error removes it and leaves an existing `path` as it was. What was not written is background. Meanwhile no other
    process can write the same `path`.

    Parameters
    ----------
    path : str or Path
        .tif/.tiff (OME-TIFF with axes TYX or TZYX, compressed; BigTIFF where needed), .npy, .zarr (OME-Zarr 0.5 with
        a colour per label, and smaller levels of large frames), or ``IMAGE.zarr/labels/NAME``: labels of an OME-Zarr
        image, in its version and with as many levels.
    shape : tuple of 3 or 4 int
        (T, Y, X) or (T, Z, Y, X).
    dtype : dtype_like
        An integer dtype that holds every label, see `napari_xmem.imaging.label_dtype`.
    overwrite : bool
        Replace what stands at `path`.
    scale : tuple of 2 float, optional
        Height and width of a pixel in `unit`, written where the format can hold them.
    unit : str, optional
        Unit of `scale`, such as "um".
    z_step : float, optional
        Distance of two planes in `unit`, for volumes.
    frame_interval_s : float, optional
        Seconds from one frame to the next, written where the format can hold them.

    Raises
    ------
    OutputError
        If `path` cannot be written, now or later: it exists, no such folder, no permission, the disk is full, another
        process is writing it.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_xmem as nx
    >>> with nx.LabelWriter("labels.tif", (2, 64, 64)) as writer:
    ...     for frame in range(2):
    ...         writer.write(frame, np.ones((64, 64), np.uint16))
    >>> nx.open_labels("labels.tif").shape
    (2, 64, 64)
    """

    def __init__(
        self,
        path: str | Path,
        shape: tuple[int, ...],
        dtype: DTypeLike = np.uint16,
        overwrite: bool = False,
        scale: tuple[float, float] | None = None,
        unit: str | None = None,
        z_step: float | None = None,
        frame_interval_s: float | None = None,
    ) -> None:
        self.path = check_output(path, overwrite)
        self.shape = tuple(int(n) for n in shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        if self.dtype.kind not in "ui":
            raise InputError(f"labels of dtype {self.dtype} cannot be written, expected an integer dtype.")
        if len(self.shape) not in (3, 4):
            raise InputError(f"labels of shape {self.shape} cannot be written, expected (T, Y, X) or (T, Z, Y, X).")
        self.overwrite = overwrite
        self._backend: Backend | None = None
        self._image = image_around(self.path)
        with _saying(self.path):
            if self._image is not None:
                self.path.parent.mkdir(exist_ok=True)
            self._staging = StagingFolder(self.path)
            try:
                self._backend = _backend(
                    self._staging.place, self.shape, self.dtype, scale, unit, z_step, frame_interval_s,
                    self.path.stem, self._image,
                )  # fmt: skip
            except BaseException:
                self.abort()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, t: int, labels: NDArray[Any], z: int | None = None) -> None:
        """Write a frame, or one plane of it; one written again is replaced.

        Parameters
        ----------
        t : int
            Frame, 0 to T - 1, in any order.
        labels : ndarray, shape (Y, X), integer
            Labels that fit the writer's dtype.
        z : int, optional
            Plane, 0 to Z - 1, where labels are (T, Z, Y, X).

        Raises
        ------
        InputError
            If frame, shape or values do not fit.
        OutputError
            If the disk is full or the like; what was written is removed.
        """
        if self._backend is None:
            raise OutputError(f"{self.path}: the writer is closed.")
        place = (t,) if z is None else (t, z)
        inside = all(0 <= i < n for i, n in zip(place, self.shape, strict=False))
        if not inside or labels.shape != self.shape[len(place) :] or labels.ndim != 2:
            which = f"frame {t}" if z is None else f"plane {z} of frame {t}"
            raise InputError(
                f"cannot write {which} of shape {labels.shape} to {self.path}, which has shape {self.shape}."
            )
        limits = np.iinfo(self.dtype)
        for label in (int(labels.min()), int(labels.max())) if labels.size else ():
            if not limits.min <= label <= limits.max:
                raise InputError(f"frame {t} holds the label {label}, which does not fit {self.dtype}.")
        try:
            with _saying(self.path):
                page = int(np.ravel_multi_index(place, self.shape[:-2]))
                self._backend.write(page, np.ascontiguousarray(labels, self.dtype))
        except OutputError:
            self.abort()
            raise

    def close(self) -> None:
        """Finish the file and give it its name. Closing twice does nothing."""
        backend, self._backend = self._backend, None
        if backend is None:
            return
        try:
            with _saying(self.path):
                backend.finish()
                self._staging.publish(self.overwrite)
                if self._image is not None:
                    self._image.register(self.path.name)
        finally:
            self._staging.discard()

    def abort(self) -> None:
        """Remove what was written so far."""
        backend, self._backend = self._backend, None
        try:
            if backend is not None:
                backend.discard()
        finally:
            self._staging.discard()


def _backend(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    scale: tuple[float, float] | None,
    unit: str | None,
    z_step: float | None,
    frame_interval_s: float | None,
    name: str,
    image: NgffImage | None,
) -> Backend:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return NpyBackend(path, shape, dtype)
    if suffix == ".zarr" or image is not None:
        return NgffBackend(path, shape, dtype, scale, unit, z_step, frame_interval_s, name, image)
    return TiffBackend(path, shape, dtype, scale, unit, z_step, frame_interval_s)


@contextmanager
def _saying(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into `OutputError`."""
    try:
        yield
    except OutputError:
        raise
    except OccupiedError as error:
        raise OutputError(f"{error.strerror}.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path} cannot be written: {reason}. Nothing half-written is left under that name; make room or "
            "choose another place."
        ) from error
