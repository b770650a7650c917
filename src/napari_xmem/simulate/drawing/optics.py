"""From thickness to the picture of a transmitted-light microscope."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_xmem.simulate.drawing.noise import blur

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]

__all__ = ["brightfield", "dic", "phase_contrast"]


def phase_contrast(phase: F32, *, halo_px: float, halo: float, psf_px: float, gain: float = 1.0) -> F32:
    """Positive phase contrast: thin things are dark with a bright halo, thick ones shine.

    Parameters
    ----------
    phase : ndarray
        (T, Y, X) float32 phase shift in radians, 0 to about 3.
    halo_px, halo : float
        Width of the halo and its strength, 0 to 1.
    psf_px : float
        Blur.
    gain : float
        Contrast.

    Returns
    -------
    ndarray
        (T, Y, X) float32, background about 0.5.

    References
    ----------
    Zernike 1942; with a quarter-wave plate the intensity is ``1 + 2 (1 - cos p - sin p)``.
    """
    phase = blur(phase, psf_px)
    lifted = phase - np.float32(halo) * blur(np.minimum(phase, np.float32(0.9)), halo_px)
    np.minimum(lifted, np.float32(3.7), out=lifted)
    light = np.float32(1) - np.cos(lifted) - np.sin(lifted)
    light *= np.float32(0.5 * gain)
    light += np.float32(0.5)
    return np.minimum(light, np.float32(0.8) + np.float32(0.25) * light)


def dic(phase: F32, *, direction: float, psf_px: float, gain: float, halo: float = 0.0) -> F32:
    """Differential interference contrast: the slope of thickness along a direction, as if lit from one side.

    Parameters
    ----------
    phase : ndarray
        (T, Y, X) float32 thickness.
    direction : float
        Radians.
    psf_px, gain : float
        Blur, and light per unit of slope per pixel.
    halo : float
        Share of the thickness that darkens directly.
    """
    phase = blur(phase, psf_px)
    slope_y = np.zeros_like(phase)
    slope_x = np.zeros_like(phase)
    slope_y[:, 1:-1] = (phase[:, 2:] - phase[:, :-2]) * np.float32(0.5 * np.sin(direction))
    slope_x[:, :, 1:-1] = (phase[:, :, 2:] - phase[:, :, :-2]) * np.float32(0.5 * np.cos(direction))
    bend = slope_y + slope_x
    return np.float32(0.5) + np.float32(0.45) * np.tanh(np.float32(gain) * bend) - np.float32(halo) * phase


def brightfield(phase: F32, absorption: F32, *, defocus: float, psf_px: float, gain: float) -> F32:
    """Bright field: a little absorption, and edges that turn from dark to bright with defocus.

    Parameters
    ----------
    phase, absorption : ndarray
        (T, Y, X) float32 thickness, and share of the light that is absorbed.
    defocus : float
        -1 to 1; the sign decides which side of an edge is bright.
    psf_px, gain : float
        Blur, strength of the edges.
    """
    fine, wide = blur(phase, psf_px), blur(phase, psf_px + 1.5)
    lens = np.float32(defocus * gain) * (fine - wide)
    return np.float32(0.62) * (1 - absorption) * (1 + np.tanh(lens))
