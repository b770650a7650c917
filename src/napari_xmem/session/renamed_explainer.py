"""Asking a run about an object that has another number now than the run gave it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_xmem.engine import Explanation
    from napari_xmem.engine.explain import Explainer, MemoryHistory

    Explainers = tuple[tuple[frozenset[int] | None, "Explainer | RenamedExplainer"], ...]

__all__ = ["RenamedExplainer", "renamed_explainers"]


class RenamedExplainer:
    """An explainer that knows objects under earlier numbers.

    Parameters
    ----------
    explainer : Explainer or RenamedExplainer
        Knows the earlier numbers.
    earlier : mapping of int to int
        Number of now to the number that `explainer` knows.
    """

    def __init__(self, explainer: Explainer | RenamedExplainer, earlier: Mapping[int, int]) -> None:
        self._explainer, self._earlier = explainer, dict(earlier)

    @property
    def history(self) -> MemoryHistory:
        """States of memory that were recorded."""
        return self._explainer.history

    @history.setter
    def history(self, history: MemoryHistory) -> None:
        self._explainer.history = history

    def explain(
        self, frame: int, y: float, x: float, object_id: int | None = None, top: int | None = None
    ) -> Explanation:
        """Answer `napari_xmem.engine.explain.Explainer.explain` for the number of now."""
        asked = object_id or 0
        told = self._explainer.explain(frame, y, x, self._earlier.get(asked, asked), top)
        return replace(told, object_id=asked)


def renamed_explainers(explainers: Explainers, numbers: Mapping[int, int]) -> Explainers:
    """Return the explainers of a frame after its objects were renumbered, old number to new number."""
    earlier = {new: old for old, new in numbers.items() if new}
    return tuple(
        (
            None if objects is None else frozenset(numbers.get(i, i) for i in objects),
            RenamedExplainer(explainer, earlier),
        )
        for objects, explainer in explainers
    )
