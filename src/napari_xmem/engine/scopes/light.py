"""Light that flickers: every frame is shown to the network as bright as those that memory was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_xmem.imaging import BrightnessChange, brightness_change, brightness_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_xmem.engine.scopes.preprocess import NetworkInput

__all__ = ["FrameLight"]

Profiles = list["NDArray[np.float32]"]


class FrameLight:
    """Compares the light of each frame with that of the last one that was believed.

    Small changes are left alone, so that a movie whose light is steady gives the same numbers as without this part.

    Attributes
    ----------
    changes : tuple of BrightnessChange
        What was found on the latest frame, per channel; empty if its light was as before.
    """

    def __init__(self) -> None:
        self.changes: tuple[BrightnessChange, ...] = ()
        self._kept: Profiles = []
        self._latest: Profiles = []

    def show(self, prepare: NetworkInput, frame: NDArray[Any], index: int) -> Tensor:
        """Return a frame as the network sees it, in the light of the frames before; see `look` for the parameters."""
        self.look(prepare, frame)
        return prepare(frame, index, self.changes)

    def look(self, prepare: NetworkInput, frame: NDArray[Any]) -> None:
        """Find out how the light of a frame differs from that of the frames before, and note it as `changes`.

        Parameters
        ----------
        prepare : NetworkInput
            Turns frames into network input.
        frame : ndarray, shape (Y, X) or (Y, X, C)
            Pixels as they are read.
        """
        normaliser = prepare.normaliser
        planes = [frame] if frame.ndim == 2 else list(np.moveaxis(frame, -1, 0))
        limits = zip(planes, normaliser.low, normaliser.high, strict=False)  # another number of channels is told below
        self._latest = [brightness_profile(*one) for one in limits]
        self.changes = ()
        if len(self._kept) == len(self._latest):
            found = [brightness_change(*pair) for pair in zip(self._kept, self._latest, strict=True)]
            if any(found):
                self.changes = tuple(change or BrightnessChange() for change in found)
                self._latest = [
                    (profile - change.offset) / change.gain
                    for profile, change in zip(self._latest, self.changes, strict=True)
                ]

    def keep(self) -> None:
        """Take the latest frame as what the next one is compared with."""
        self._kept = self._latest

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return {"kept": [torch.from_numpy(np.ascontiguousarray(profile)) for profile in self._kept]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken; memory saved before there was this part has nothing of it."""
        self._kept = [profile.cpu().numpy().copy() for profile in state.get("kept", ())]
        self.changes, self._latest = (), []
