"""Results of a run one by one, and what becomes of them when it is stopped in the middle."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from napari_xmem.errors import PropagationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RunIterator", "keeping_partial"]

Result = TypeVar("Result")


class RunIterator(Iterator[Result], Generic[Result]):
    """Iterate over the results of a run; once it broke off, every further step says so.

    A generator that was left by an error, or by Ctrl-C, ends silently when it is asked again, as if all were done.

    Parameters
    ----------
    results : generator
        Makes the results.
    n_results : int
        How many there will be; kept as an attribute.
    """

    def __init__(self, results: Generator[Result, None, None], n_results: int) -> None:
        self._results, self.n_results = results, n_results
        self._n_done = 0
        self._broken_by: str | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Result:
        if self._broken_by is not None:
            raise PropagationError(
                f"This run was stopped by {self._broken_by} after {self._n_done} of {self.n_results} frames and cannot "
                "go on: a frame was left half done. What was yielded before stays valid; begin a new run for the rest."
            )
        try:
            result = next(self._results)
        except StopIteration:
            raise
        except BaseException as error:
            self._broken_by = type(error).__name__
            raise
        self._n_done += 1
        return result

    def close(self) -> None:
        """End the run; nothing more is read or computed."""
        self._results.close()


@contextmanager
def keeping_partial(gather: Callable[[], Any], n_done: Callable[[], int], n_results: int) -> Iterator[None]:
    """Hang what is finished on whatever exception ends the block, Ctrl-C included, as its attribute ``partial``.

    Parameters
    ----------
    gather : callable
        Returns the finished part as a result.
    n_done : callable
        Returns how many frames are finished.
    n_results : int
        How many there should be.
    """
    try:
        yield
    except BaseException as error:
        with suppress(Exception):  # the error itself matters more
            error.partial = gather()  # type: ignore[attr-defined]
            error.add_note(
                f"{n_done()} of {n_results} frames are finished: they are in the attribute 'partial' of this exception "
                "(sys.last_value.partial in a notebook)."
            )
        raise
