"""``python -m napari_xmem`` is the command ``napari-xmem``."""

from __future__ import annotations

import sys

from napari_xmem.cli import main

sys.exit(main())
