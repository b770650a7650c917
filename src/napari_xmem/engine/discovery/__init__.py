"""Finding the rest: the objects of a frame that look like painted ones.

`find` prepares a frame and composes the result; `frame_search` looks for places, again as long as something is left;
`key_similarity` says where the frame looks like the examples, `candidate_masks` decodes places with their memories,
`candidate_filter` says which candidates are objects. `newcomers` and `entering_cell` do so during a run.
"""

from __future__ import annotations

from napari_xmem.engine.discovery.find import find_similar
from napari_xmem.engine.discovery.found_objects import FoundObjects

__all__ = ["FoundObjects", "find_similar"]
