"""A finished run in a viewer, as "Propagate labels" leaves it, without the wait."""

from __future__ import annotations

from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.session import TrackingSession
from napari_xmem.widgets.layers.movie_view import MovieView
from napari_xmem.widgets.layers.result_layer import METADATA_KEY, ResultTarget, keep_session
from widget_scenes import drifting_discs

#: Whole frames at scale 1 are quick, and are memorised however bad an untrained network's masks are.
CONFIG = PropagationConfig(
    scope="global",
    diameter_px=42.0,
    device="cpu",
    memory=MemoryConfig(memory_interval_frames=2, working_min_frames=1, working_max_frames=8),
)


def add_result(viewer, network, n_frames=8):
    """Add a movie and its result; returns layer, session, truth."""
    movie, truth = drifting_discs(n_frames)
    image = viewer.add_image(movie, name="movie", scale=(1, 0.5, 0.5), translate=(0, 10, 20))
    view = MovieView.of_layer(image)
    target = ResultTarget(view)
    session = TrackingSession(view.source(None), {0: truth[0]}, model=network, config=CONFIG, write=target.write)
    target.allocate(session.prepare().dtype)
    session.run()
    layer = viewer.add_labels(
        target.data, name="movie tracked", metadata={METADATA_KEY: {}}, scale=image.scale, translate=image.translate
    )
    keep_session(layer, session, view)
    return layer, session, truth
