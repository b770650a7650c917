"""A result of `propagate`, taken up by a session as if the session had made it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_xmem.config import PropagationConfig
from napari_xmem.engine import settings_of_recipe
from napari_xmem.engine.explain import Explainer
from napari_xmem.errors import SeedError, SessionError
from napari_xmem.session.results import FrameRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_xmem.engine import PropagationResult
    from napari_xmem.imaging import FrameSource
    from napari_xmem.model import XMem

__all__ = ["records_of", "seeds_of", "settings_of"]


def settings_of(result: PropagationResult) -> tuple[PropagationConfig, str | XMem]:
    """Return the settings of a result, and its network: the one at hand, else its name.

    Raises
    ------
    SessionError
        If the result says nothing of its run.
    """
    if not result.recipe:
        raise SessionError(
            "This result has no recipe: it does not say how it was made. Labels alone are taken by "
            "TrackingSession.of_labels(frames, result.labels)."
        )
    settings = settings_of_recipe(result.recipe)
    model: str = settings["model"]
    explainer = result.explainer
    return PropagationConfig.among(settings), explainer.run.network if isinstance(explainer, Explainer) else model


def seeds_of(result: PropagationResult) -> dict[int, NDArray[Any]]:
    """Return what was painted, as far as a result says it: its labels on the frames that had seeds."""
    return {t: result.labels[t] for t in result.recipe["seeded_frames"]}


def records_of(result: PropagationResult, source: FrameSource) -> Iterator[FrameRecord]:
    """Give every frame of a result as a session keeps it.

    Raises
    ------
    SeedError
        If the result is that of another movie.
    """
    expected = (len(source), *source.frame_shape)
    if result.labels.shape != expected:
        raise SeedError(
            f"The result has labels of shape {result.labels.shape}, expected {expected} as of the movie. Give the "
            "movie that it was made of."
        )
    explainer = result.explainer
    explainers = ((None, explainer),) if isinstance(explainer, Explainer) else ()
    memory = {snapshot.frame: snapshot for snapshot in result.memory}
    for t in result.scores.frames.tolist():
        yield FrameRecord.of(replace(result.frame(t), memory=memory.get(t)), explainers)
