"""One place where pixels are taken out of files and stores: whatever goes wrong there is one kind of error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import InputError, OutOfMemoryError, XMemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_no_mask", "read_part"]

_LONGEST_DETAIL = 300


def read_part(array: Any, index: Any, name: str) -> NDArray[Any]:
    """Take a part out of an array of any kind: numpy, memmap, dask, zarr, a file that is read when it is indexed.

    Parameters
    ----------
    array : array_like
        Anything that can be indexed.
    index : int, slice or tuple
        Which part.
    name : str
        What the part is called in messages, such as "frame 3".

    Returns
    -------
    ndarray
        The part, in memory or mapped.

    Raises
    ------
    InputError
        If it cannot be read: each store and each codec has errors of its own for damaged pixels; or if it is masked.
    OutOfMemoryError
        If there is no room for it.
    """
    try:
        part = array[index]
        check_no_mask(part, name)
        return np.asarray(part)
    except XMemError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"{name} does not fit into memory ({_words(error)}).") from error
    except Exception as error:
        raise InputError(f"{name} cannot be read ({type(error).__name__}: {_words(error)}); is it complete?") from error


def check_no_mask(part: Any, name: str) -> None:
    """Refuse an array of numpy.ma of which something is masked: numpy would show what lies under the mask.

    Raises
    ------
    InputError
        If something is masked.
    """
    if isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part):
        raise InputError(f"{name}: some pixels are masked; say what they are, such as with .filled(0).")


def _words(error: BaseException) -> str:
    """Return an error's text as one line that can be read."""
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST_DETAIL else text[: _LONGEST_DETAIL - 1] + "…"
