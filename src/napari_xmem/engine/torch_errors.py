"""Errors of torch as errors of our own: a RuntimeError would be swallowed by the viewer's worker threads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_xmem.errors import OutOfMemoryError, PropagationError, XMemError, is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["torch_errors"]


@contextmanager
def torch_errors(what: str = "Frames done so far are valid.") -> Iterator[None]:
    """Turn a RuntimeError or MemoryError of the block into `PropagationError` or `OutOfMemoryError`.

    Parameters
    ----------
    what : str
        What becomes of what was done before, for the message.
    """
    try:
        yield
    except XMemError:
        raise
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise PropagationError(f"The network failed on a frame: {error}") from error
        raise OutOfMemoryError(
            f"The device ran out of memory, even for one object at a time ({error}). {what} Use device='cpu', a "
            "smaller frame, or smaller limits of memory (working_max_frames, long_term_max_elements)."
        ) from error
