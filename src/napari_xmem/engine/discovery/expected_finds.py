"""How many more objects a frame may hold, before anything is searched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_xmem.engine.device_resources import to_device
from napari_xmem.engine.discovery.frame_search import least_likeness, likeness_to_owned
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.engine.scopes.tiling import encode_regions
from napari_xmem.imaging import object_ids, resize_labels
from napari_xmem.model import inference_settings

if TYPE_CHECKING:
    from napari_xmem.engine.cost.budget import Budget
    from napari_xmem.engine.run import Run

__all__ = ["room_for_more"]


@inference_settings()
def room_for_more(run: Run, budget: Budget) -> int:
    """Return how many objects of the painted ones' median size have room in what looks like them and is nobody's.

    The first painted frame is encoded and compared with itself; nothing is decoded.

    Parameters
    ----------
    run : Run
        The run.
    budget : Budget
        How much is computed at a time.
    """
    frame, model = min(run.seeds), run.network.config
    geometry, stride = run.prepare.geometry, model.stride_px
    owner = np.zeros(geometry.padded_shape, np.int32)
    height, width = geometry.scaled_shape
    owner[:height, :width] = resize_labels(run.seeds[frame].astype(np.int32), geometry.scaled_shape)
    areas = [int(np.count_nonzero(owner == i)) for i in object_ids(owner)]
    if not areas:
        return 0
    image = to_device(run.prepare(run.source.read(frame), frame), run.network.device)[None]
    encoded = encode_regions(run.network, image, [Region(0, 0, *geometry.padded_shape)], budget.tile, memorise=False)
    likeness = likeness_to_owned(model, encoded, owner > 0, budget.similarities)
    cells = torch.nn.functional.avg_pool2d(torch.from_numpy(owner > 0)[None, None].float(), stride)[0, 0].numpy()
    usual = float((likeness * cells).sum() / max(1e-6, cells.sum()))
    alike = (likeness >= least_likeness(usual)) * (1 - cells)
    alike[-(-height // stride) :], alike[:, -(-width // stride) :] = 0, 0
    return round(float(alike.sum()) * stride**2 / float(np.median(areas)))
