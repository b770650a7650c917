"""The kinds of movie there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from napari_xmem.errors import ConfigError
from napari_xmem.simulate.kinds.colonies import rods_fluorescence, rods_phase, rods_septate
from napari_xmem.simulate.kinds.dividing import dim_nuclei, mitosis
from napari_xmem.simulate.kinds.em import em_stack, em_varied
from napari_xmem.simulate.kinds.membranes import membranes
from napari_xmem.simulate.kinds.nuclei import nuclei, sparse_nuclei
from napari_xmem.simulate.kinds.phase import phase_cells
from napari_xmem.simulate.kinds.transmitted import amoebae, brightfield_cells, dic_cells, organoids
from napari_xmem.simulate.kinds.yeast import budding_yeast

if TYPE_CHECKING:
    import numpy as np

    from napari_xmem.simulate.movie import SimulatedMovie

__all__ = ["KINDS", "simulate"]


class Simulator(Protocol):
    """A function that makes one movie of one kind."""

    def __call__(
        self,
        rng: np.random.Generator,
        *,
        frames: int,
        size_px: tuple[int, int],
        n_objects: int | None,
        diameter_px: float | None,
    ) -> SimulatedMovie: ...


_SIMULATORS: dict[str, Simulator] = {
    "nuclei": nuclei,
    "sparse_nuclei": sparse_nuclei,
    "phase_cells": phase_cells,
    "rods_phase": rods_phase,
    "budding_yeast": budding_yeast,
    "em_stack": em_stack,
    "membranes": membranes,
    "dic_cells": dic_cells,
    "brightfield_cells": brightfield_cells,
    "amoebae": amoebae,
    "organoids": organoids,
    "rods_fluorescence": rods_fluorescence,
    "mitosis": mitosis,
    "dim_nuclei": dim_nuclei,
    "rods_septate": rods_septate,
    "em_varied": em_varied,
}

KINDS: tuple[str, ...] = tuple(_SIMULATORS)
"""Names that `simulate` knows."""


def simulate(
    kind: str,
    rng: np.random.Generator,
    *,
    frames: int,
    size_px: tuple[int, int],
    n_objects: int | None = None,
    diameter_px: float | None = None,
) -> SimulatedMovie:
    """Simulate a movie with known objects.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    rng : Generator
        Source of all randomness: the same state gives the same movie.
    frames : int
        Length T, at least 1.
    size_px : tuple of int
        (Y, X) of the frames, at least 32 each.
    n_objects : int or None
        About how many objects the first frame shows; None: as fits the kind.
    diameter_px : float or None
        Mean object diameter in pixels; None: drawn, 24 to 60.

    Returns
    -------
    SimulatedMovie
        Image and labels of the same frames.

    Raises
    ------
    ConfigError
        Unknown kind, or sizes out of range.
    """
    if kind not in _SIMULATORS:
        raise ConfigError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}.")
    if frames < 1 or min(size_px) < 32:
        raise ConfigError(f"frames is {frames} and size_px {size_px}, expected at least 1 frame of 32 x 32 pixels.")
    if n_objects is not None and n_objects < 1:
        raise ConfigError(f"n_objects is {n_objects}, expected at least 1, or None to choose.")
    if diameter_px is not None and not 4 <= diameter_px <= max(size_px):
        raise ConfigError(f"diameter_px is {diameter_px}, expected 4 to the size of the frame, or None to choose.")
    return _SIMULATORS[kind](rng, frames=frames, size_px=size_px, n_objects=n_objects, diameter_px=diameter_px)
