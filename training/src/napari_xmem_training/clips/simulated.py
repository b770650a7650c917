"""Clips from simulated movies: a window that follows one of their objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_xmem_training.clips.ops import Border, Floats, affine, resize
from napari_xmem_training.clips.paths import window_path
from napari_xmem_training.clips.scene import Rendered

if TYPE_CHECKING:
    from napari_xmem.simulate import SimulatedMovie
    from napari_xmem_training.clips.clip import ClipConfig

__all__ = ["FORESIGHT_FRAMES", "division_events", "events_of_births", "follow", "followed", "simulated_kinds"]

FORESIGHT_FRAMES = 3
"""An object is about to divide if it does so within this many frames."""

Labels = npt.NDArray[np.uint16]


def simulated_kinds(config: ClipConfig) -> dict[str, float]:
    """Return the simulated kinds to use and their shares of 1."""
    from napari_xmem.simulate import KINDS

    weights = dict(config.mixture.kinds) if config.mixture.kinds else dict.fromkeys(KINDS, 1.0)
    total = sum(weights.values()) or 1.0
    return {kind: weight / total for kind, weight in weights.items()}


def followed(rng: np.random.Generator, name: str, config: ClipConfig) -> Rendered | None:
    """Simulate a short movie and follow one object of its first frame.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    name : str
        A kind of `napari_xmem.simulate`.
    config : ClipConfig
        Size of the clip.

    Returns
    -------
    Rendered or None
        None if the first frame shows nothing to follow.
    """
    from napari_xmem.simulate import simulate

    diameter = config.draw_diameter(rng)
    coarse = float(1.0 if rng.random() < 0.35 else rng.uniform(1.1, 2.3))
    side = max(64, round(config.window_px * 1.4 / coarse))
    movie = simulate(name, rng, frames=config.n_frames, size_px=(side, side), diameter_px=diameter / coarse)
    dividing = _dividing(movie) if config.mixture.eventful and rng.random() < config.mixture.eventful else None
    label = _target(rng, movie.labels[0], dividing)
    if label is None:
        return None
    border: Border = "edge" if rng.random() < 0.2 else "zero"
    return follow(rng, movie.image, movie.labels, label, diameter, config, border, division_events(movie, label))


def follow(
    rng: np.random.Generator,
    image: npt.NDArray[Any],
    labels: Labels,
    label: int,
    diameter: float,
    config: ClipConfig,
    border: Border = "zero",
    events: Floats | None = None,
) -> Rendered:
    """Cut the window that follows one object of a movie.

    Parameters
    ----------
    rng : Generator
        Source of all randomness.
    image, labels : ndarray
        (T, Y, X[, C]) frames and (T, Y, X) labels.
    label : int
        The object; it must be in the first frame.
    diameter : float
        To which it is scaled in the first frame, pixels.
    config : ClipConfig
        Size of the clip.
    border : {"zero", "edge"}
        What lies outside the movie.
    events : ndarray or None
        See `Rendered`.
    """
    area = float(np.count_nonzero(labels[0] == label))
    scale = min(diameter / np.sqrt(4 * area / np.pi), 3.0)
    low, high = _percentiles(image)
    centres = _centres(labels == label)
    corners = window_path(rng, (centres + 0.5) * scale - 0.5, config.window_px)
    if rng.random() < 0.85:  # regions move inwards at the border of a movie
        limit = np.array(labels.shape[1:]) * scale - config.window_px
        corners = np.clip(corners, 0, np.maximum(0, limit))
    frames = []
    for t, corner in enumerate(corners):
        colour = (np.atleast_3d(image[t]).astype(np.float32) - low) / (high - low)
        frames.append(_window(colour, labels[t], label, corner, scale, config.window_px, border))
    stack = np.stack(frames)
    target = stack[..., -2] > 0.5
    drawn = np.ascontiguousarray(stack[..., :-2])
    others = (stack[..., -1] > 0.5) & ~target
    return Rendered(drawn, target, others, "simulated", np.sqrt(4 * area / np.pi) * scale, events)


def division_events(movie: SimulatedMovie, label: int) -> Floats:
    """Return what the lineage says about an object of the first frame, (T, 3) float32; see `Clip.events`."""
    family = [body for body in np.unique(movie.bodies[movie.labels == label]).tolist() if body]
    born = sorted(movie.births[body] for body in family if body in movie.parents and movie.parents[body] in family)
    return events_of_births(len(movie.labels), born)


def events_of_births(frames: int, born: list[int]) -> Floats:
    """Turn the frames on which daughters are first seen into what is known of every frame, (T, 3) float32."""
    events = np.zeros((frames, 3), np.float32)
    times = np.arange(frames)
    first = min(born, default=None)
    if first is None:
        events[times + FORESIGHT_FRAMES >= frames, 0] = np.nan
        return events
    events[:, 0] = (times < first) & (times >= first - FORESIGHT_FRAMES)
    events[times >= first, 0] = np.nan
    events[born, 1] = 1
    events[first:, 2] = 1
    return events


def _dividing(movie: SimulatedMovie) -> npt.NDArray[np.int64]:
    """Labels of which two daughters are seen on one frame."""
    lineage = movie.lineage_labels
    if lineage is None:
        return np.zeros(0, np.int64)
    found = set()
    for labels, bodies in zip(movie.labels, lineage, strict=True):
        pairs = np.unique(np.stack([labels.ravel(), bodies.ravel()]), axis=1)[0]
        names, counts = np.unique(pairs, return_counts=True)
        found |= set(names[(counts > 1) & (names > 0)].tolist())
    return np.array(sorted(found), np.int64)


def _target(rng: np.random.Generator, labels: Labels, wanted: npt.NDArray[np.int64] | None = None) -> int | None:
    """Choose an object of the first frame, rarely one that the border cuts; one of `wanted` if any is there."""
    areas = np.bincount(labels.ravel()).astype(float)
    areas[0] = 0.0
    if not areas.any():
        return None
    weights = np.where(areas >= 0.3 * np.median(areas[areas > 0]), 1.0, 0.0)
    weights[0] = 0.0
    rim = labels.shape[0] // 6
    weights[np.unique(labels[rim:-rim, rim:-rim])] *= 4.0
    weights[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))] *= 0.3
    weights[0] = 0.0
    if wanted is not None and len(wanted):
        chosen = np.zeros_like(weights)
        inside = wanted[wanted < len(weights)]
        chosen[inside] = weights[inside]
        weights = chosen if chosen.any() else weights
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def _percentiles(image: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Intensities that become 0 and 1, per channel, measured over the whole movie."""
    samples = image[:, ::3, ::3].reshape(-1, image.shape[3] if image.ndim == 4 else 1)
    low, high = np.percentile(samples, (0.5, 99.8), axis=0).astype(np.float32)
    return low, np.maximum(high, low + 1)


def _centres(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Middle of the target per frame, NaN where it is absent."""
    centres = np.full((len(mask), 2), np.nan)
    for t, frame in enumerate(mask):
        y, x = np.nonzero(frame)
        if len(y):
            centres[t] = y.mean(), x.mean()
    return centres


def _window(
    colour: Floats, labels: Labels, label: int, corner: npt.NDArray[np.float64], scale: float, size: int, border: Border
) -> Floats:
    """Cut one frame's window at the scale of the clip: colours, target, others."""
    own = labels == label
    masks = np.stack([own, (labels > 0) & ~own], -1).astype(np.float32)
    if scale < 0.8:
        shape = (round(labels.shape[0] * scale), round(labels.shape[1] * scale))
        colour, masks, scale = resize(colour, shape), resize(masks, shape), 1.0
    offset = (corner + 0.5) / scale - 0.5
    matrix = np.array([[1 / scale, 0, offset[0]], [0, 1 / scale, offset[1]]])
    shape = (size, size)
    return np.concatenate([affine(colour, matrix, shape, border), affine(masks, matrix, shape, "zero")], axis=-1)
