"""The movies of memory_policies.py: long simulated ones with fixed seeds, and the development data if there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOVIES", "Clip", "Movie"]

_SHARED = Path(os.environ.get("NAPARI_XMEM_SHARED", Path(__file__).parents[2] / "shared"))


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What is followed.

    Attributes
    ----------
    image, truth : ndarray
        (T, Y, X).
    diameter_px : float or None
        None: measured.
    max_displacement_px : float or None
        None: the default.
    """

    image: NDArray[Any]
    truth: NDArray[Any]
    diameter_px: float | None
    max_displacement_px: float | None


@dataclass(frozen=True, slots=True)
class Movie:
    """A movie by group and seed.

    Attributes
    ----------
    group : str
        "return" and "cycle" (`napari_xmem.simulate.kinds.recall`), "drift", "bleach", "focus", "absence", "crowd"
        (`napari_xmem.simulate.kinds.long`), or "dev".
    seed : int or str
        Seed of the simulation, or name of the file in ``data`` of the folder
        that the environment variable NAPARI_XMEM_SHARED names.
    """

    group: str
    seed: int | str

    @property
    def name(self) -> str:
        """Name in the results."""
        return f"{self.group}-{self.seed}"

    @property
    def is_there(self) -> bool:
        """Whether it can be made."""
        return self.group != "dev" or self._file.exists()

    @property
    def _file(self) -> Path:
        return _SHARED / "data" / f"{self.seed}.npz"

    def make(self) -> Clip:
        """Simulate or load it."""
        if self.group == "dev":
            data = np.load(self._file)
            return Clip(data["frames"], data["labels"], None, None)
        from napari_xmem.simulate.kinds.long import long_nuclei
        from napari_xmem.simulate.kinds.recall import recall_nuclei

        nominal = 42.0  # pixels as they are
        if self.group in ("return", "cycle"):
            scenario = "pulse" if self.group == "return" else "cycle"
            made = recall_nuclei(np.random.default_rng(2000 + int(self.seed)), scenario)
        else:
            made = long_nuclei(
                np.random.default_rng(1000 + int(self.seed)),
                frames=180 if self.group == "absence" else 120,
                scenario="return" if self.group == "absence" else self.group,  # type: ignore[arg-type]
                size_px=(96, 96),
                n_objects=3,
                diameter_px=36.0,
            )
        return Clip(made.image, made.labels, nominal, 12.0)


MOVIES = (
    *(Movie(group, seed) for seed in range(1, 9) for group in ("return", "cycle")),
    *(Movie(group, 1) for group in ("drift", "bleach", "focus", "crowd", "absence")),
    *(Movie(group, 2) for group in ("drift", "bleach", "focus", "crowd", "absence")),
    Movie("dev", "dev_drosophila_fluo"),
    Movie("dev", "dev_c2c12_phase"),
)
