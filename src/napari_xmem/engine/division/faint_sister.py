"""A mother who shrinks to one of her daughters: the other is what she claims only faintly, across her former place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from scipy import ndimage

from napari_xmem.engine.division.mask_parts import LEAST_AREA_PX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LONGEST_FRAMES", "AsksForSister", "FaintSister", "FormerPlaces"]

#: A mother stands between her daughters for so many frames after she was whole.
LONGEST_FRAMES = 4

Point = tuple[float, float]


class AsksForSister(Protocol):
    """Asks whether the mask of a mother is one daughter only, and where the other is."""

    def shrank(self, area_px: float, usual_px: float, recent_px: Sequence[float]) -> bool:
        """Return True if an object is so much smaller than before that this may be a daughter.

        `usual_px` and `recent_px` are those of `Proposer.propose`.
        """

    def propose(
        self, mask: NDArray[np.float32], claim: NDArray[np.float32], owned: NDArray[np.bool_], centre_px: Point
    ) -> NDArray[np.bool_] | None:
        """Return the pixels of the other daughter.

        Parameters
        ----------
        mask : ndarray, shape (H, W), float32
            What the mother got on this frame, in her region.
        claim : ndarray, shape (H, W), float32
            What she claims there by herself.
        owned : ndarray, shape (H, W), bool
            Pixels of all other objects.
        centre_px : tuple of 2 float
            Her centre y, x before she shrank, in pixels of her region.
        """


@dataclass(frozen=True, slots=True)
class FaintSister:
    """Ask about a second body that a mother claims, though not enough to own it.

    A mother whose area falls to ``halved`` of the largest of the last frames and of what is usual has rounded up, or is
    followed as one of her daughters. The other is a body of ``claim > least_claim`` outside her mask that

    * has a mean claim of ``least_mean``, and lies on nobody's pixels but for ``largest_owned`` of it;
    * has at least ``least_share`` of the area of both, and at most ``1 - least_share``;
    * lies across the mother's former place: the middle of both centres is no farther from it than ``off_middle`` times
      the square root of their mean area.

    Attributes
    ----------
    halved, least_claim, least_mean, largest_owned, least_share, off_middle : float
        See above.
    """

    halved: float = 0.72
    least_claim: float = 0.2
    least_mean: float = 0.3
    largest_owned: float = 0.3
    least_share: float = 0.25
    off_middle: float = 0.7

    def shrank(self, area_px: float, usual_px: float, recent_px: Sequence[float]) -> bool:
        """Return True if an object may be one of its daughters by size; see `AsksForSister.shrank`."""
        return 0 < area_px <= self.halved * max([*recent_px, usual_px])

    def propose(
        self, mask: NDArray[np.float32], claim: NDArray[np.float32], owned: NDArray[np.bool_], centre_px: Point
    ) -> NDArray[np.bool_] | None:
        """Return the pixels of the other daughter, or None; see `AsksForSister.propose`."""
        own = mask > 0.5
        area = int(own.sum())
        faint = (claim > self.least_claim) & ~ndimage.binary_dilation(own, iterations=2)
        bodies, count = ndimage.label(faint)
        if not area or not count:
            return None
        here = ndimage.center_of_mass(own)
        found: tuple[float, NDArray[np.bool_]] | None = None
        for number in range(1, count + 1):
            body = bodies == number
            size = int(body.sum())
            if size < LEAST_AREA_PX or not self.least_share <= size / (size + area) <= 1 - self.least_share:
                continue
            there = ndimage.center_of_mass(body)
            off = math.dist([(a + b) / 2 for a, b in zip(here, there, strict=True)], centre_px)
            across = off <= self.off_middle * math.sqrt((size + area) / 2)
            mean = float(claim[body].mean())
            if across and mean >= self.least_mean and owned[body].mean() <= self.largest_owned:
                found = max(found or (0.0, body), (mean, body), key=lambda item: item[0])
        return None if found is None else found[1] & ~owned


class FormerPlaces:
    """Where objects were before they shrank, in pixels of the scaled frame of now, for `LONGEST_FRAMES`."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[Point, int]] = {}

    def get(self, object_id: int) -> Point | None:
        """Return where an object was; None if it was never whole, or that is too long ago."""
        centre, age = self._places.get(object_id, (None, 0))
        return centre if age <= LONGEST_FRAMES else None

    def move(self, drift_px: Point) -> None:
        """Go on by a frame, which has drifted so."""
        self._places = {i: ((y + drift_px[0], x + drift_px[1]), age + 1) for i, ((y, x), age) in self._places.items()}

    def keep(self, centres: Mapping[int, Point]) -> None:
        """Take in where objects are that have not shrunk."""
        self._places |= {i: (centre, 0) for i, centre in centres.items()}

    def forget_all_but(self, object_ids: Sequence[int]) -> None:
        """Drop objects that are no more."""
        self._places = {i: self._places[i] for i in object_ids if i in self._places}

    def state_dict(self) -> list[Any]:
        """Return what `load_state_dict` needs."""
        return [[i, y, x, age] for i, ((y, x), age) in self._places.items()]

    def load_state_dict(self, state: Sequence[Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._places = {int(i): ((float(y), float(x)), int(age)) for i, y, x, age in state}
