"""Give the memory a rule of your own for what to forget: python examples/custom_policy.py."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from torch import Tensor

import napari_xmem as nx
from napari_xmem.sample_data import simulated_nuclei


@dataclass(frozen=True)
class ForgetTheMiddle:
    """Elements of middle age go first: the oldest show how it began, the youngest how it is now."""

    half_life_frames: float
    uses_feedback = False

    def worth(
        self, *, usage: Tensor, age_frames: Tensor, relevance: Tensor, contribution: Tensor, isolation: Tensor
    ) -> Tensor:
        """Rate elements (m,); the least worth go first when long-term memory is full."""
        return (age_frames - self.half_life_frames).abs()


def main() -> None:
    """Give the rule in place of a name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=160)
    args = parser.parse_args()

    memory = nx.MemoryConfig(
        eviction=ForgetTheMiddle(half_life_frames=6),
        memory_interval_frames=1,  # remember much and keep little, so that the rule has work to do
        working_min_frames=2,
        working_max_frames=4,
        num_prototypes=16,
        long_term_max_elements=64,
    )

    movie, truth = simulated_nuclei(frames=args.frames, size_px=(args.size, args.size), n_objects=8)
    result = nx.propagate(movie, truth[0], model=args.model, memory=memory)

    print(nx.evaluate(result.labels, truth, frames=None))
    removed = [event for snapshot in result.memory for event in snapshot.events if event.kind == "evicted"]
    print(f"{len(removed)} removals, {sum(event.removed for event in removed)} elements")


if __name__ == "__main__":
    main()
