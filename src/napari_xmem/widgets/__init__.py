"""The viewer: docks, menu actions and sample movies. The only room that imports napari, magicgui and Qt.

Folders, each of which uses those before it:

- `common`: forms, charts, status lines, theme; knows no layer of ours.
- `layers`: layers as movies, seeds and results.
- `jobs`: what threads do, and the one runner of a viewer that lets them.
- `saving`: everything in one file, and asking before a window closes.
- `propagate`, `review`, `lineage`, `memory`, `explain`: a dock each.

Every dock has a `dock.py` with its widget, a `form.py` or `panel.py` with its controls, and parts that the widget owns.
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
