"""Finding the rest: the objects of a frame that look like painted ones.

`find` prepares a frame and composes the result; `search` looks for places, again as long as something is left;
`likeness` says where the frame looks like the examples, `transplant` decodes places with their memories, `choice` says
which candidates are objects.
"""

from __future__ import annotations

from napari_xmem.engine.discovery.find import find_similar
from napari_xmem.engine.discovery.found_objects import FoundObjects

__all__ = ["FoundObjects", "find_similar"]
