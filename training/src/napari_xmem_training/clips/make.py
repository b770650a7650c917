"""Make one clip: draw a generator, keep what is worth training on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_xmem.errors import InputError
from napari_xmem_training.clips.camera import finish, photograph
from napari_xmem_training.clips.crowd import crowd
from napari_xmem_training.clips.exemplar import exemplar
from napari_xmem_training.clips.recordings import recorded
from napari_xmem_training.clips.shapes import shapes
from napari_xmem_training.clips.simulated import followed, simulated_kinds
from napari_xmem_training.clips.stills import taken_apart, warped

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_xmem_training.clips.clip import Clip, ClipConfig
    from napari_xmem_training.clips.recordings import RecordingStore
    from napari_xmem_training.clips.scene import Rendered
    from napari_xmem_training.clips.store import Still, StillStore

__all__ = ["ClipMaker"]

_FROM_STILLS: dict[str, Callable[[np.random.Generator, Still, ClipConfig], Rendered | None]] = {
    "warp": warped,
    "stills": taken_apart,
    "crowd": crowd,
    "exemplar": exemplar,
}
_QUIET = {"warp", "stills", "shapes"}
_TRIES = 50


class ClipMaker:
    """Draws clips; the same generator state gives the same clip.

    Parameters
    ----------
    config : ClipConfig
        Size and content of the clip.
    store : StillStore or None
        Still images; None leaves out every generator that needs them.
    recordings : RecordingStore or None
        Tracked movies; None, or one without any, leaves them out.

    Raises
    ------
    InputError
        No generator with a positive weight can work.
    """

    def __init__(self, config: ClipConfig, store: StillStore | None, recordings: RecordingStore | None = None) -> None:
        self._config, self._store, self._recordings = config, store, recordings
        weights = self._weights()
        total = sum(weights.values())
        if not total > 0:
            raise InputError("No clip generator has a positive weight: give training images or drawn kinds.")
        weights = {kind: weight for kind, weight in weights.items() if weight > 0}
        self.kinds = tuple(weights)
        self._shares: npt.NDArray[np.float64] = np.array(list(weights.values())) / total

    def _weights(self) -> dict[str, float]:
        mixture, store = self._config.mixture, self._store
        weights: dict[str, float] = {}
        sources = {s: float(getattr(mixture, s)) for s in store.sources} if store is not None else {}
        whole = sum(sources.values()) or 1.0
        for name in _FROM_STILLS:
            for source, share in sources.items():
                weights[f"{name}/{source}"] = float(getattr(mixture, name)) * share / whole
        if mixture.shapes > 0:
            weights["shapes/things"] = mixture.shapes
        names = self._recordings.names if self._recordings is not None else ()
        weights.update({f"recordings/{name}": mixture.recordings / len(names) for name in names})
        if mixture.simulated > 0:
            weights.update({f"simulated/{k}": mixture.simulated * s for k, s in simulated_kinds(self._config).items()})
        return weights

    def make(self, rng: np.random.Generator) -> Clip:
        """Draw one clip of any kind."""
        return self.make_kind(str(rng.choice(self.kinds, p=self._shares)), rng)

    def make_kind(self, kind: str, rng: np.random.Generator) -> Clip:
        """Draw one clip of a given kind whose first frame shows the target well.

        Parameters
        ----------
        kind : str
            One of `kinds`.
        rng : Generator
            Source of all randomness.

        Raises
        ------
        InputError
            There is no such kind, or the images hold nothing to follow.
        """
        if kind not in self.kinds:
            raise InputError(f"Unknown kind of clip {kind!r}, expected one of {', '.join(self.kinds)}.")
        for _ in range(_TRIES):
            drawn = self._draw(kind, rng)
            if drawn is not None and kind.split("/")[0] in _QUIET:
                drawn = replace(drawn, events=np.zeros((len(drawn.target), 3), np.float32))
            if drawn is not None and _usable(drawn):
                return finish(photograph(rng, replace(drawn, kind=kind)))
        raise InputError(f"{_TRIES} clips of {kind} in a row had no visible target: check the training images.")

    def _draw(self, kind: str, rng: np.random.Generator) -> Rendered | None:
        name, source = kind.split("/")
        if name == "simulated":
            return followed(rng, source, self._config)
        if name == "recordings" and self._recordings is not None:
            return recorded(rng, self._recordings.get(source), self._config)
        if name == "shapes":
            still = self._store.pick(rng, str(rng.choice(self._store.sources))) if self._store is not None else None
            return shapes(rng, still, self._config)
        if self._store is None:
            raise InputError(f"Clips of kind {kind!r} need training images.")
        return _FROM_STILLS[name](rng, self._store.pick(rng, source), self._config)


def _usable(drawn: Rendered) -> bool:
    """Whether frame 0 shows at least 60 % of the target."""
    return float(drawn.target[0].sum()) >= 0.6 * np.pi / 4 * drawn.diameter**2
