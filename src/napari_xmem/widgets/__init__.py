"""The viewer: dock widgets, menu actions and samples. The only room that imports napari, magicgui and Qt.

Reading order: `propagate` (the dock), `_job` (what its thread does), `_worker` (how threads are run),
`_movie` and `_seeds` (layers as frames), `_results` (the result layer), `_forms`, `_status`, `_theme` (looks).
"""

from __future__ import annotations

__all__: list[str] = []
