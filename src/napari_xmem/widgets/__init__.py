"""The viewer: dock widgets, menu actions and samples. The only room that imports napari, magicgui and Qt.

A folder for each dock (`propagate`, `review`, `memory`, `explain`), and what docks share: `common` (forms, charts),
`jobs` (what runs in threads), `layers` (layers as movies, seeds and results).
"""

from __future__ import annotations

from importlib.util import find_spec

__all__: list[str] = []

_missing = [name for name in ("napari", "magicgui", "qtpy", "superqt") if find_spec(name) is None]
if _missing:
    raise ImportError(
        f"the docks of napari-xmem need {', '.join(_missing)}: install with \"pip install 'napari-xmem[all]'\", "
        "which brings napari and its windows. Python and the command line work without."
    )
