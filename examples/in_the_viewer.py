"""Drive the dock "Propagate labels" from a script: python examples/in_the_viewer.py."""

from __future__ import annotations

import argparse

import napari
import numpy as np

from napari_xmem.sample_data import simulated_nuclei


def main() -> None:
    """Open a movie with seeds, run, look at the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--close", action="store_true", help="close the window at the end")
    args = parser.parse_args()

    movie, truth = simulated_nuclei(frames=args.frames, size_px=(args.size, args.size), n_objects=8)
    seeds = np.zeros_like(truth)
    seeds[0] = truth[0]

    viewer = napari.Viewer(show=not args.close)
    viewer.add_image(movie, name="nuclei")
    viewer.add_labels(seeds, name="seeds")
    _, widget = viewer.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")

    # Every control of the dock is a property of the widget.
    widget.image, widget.seeds = "nuclei", "seeds"
    widget.model = args.model
    widget.direction = "forward"
    widget.last_frame = args.frames - 1
    widget.frame_done.connect(lambda result: print(f"frame {result.frame}: {len(result.object_ids)} objects"))

    tracked = widget.run(wait=True)  # the viewer stays alive meanwhile; wait=False comes back at once

    print(tracked.name, tracked.data.shape, tracked.metadata["napari_xmem"]["scope_reason"])
    scores = tracked.metadata["napari_xmem_scores"]
    print("mean confidence on the last frame:", float(np.nanmean(scores.confidence[-1])))
    if args.close:
        viewer.close()
    else:
        napari.run()


if __name__ == "__main__":
    main()
