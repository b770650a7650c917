"""Counting operator calls by phase."""

from __future__ import annotations

import torch

from napari_xmem_benchmark import operator_calls


def test_calls_belong_to_the_innermost_phase_and_views_are_told_from_launches() -> None:
    class Work:
        def outer(self, x: torch.Tensor) -> torch.Tensor:
            first, _ = self.inner(x[1:]).split(2)  # three views, and an addition after the inner phase
            return first.chunk(2)[0] + 1

        def inner(self, x: torch.Tensor) -> torch.Tensor:
            return x.mul(2).add_(1)

    original, meter = Work.outer, operator_calls.Meter()
    with operator_calls.watched(meter, [("outer", Work, "outer"), ("inner", Work, "inner")]), meter:
        Work().outer(torch.zeros(5)).neg()
    assert Work.outer is original
    assert dict(meter.calls) == {"inner": 2, "outer": 1, "other": 2}  # of the last two one made the zeros
    assert meter.views["outer"] == 3
    assert set(meter.seconds) == {"outer", "inner", "other"}
    assert "| outer | 1 | 3 |" in operator_calls.table(meter, 1, "one frame")


def test_every_phase_that_is_watched_is_there() -> None:
    places = [place for places in operator_calls.PHASES.values() for place in places]
    assert len(places) > 10 and all(callable(getattr(owner, name)) for owner, name in places)
