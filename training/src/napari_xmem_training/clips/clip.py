"""What a training clip is, and what may be asked of the generators."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.errors import ConfigError

if TYPE_CHECKING:
    from napari_xmem_training.clips.ops import Floats

__all__ = ["MIXTURES", "Clip", "ClipConfig", "Mixture"]


@dataclass(frozen=True)
class Clip:
    """One object followed in a window, as the network sees it.

    Attributes
    ----------
    image : ndarray, shape (T, 4, H, W), float32
        Three colours (0..1 between the percentiles of a field larger than the window, clipped to [-0.5, 2]; grey is
        repeated) and the local contrast of their mean.
    target, others : ndarray, shape (T, H, W), float32
        1 inside the followed object / inside any other labelled object, else 0. Never both.
    events : ndarray, shape (T, 3), float32
        Whether the object is about to divide, is dividing, and has divided, as in `napari_xmem.model.STATES`; 0, 1, or
        NaN where that is not known.
    kind : str
        Where the clip comes from, such as ``"crowd/usiigaci_phase"``.
    """

    image: Floats
    target: Floats
    others: Floats
    events: Floats
    kind: str


@dataclass(frozen=True)
class Mixture:
    """Relative weights of the generators, of the still images and of the simulated kinds.

    Attributes
    ----------
    warp : float
        Crops of still images warped as a whole (true context and edges).
    stills : float
        Still images taken apart: every object and the background on their own paths.
    crowd : float
        Objects of one still image pasted densely: look-alikes that touch, hide, divide, leave.
    shapes : float
        Coloured, textured, articulated things before natural-looking scenes.
    simulated : float
        Movies of `napari_xmem.simulate`.
    exemplar : float
        Other instances of the same still, and places without one, to be found from one instance.
    recordings : float
        Real movies that were tracked.
    fluo, other, phase : float
        How often the fluorescence, the stained / brightfield and the phase-contrast stills are used.
    kinds : tuple of (str, float)
        Simulated kinds with weights; empty: all kinds, equally often.
    eventful : float
        Share of the simulated and recorded clips that follow an object that divides, where there is one.
    """

    warp: float = 0.16
    stills: float = 0.22
    crowd: float = 0.24
    shapes: float = 0.14
    simulated: float = 0.24
    exemplar: float = 0.0
    recordings: float = 0.0
    fluo: float = 0.4
    other: float = 0.2
    phase: float = 0.4
    kinds: tuple[tuple[str, float], ...] = ()
    eventful: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "kinds" and not value >= 0:
                raise ConfigError(f"Weight {item.name} of the mixture is {value}, expected 0 or more.")


def _reweighted(kinds: tuple[tuple[str, float], ...], **weights: float) -> tuple[tuple[str, float], ...]:
    return tuple((name, weights.get(name, weight)) for name, weight in kinds)


MIXTURES: dict[str, Mixture] = {
    "broad": Mixture(),
    "movies": Mixture(
        warp=0.10,
        stills=0.20,
        crowd=0.18,
        shapes=0.16,
        simulated=0.36,
        fluo=0.45,
        other=0.15,
        phase=0.40,
        kinds=(
            ("nuclei", 1.0),
            ("sparse_nuclei", 1.0),
            ("phase_cells", 1.5),
            ("rods_phase", 2.5),
            ("budding_yeast", 2.5),
            ("em_stack", 2.5),
            ("membranes", 0.7),
            ("dic_cells", 1.0),
            ("brightfield_cells", 1.0),
            ("amoebae", 0.7),
            ("organoids", 0.5),
            ("rods_fluorescence", 1.0),
        ),
        eventful=0.4,
    ),
    "events": Mixture(
        warp=0.05,
        stills=0.12,
        crowd=0.12,
        shapes=0.09,
        simulated=0.50,
        exemplar=0.06,
        recordings=0.06,
        fluo=0.4,
        other=0.15,
        phase=0.45,
        kinds=(
            ("mitosis", 5.0),
            ("dim_nuclei", 2.0),
            ("nuclei", 0.7),
            ("sparse_nuclei", 0.5),
            ("phase_cells", 2.0),
            ("rods_phase", 1.2),
            ("rods_septate", 1.6),
            ("rods_fluorescence", 0.6),
            ("budding_yeast", 1.4),
            ("em_stack", 1.2),
            ("em_varied", 1.2),
            ("membranes", 0.5),
            ("dic_cells", 1.0),
            ("brightfield_cells", 0.7),
            ("amoebae", 0.6),
            ("organoids", 0.4),
        ),
        eventful=0.6,
    ),
}
"""Named mixtures: the first stages see a bit of everything, the later ones more of what is hard to follow."""

_EVENTS = MIXTURES["events"]
MIXTURES["crowds"] = replace(
    _EVENTS, stills=0.14, crowd=0.28, simulated=0.36, exemplar=0.03, recordings=0.05, fluo=0.5, phase=0.35,
    eventful=0.5, kinds=_reweighted(_EVENTS.kinds, mitosis=4.0, nuclei=1.5, rods_phase=1.5, rods_septate=1.5),
)  # fmt: skip
MIXTURES["lasting"] = replace(
    MIXTURES["crowds"], crowd=0.24, shapes=0.08, simulated=0.44, exemplar=0.02, eventful=0.55,
    kinds=_reweighted(
        MIXTURES["crowds"].kinds, mitosis=6.0, nuclei=2.5, rods_phase=3.0, rods_septate=2.0, rods_fluorescence=1.0,
        budding_yeast=2.2, phase_cells=2.5, em_stack=1.8,
    ),
)  # fmt: skip
MIXTURES["buds"] = replace(
    MIXTURES["lasting"], warp=0.06, stills=0.15, crowd=0.22, exemplar=0.04, fluo=0.35, phase=0.5,
    kinds=_reweighted(
        MIXTURES["lasting"].kinds, budding_yeast=9.0, mitosis=5.0, phase_cells=3.0, brightfield_cells=1.5,
        dic_cells=1.5,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class ClipConfig:
    """Size and content of clips.

    Attributes
    ----------
    window_px : int
        Side of the window.
    n_frames : int
        Frames per clip.
    mixture : Mixture
        Which generators, how often.
    diameter_px : tuple of 3 float
        Smallest, usual and largest diameter ``sqrt(4 area / pi)`` the target is scaled to in frame 0.
    diameter_spread : float
        Standard deviation of the logarithm of the diameter.
    absent : float
        Share of clips in which something makes the target vanish for a time.
    """

    window_px: int = 160
    n_frames: int = 5
    mixture: Mixture = field(default_factory=Mixture)
    diameter_px: tuple[float, float, float] = (20.0, 42.0, 90.0)
    diameter_spread: float = 0.22
    absent: float = 0.1

    def __post_init__(self) -> None:
        if not 64 <= self.window_px <= 512:
            raise ConfigError(f"window_px is {self.window_px}, expected 64 to 512.")
        if self.n_frames < 2:
            raise ConfigError(f"n_frames is {self.n_frames}, expected at least 2.")

    def draw_diameter(self, rng: np.random.Generator) -> float:
        """Draw a target diameter in pixels: log-normal around the usual one, within the limits."""
        low, usual, high = self.diameter_px
        return float(np.clip(usual * np.exp(self.diameter_spread * rng.standard_normal()), low, high))
