"""Loading what a run needs while the user still looks at the form."""

from __future__ import annotations

import sys
import threading
from importlib import import_module

__all__ = ["warm_up"]


def warm_up() -> None:
    """Import torch and all that computes in a thread of its own: on the first click the window would stand still."""
    if "torch" not in sys.modules:
        threading.Thread(target=import_module, args=("napari_xmem.session.session",), daemon=True).start()
