"""Loading what a run needs while the user still looks at the form."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from importlib import import_module

from napari_xmem.widgets.layers.label_colours import warm_up_colours

__all__ = ["warm_up"]

_begun = threading.Event()


def warm_up() -> None:
    """Import what is slow to import, and compile what draws results, in a thread: the window would stand still."""
    if not _begun.is_set():
        _begun.set()
        threading.Thread(target=_warm_up, daemon=True).start()


def _warm_up() -> None:
    for name in ("xarray", "napari_xmem.simulate"):  # napari asks of every image whether it is one of xarray's
        with suppress(ImportError):
            import_module(name)
    if "torch" not in sys.modules:
        import_module("napari_xmem.session.session")
    warm_up_colours()
