"""The area that two discs share."""

from __future__ import annotations

import math

__all__ = ["shared_by_discs"]


def shared_by_discs(distance: float, first: float, second: float) -> float:
    """Return the area that two discs have in common.

    Parameters
    ----------
    distance : float
        Between their centres, 0 or more.
    first, second : float
        Their radii, in the same unit; more than 0.

    Returns
    -------
    float
        The area of the lens, in the square of that unit: 0 for discs that are apart, the smaller disc for one that lies
        within the other.
    """
    if distance >= first + second:
        return 0.0
    if distance <= abs(first - second):
        return math.pi * min(first, second) ** 2
    to_chord = (distance**2 + first**2 - second**2) / (2 * distance)
    half_chord = math.sqrt(max(0.0, first**2 - to_chord**2))
    one = first**2 * math.atan2(half_chord, to_chord)
    other = second**2 * math.atan2(half_chord, distance - to_chord)
    return one + other - distance * half_chord
