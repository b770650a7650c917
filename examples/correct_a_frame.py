"""Correct one frame and propagate only what that can change: python examples/correct_a_frame.py."""

from __future__ import annotations

import argparse

from napari_xmem.sample_data import simulated_nuclei
from napari_xmem.session import TrackingSession


def main() -> None:
    """Run, correct a frame with the truth, take it back, lock a frame."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--size", type=int, default=160)
    args = parser.parse_args()

    movie, truth = simulated_nuclei(frames=args.frames, size_px=(args.size, args.size), n_objects=8)
    session = TrackingSession(movie, {0: truth[0]}, model=args.model)
    session.run()

    # The frame that deserves a look first, and why.
    for frame in session.review().frames_to_check(3):
        print(frame)

    middle = args.frames // 2
    summary = session.correct({middle: truth[middle]})  # labels that are right as a whole
    print(summary)

    print("undone:", session.undo().title)
    print("done again:", session.redo().title)

    session.lock([args.frames - 1])  # never overwritten from here on
    print("locked:", session.snapshot().locked)
    print("labels:", session.result().labels.shape)


if __name__ == "__main__":
    main()
