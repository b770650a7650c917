"""Arrays in, arrays out: axes, intensity, scaling, padding, seeds and labels."""

from __future__ import annotations

from napari_xmem.imaging.axes import AxisPlan
from napari_xmem.imaging.brightness import BrightnessChange, brightness_change, brightness_profile
from napari_xmem.imaging.contrast import local_contrast, luminance
from napari_xmem.imaging.labels import (
    MAX_ID,
    label_at,
    label_dtype,
    labels_to_masks,
    median_diameter_px,
    median_width_px,
    object_areas,
    object_boxes,
    object_centres,
    object_ids,
)
from napari_xmem.imaging.normalise import IntensityNormaliser, NonFinitePixelsWarning
from napari_xmem.imaging.reading import read_part
from napari_xmem.imaging.scaling import resize_image, resize_labels, scale_factor
from napari_xmem.imaging.seed_forms import (
    count_parts,
    fill_outlines,
    hollow_objects,
    number_parts,
    seed_notes,
    split_parts,
)
from napari_xmem.imaging.seeds import check_labels, check_not_an_image, normalise_seeds
from napari_xmem.imaging.source import FrameSource, known_shape

__all__ = [
    "MAX_ID",
    "AxisPlan",
    "BrightnessChange",
    "FrameSource",
    "IntensityNormaliser",
    "NonFinitePixelsWarning",
    "brightness_change",
    "brightness_profile",
    "check_labels",
    "check_not_an_image",
    "count_parts",
    "fill_outlines",
    "hollow_objects",
    "known_shape",
    "label_at",
    "label_dtype",
    "labels_to_masks",
    "local_contrast",
    "luminance",
    "median_diameter_px",
    "median_width_px",
    "normalise_seeds",
    "number_parts",
    "object_areas",
    "object_boxes",
    "object_centres",
    "object_ids",
    "read_part",
    "resize_image",
    "resize_labels",
    "scale_factor",
    "seed_notes",
    "split_parts",
]
