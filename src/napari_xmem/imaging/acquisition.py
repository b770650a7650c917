"""What went wrong while a movie was taken: repeated frames, jumps, loss of focus, light that changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from napari_xmem.errors import InputError
from napari_xmem.words import frames_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Acquisition", "Finding", "FindingKind"]


class FindingKind(StrEnum):
    """What may be wrong with a frame."""

    REPEATED = "repeated"
    """Pixel for pixel the frame before; `amount` is 0."""
    JUMP = "jump"
    """More has changed since the frame before than usual, as if frames were missing; `amount`: how many times more."""
    SHIFT = "shift"
    """The whole field has moved at once; `y_px`, `x_px`, and `amount` is the way."""
    BLANK = "blank"
    """One value everywhere."""
    FLAT = "flat"
    """Hardly any contrast is left: the lamp, the shutter."""
    FOREIGN = "foreign"
    """Another field of view."""
    SATURATED = "saturated"
    """Much is at the largest intensity; `amount`: the share of the frame."""
    DEFOCUS = "out of focus"
    """Fine detail is gone; `amount`: what is left of it, as a share of the usual."""
    GAIN = "brightness step"
    """Everything is brighter or darker from here on, as by bleaching or a shutter; `amount`: how many times."""
    LAMP = "background step"
    """Light was added or taken away everywhere, as by a lamp; `amount`: of the movie's range of intensities."""


class Finding(NamedTuple):
    """One thing that was seen of one frame.

    Attributes
    ----------
    kind : FindingKind
        What it is.
    frame : int
        The frame of the movie.
    amount : float
        How much, as `FindingKind` says.
    y_px, x_px : float
        Of a shift: how far the field moved, in pixels of the movie.
    """

    kind: FindingKind
    frame: int
    amount: float = 0.0
    y_px: float = 0.0
    x_px: float = 0.0

    @classmethod
    def from_plain(cls, values: Sequence[Any]) -> Self:
        """Return what was written as a list; ValueError if it is none."""
        kind, frame, amount, y_px, x_px = values
        return cls(FindingKind(kind), int(frame), float(amount), float(y_px), float(x_px))


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What was seen of a movie's frames while they were read.

    Attributes
    ----------
    findings : tuple of Finding
        By frame; empty for a movie without a fault.
    """

    findings: tuple[Finding, ...] = ()

    @classmethod
    def collect(cls, findings: Iterable[Finding]) -> Self:
        """Put findings in order: each once, and no jump of a frame that has another explanation."""
        known = sorted(set(findings), key=lambda one: (one.frame, list(FindingKind).index(one.kind)))
        explained = {one.frame for one in known if one.kind not in (FindingKind.JUMP, FindingKind.REPEATED)}
        return cls(tuple(one for one in known if one.kind is not FindingKind.JUMP or one.frame not in explained))

    @classmethod
    def from_plain(cls, values: Iterable[Sequence[Any]]) -> Self:
        """Return what was written as lists of values; ValueError if they are none."""
        return cls.collect(Finding.from_plain(one) for one in values)

    def __len__(self) -> int:
        return len(self.findings)

    def frames(self, kind: FindingKind | str) -> tuple[int, ...]:
        """Return the frames of which something was found.

        Parameters
        ----------
        kind : FindingKind or str
            What, such as "repeated".

        Raises
        ------
        InputError
            If there is no such kind.
        """
        if kind not in list(FindingKind):
            known = ", ".join(FindingKind)
            raise InputError(f"{kind!r} is nothing that is looked for in frames, expected one of {known}.")
        return tuple(one.frame for one in self.findings if one.kind == kind)

    def describe(self) -> str:
        """Return one line that says what was found and where; empty if nothing was."""
        return "; ".join(f"{kind}: {frames_named(frames, 8)}" for kind in FindingKind if (frames := self.frames(kind)))
