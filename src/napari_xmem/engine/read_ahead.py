"""Reading the next frame while the network works on this one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from napari_xmem.imaging import FrameSource

__all__ = ["ReadAhead"]


class ReadAhead:
    """Frames of a movie in a given order, each read in a background thread while the one before is used.

    A context manager; leaving it waits for the read that goes on, and reads nothing more. At most two frames are held.

    Parameters
    ----------
    source : FrameSource
        The movie.
    frames : sequence of int
        Which frames, in the order in which they are wanted.
    """

    def __init__(self, source: FrameSource, frames: Sequence[int]) -> None:
        self._source, self._frames = source, frames
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="napari-xmem-reader")
        self._next: Future[NDArray[Any]] | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield number and pixels of each frame; an error of reading is raised at its frame."""
        for position, frame in enumerate(self._frames):
            future = self._next or self._pool.submit(self._source.read, frame)
            self._next = None
            pixels = future.result()
            if position + 1 < len(self._frames) and not self._closed:
                self._next = self._pool.submit(self._source.read, self._frames[position + 1])
            yield frame, pixels

    def close(self) -> None:
        """Stop reading ahead; may be called more than once."""
        self._closed, self._next = True, None
        self._pool.shutdown(wait=True, cancel_futures=True)
