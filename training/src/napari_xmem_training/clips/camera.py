"""From a drawn scene to what a camera records: focus, light, noise, resolution, bleaching, frame errors."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from napari_xmem_training.clips.clip import Clip
from napari_xmem_training.clips.ops import Floats, blur, box_mean, resize

if TYPE_CHECKING:
    from napari_xmem_training.clips.scene import Rendered

__all__ = ["finish", "photograph"]

CONTRAST_PX = 21
_EPSILON = 0.02
_TILE_PX = 1024


def photograph(rng: np.random.Generator, drawn: Rendered) -> Rendered:
    """Apply clip-level augmentations; masks follow where they must.

    Simulated movies come from a camera already: most get turned and toned only.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    drawn : Rendered
        What was drawn.
    """
    drawn = _turn(rng, _repeat(rng, drawn))
    colour = _tone(rng, _stain(rng, drawn.colour))
    if drawn.kind.startswith("simulated") and rng.random() < 0.65:
        return replace(drawn, colour=colour)
    factor = float(rng.uniform(1.2, 3.2)) if rng.random() < 0.4 else 1.0
    return replace(drawn, colour=_expose(rng, _light(rng, colour), factor))


def _repeat(rng: np.random.Generator, drawn: Rendered) -> Rendered:
    """Sometimes a frame is recorded twice."""
    frames = len(drawn.colour)
    if rng.random() > 0.05:
        return drawn
    order = np.arange(frames)
    at = int(rng.integers(1, frames))
    order[at:] -= 1
    events = None if drawn.events is None else drawn.events[order]
    return replace(
        drawn, colour=drawn.colour[order], target=drawn.target[order], others=drawn.others[order], events=events
    )


def _turn(rng: np.random.Generator, drawn: Rendered) -> Rendered:
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))

    def apply(stack: Floats) -> Floats:
        stack = np.rot90(stack, turns, (1, 2))
        return np.ascontiguousarray(stack[:, ::-1] if flip else stack)

    return replace(drawn, colour=apply(drawn.colour), target=apply(drawn.target), others=apply(drawn.others))  # type: ignore[arg-type]


def _stain(rng: np.random.Generator, colour: Floats) -> Floats:
    """Sometimes spread a grey clip over colour channels: stains, single fluorescent channels."""
    if colour.shape[-1] != 1 or rng.random() > 0.06:
        return colour
    present = rng.random(3) < 0.7
    present[int(rng.integers(3))] = True
    gain, gamma = rng.uniform(0.8, 1.15, 3), np.exp(rng.normal(0, 0.25, 3))
    stained = np.sign(colour) * np.abs(colour) ** gamma.astype(np.float32) * gain.astype(np.float32)
    stained = np.where(rng.random(3) < 0.1, 1 - stained, stained)
    return np.where(present, stained, 0).astype(np.float32)


def _tone(rng: np.random.Generator, colour: Floats) -> Floats:
    """Gamma, inversion, and the jitter of the percentiles that normalise a movie."""
    if rng.random() < 0.5:
        gamma = float(np.exp(rng.uniform(-0.5, 0.5)))
        colour = np.sign(colour) * np.abs(colour) ** np.float32(gamma)
    if rng.random() < 0.2:
        colour = 1 - colour
    gain, offset = float(np.exp(rng.normal(0, 0.18))), float(rng.normal(0, 0.05))
    return colour * np.float32(gain) + np.float32(offset)


def _light(rng: np.random.Generator, colour: Floats) -> Floats:
    """Uneven light over the field and brightness that drifts over time."""
    frames, height, width = colour.shape[:3]
    if rng.random() < 0.3:
        coarse = rng.standard_normal((3, 3)).astype(np.float32) * rng.uniform(0.03, 0.2)
        field = resize(coarse, (height, width))[None, ..., None]
        colour = colour * (1 + field) if rng.random() < 0.5 else colour + 0.5 * field
    if rng.random() < 0.35:
        drift = np.cumsum(rng.normal(rng.normal(0, 0.03), 0.02, frames)).astype(np.float32)
        colour = colour * np.exp(drift - drift[0])[:, None, None, None]
    if rng.random() < 0.1:
        flicker = np.asarray(rng.normal(0, 0.06, frames), np.float32)
        colour = colour + flicker[:, None, None, None]
    return colour


def _expose(rng: np.random.Generator, colour: Floats, factor: float) -> Floats:
    """Focus, loss of resolution by `factor`, noise and coarse digits; every frame on its own."""
    frames, height, width = colour.shape[:3]
    small = (max(16, round(height / factor)), max(16, round(width / factor)))
    focus = float(rng.uniform(0, 1.8)) if rng.random() < 0.3 else 0.0
    wobble = float(rng.uniform(0, 1.2)) if rng.random() < 0.15 else 0.0
    faint = float(np.clip(colour[0].std() / 0.2, 0.3, 1.0))
    sigma = faint * float(np.exp(rng.uniform(np.log(0.003), np.log(0.08)))) if rng.random() < 0.75 else 0.0
    shot = faint * float(np.exp(rng.uniform(np.log(0.004), np.log(0.1)))) if rng.random() < 0.4 else 0.0
    steps = float(np.exp(rng.uniform(np.log(14), np.log(120)))) if rng.random() < 0.1 else 0.0
    out = np.empty_like(colour)
    for t in range(frames):
        frame = blur(colour[t], focus + wobble * abs(float(rng.standard_normal())))
        frame = resize(frame, small) if factor > 1 else frame
        if sigma or shot:
            spread = np.sqrt(sigma**2 + shot**2 * np.clip(frame, 0, 2)) if shot else np.float32(sigma)
            frame = frame + spread * _white(rng, frame.shape)
        if steps:
            frame = np.asarray(np.round(frame * steps) / steps, np.float32)
        out[t] = resize(frame, (height, width), smooth=bool(rng.integers(2))) if factor > 1 else frame
    return out


@cache
def _tile() -> Floats:
    """White noise to cut from: drawing it again for every frame is the dearest part of a clip."""
    return np.random.default_rng(0).standard_normal((_TILE_PX, _TILE_PX), np.float32)


def _white(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Cut (H, W, C) noise of unit variance from the tile, every channel from another place."""
    tile, planes = _tile(), []
    for _ in range(shape[2]):
        top, left = (int(rng.integers(_TILE_PX - n + 1)) for n in shape[:2])
        plane = tile[top : top + shape[0], left : left + shape[1]]
        planes.append(-plane if rng.integers(2) else plane)
    return np.stack(planes, axis=-1)


def local_contrast(grey: Floats) -> Floats:
    """Local mean removed, divided by the local spread (21 px), clipped to +-3 and scaled by 1/3; as in `imaging`."""
    mean = box_mean(grey, CONTRAST_PX)
    square = box_mean(grey * grey, CONTRAST_PX)
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    return np.asarray(np.clip((grey - mean) / (spread + _EPSILON), -3, 3) * np.float32(0.33), np.float32)


def finish(drawn: Rendered) -> Clip:
    """Clip intensities and add the local contrast: what the network sees."""
    colour = np.clip(drawn.colour, -0.5, 2.0)
    frames, height, width = colour.shape[:3]
    image = np.empty((frames, 4, height, width), np.float32)
    image[:, :3] = np.moveaxis(colour, -1, 1)
    for t in range(frames):
        grey = colour[t, ..., 0] if colour.shape[-1] == 1 else colour[t].mean(-1)
        image[t, 3] = local_contrast(np.ascontiguousarray(grey))
    events = np.full((frames, 3), np.nan, np.float32) if drawn.events is None else drawn.events
    return Clip(image, drawn.target.astype(np.float32), drawn.others.astype(np.float32), events, drawn.kind)
