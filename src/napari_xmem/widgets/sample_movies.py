"""Sample movies for File > Open Sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_xmem.errors import InputError

__all__ = ["dividing_nuclei", "hela_download", "simulated_nuclei", "simulated_phase_contrast"]

HELA_URL = "https://data.celltrackingchallenge.net/training-datasets/Fluo-N2DL-HeLa.zip"


def dividing_nuclei() -> list[tuple[Any, dict[str, Any], str]]:
    """Return simulated nuclei that divide and a Labels layer with seeds on frame 0."""
    from napari_xmem import sample_data

    movie = sample_data.dividing_nuclei()
    return _layers(movie.image, movie.bodies, "dividing nuclei", 0.65)


def simulated_nuclei() -> list[tuple[Any, dict[str, Any], str]]:
    """Return simulated fluorescent nuclei and a Labels layer with seeds on frame 0."""
    from napari_xmem import sample_data

    return _layers(*sample_data.simulated_nuclei(), "nuclei", 0.65)


def simulated_phase_contrast() -> list[tuple[Any, dict[str, Any], str]]:
    """Return simulated cells in phase contrast and a Labels layer with seeds on frame 0."""
    from napari_xmem import sample_data

    return _layers(*sample_data.simulated_phase_contrast(), "phase contrast", 1.3)


def hela_download() -> list[tuple[Any, dict[str, Any], str]]:
    """Download Fluo-N2DL-HeLa of the Cell Tracking Challenge (about 200 MB, once) and open its first movie.

    Returns
    -------
    list of layer tuples
        The movie, and the challenge's markers of frame 0 as seeds.

    Raises
    ------
    InputError
        If it cannot be downloaded or read.

    References
    ----------
    Ulman et al., Nature Methods 2017, doi 10.1038/nmeth.4473; Maska et al., Nature Methods 2023. The challenge asks
    users of its data to cite them.
    """
    import pooch
    import tifffile

    folder = pooch.os_cache("napari-xmem")
    try:
        names = pooch.retrieve(HELA_URL, known_hash=None, path=folder, processor=pooch.Unzip(), progressbar=False)
        frames = sorted(n for n in names if "/01/" in n.replace("\\", "/") and n.endswith(".tif"))
        markers = sorted(n for n in names if "/01_GT/TRA/" in n.replace("\\", "/") and n.endswith(".tif"))
        movie = np.stack([tifffile.imread(name) for name in frames])
        seeds = tifffile.imread(markers[0])
    except Exception as error:
        raise InputError(
            f"Fluo-N2DL-HeLa could not be downloaded ({error}). Without a network try the simulated samples, or "
            f"download {HELA_URL} by hand and open its folder 01."
        ) from error
    truth = np.zeros(movie.shape, np.uint16)
    truth[0] = seeds
    return _layers(movie, truth, "Fluo-N2DL-HeLa", 0.645)


def _layers(movie: Any, truth: Any, name: str, pixel_um: float) -> list[tuple[Any, dict[str, Any], str]]:
    seeds = np.zeros(truth.shape, np.uint16)
    seeds[0] = truth[0]
    place = {
        "scale": (1.0, pixel_um, pixel_um),
        "units": ("pixel", "micrometer", "micrometer"),
        "axis_labels": ("t", "y", "x"),
    }
    limits = tuple(float(v) for v in np.percentile(movie[0], (0.5, 99.8)))
    return [
        (movie, {"name": name, "contrast_limits": limits, **place}, "image"),
        (seeds, {"name": f"{name} seeds", "opacity": 0.6, **place}, "labels"),
    ]
