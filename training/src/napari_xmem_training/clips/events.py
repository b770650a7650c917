"""What happens to targets: they fade, leave, hide behind others, come back, are impersonated, divide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_xmem_training.clips.paths import walk

if TYPE_CHECKING:
    from napari_xmem_training.clips.sprites import Sprite

__all__ = ["divide", "enliven", "vanish", "vanish_together"]

Array = npt.NDArray[np.float64]


def vanish(rng: np.random.Generator, sprites: list[Sprite], diameter: float, window_px: int) -> list[Sprite]:
    """Make the target (label 1) vanish for some frames after the first; often a look-alike takes its place.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    sprites : list of Sprite
        Drawn in this order.
    diameter : float
        Of the target, pixels.
    window_px : int
        Side of the window.

    Returns
    -------
    list of Sprite
        The target's centre is NaN where it has left, so that the window waits there.
    """
    frames = len(sprites[0].centre)
    away = _absence(rng, frames)
    gone = int(np.flatnonzero(away)[0])
    how = rng.choice(["fade", "leave", "hide"], p=[0.4, 0.35, 0.25])
    place = next(s for s in sprites if s.label == 1).centre[gone - 1].copy()
    neighbours = [n for n, s in enumerate(sprites) if s.label > 1]
    out = list(sprites)
    if neighbours and (how == "hide" or rng.random() < 0.5):
        n = int(rng.choice(neighbours))
        visitor = _visit(rng, out[n], place, away, diameter)
        out.pop(n)
        out.append(visitor)
    at = next(n for n, s in enumerate(out) if s.label == 1)
    if how == "leave":
        out[at] = _leave(rng, out[at], away, window_px)
    elif how == "fade" or not neighbours:
        out[at] = _fade(rng, out[at], away)
    return out


def vanish_together(rng: np.random.Generator, sprites: list[Sprite], centre: Array) -> tuple[list[Sprite], Array]:
    """Make all parts of the target (label 1) vanish for some frames after the first.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    sprites : list of Sprite
        Drawn in this order.
    centre : ndarray, shape (T, 2)
        Middle of the target.

    Returns
    -------
    sprites : list of Sprite
        With the target's opacity 0 while it is away.
    centre : ndarray, shape (T, 2)
        NaN while it is away, so that the window waits.
    """
    away = _absence(rng, len(centre))
    out = [s.posed(opacity=np.where(away, 0.0, s.opacity)) if s.label == 1 else s for s in sprites]
    return out, np.where(away[:, None], np.nan, centre)


def _absence(rng: np.random.Generator, frames: int) -> npt.NDArray[np.bool_]:
    """Draw the frames in which the target is away: never the first; it comes back more often than not."""
    gone = int(rng.integers(1, frames))
    back = int(rng.integers(gone + 1, frames + 1)) if rng.random() < 0.6 else frames
    return (np.arange(frames) >= gone) & (np.arange(frames) < back)


def _fade(rng: np.random.Generator, sprite: Sprite, away: npt.NDArray[np.bool_]) -> Sprite:
    opacity = np.where(away, 0.0, sprite.opacity)
    first = int(np.flatnonzero(away)[0])
    if first > 1 and rng.random() < 0.5:
        opacity[first - 1] *= 0.6
    return sprite.posed(opacity=opacity)


def _leave(rng: np.random.Generator, sprite: Sprite, away: npt.NDArray[np.bool_], window_px: int) -> Sprite:
    """Move out of the window in one or two steps; it is not drawn while outside."""
    angle = rng.uniform(0, 2 * np.pi)
    centre = sprite.centre.copy()
    first = int(np.flatnonzero(away)[0])
    direction = np.array([np.sin(angle), np.cos(angle)])
    centre[first - 1] += direction * rng.uniform(0, 0.3) * window_px * (first > 1)
    opacity = np.where(away, 0.0, sprite.opacity)
    return sprite.posed(centre=centre, opacity=opacity)


def _visit(
    rng: np.random.Generator, sprite: Sprite, place: Array, away: npt.NDArray[np.bool_], diameter: float
) -> Sprite:
    """Bring a neighbour to the place where the target was, while it is away."""
    centre = sprite.centre.copy()
    drift = centre[away] - centre[away].mean(0)
    centre[away] = place + 0.3 * drift + rng.normal(0, 0.12 * diameter, 2)
    first = int(np.flatnonzero(away)[0])
    if first > 1:
        centre[first - 1] = 0.5 * (centre[first - 2] + centre[first])
    return sprite.posed(centre=centre)


def enliven(rng: np.random.Generator, sprites: list[Sprite]) -> list[Sprite]:
    """In some clips, let brightness and inner texture of everything change with time, as organelles do.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    sprites : list of Sprite
        Grey, drawn in this order.
    """
    frames = len(sprites[0].centre)
    if rng.random() < 0.35:
        drift = rng.uniform(0.005, 0.05) * walk(rng, (len(sprites),), frames, 0.5)
        sprites = [s.posed(gain=s.gain * np.exp(d)) for s, d in zip(sprites, drift, strict=True)]
    if rng.random() < 0.4:
        inner = np.concatenate([s.picture[..., 0][s.picture[..., 2] > 0.5] for s in sprites[:4]])
        strength = rng.uniform(0.1, 0.7) * float(inner.std())
        cells = int(rng.integers(4, 10))
        churn = strength * walk(rng, (len(sprites), cells, cells), frames, 0.0) / np.sqrt(frames / 2)
        moved = np.moveaxis(churn, -1, 1).astype(np.float32)
        sprites = [s.posed(churn=c) for s, c in zip(sprites, moved, strict=True)]
    return sprites


def divide(rng: np.random.Generator, sprites: list[Sprite], at: int, twin: Sprite, diameter: float) -> list[Sprite]:
    """Let the sprite at position `at` round up and become two, which both keep its label.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    sprites : list of Sprite
        Drawn in this order.
    at : int
        Position of the mother.
    twin : Sprite
        Picture of the second daughter.
    diameter : float
        Of the mother, pixels.
    """
    mother = sprites[at]
    frames = len(mother.centre)
    moment = int(rng.integers(1, frames))
    after = np.arange(frames) >= moment
    angle = rng.uniform(0, 2 * np.pi)
    axis = np.array([np.sin(angle), np.cos(angle)])
    apart = (rng.uniform(0.36, 0.5) + rng.uniform(0.02, 0.15) * np.arange(frames).clip(0)) * diameter
    apart = np.interp(np.arange(frames) - moment, np.arange(frames), apart)[:, None] * axis
    gain = mother.gain * np.where(after, rng.uniform(1.0, 1.3), 1.0)
    rounding = rng.random() < 0.6
    before = mother.linear.copy()
    if rounding and moment > 0:
        shrink = rng.uniform(0.75, 0.95)
        before[moment - 1] *= shrink if moment > 1 else 1.0
        gain[moment - 1] *= rng.uniform(1.0, 1.4) if moment > 1 else 1.0
    squeeze = _across(axis, rng.uniform(0.6, 0.85), rng.uniform(0.75, 0.95))
    ratio = float(np.sqrt(np.prod(mother.picture.shape[:2]) / np.prod(twin.picture.shape[:2])))
    alive = mother.opacity
    first = mother.posed(opacity=np.where(after, 0.0, alive), linear=before, gain=gain)
    daughters = [
        picture.posed(
            label=mother.label, centre=mother.centre + sign * apart, linear=squeeze @ mother.linear * factor,
            bend=sign * mother.bend[:, ::sign], opacity=np.where(after, alive, 0.0), gain=gain,
        )
        for picture, sign, factor in ((mother, 1, 1.0), (twin, -1, ratio))
    ]  # fmt: skip
    return [*sprites[:at], first, *daughters, *sprites[at + 1 :]]


def _across(axis: Array, along: float, across: float) -> Array:
    """Matrix that scales by `along` along `axis` and by `across` at right angles to it."""
    return across * np.eye(2) + (along - across) * np.outer(axis, axis)
