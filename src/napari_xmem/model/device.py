"""Choosing a compute device."""

from __future__ import annotations

import torch

from napari_xmem.errors import DeviceError

__all__ = ["available_devices", "resolve_device"]


def available_devices() -> tuple[str, ...]:
    """Return the names of usable devices, best first."""
    names: list[str] = []
    if torch.cuda.is_available():
        names += ["cuda"] if torch.cuda.device_count() == 1 else [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return (*names, "cpu")


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """Turn a device's name into a device that exists here.

    Parameters
    ----------
    device : str or torch.device
        "auto" (the best there is), "cpu", "cuda", "cuda:1", "mps".

    Returns
    -------
    torch.device
        A device that is there.

    Raises
    ------
    DeviceError
        If the name is unknown or the device is not there; the message lists what is.
    """
    names = available_devices()
    if device == "auto":
        return torch.device(names[0])
    hint = f"Available here: {', '.join(names)}. Use device='auto' to take the best."
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise DeviceError(f"device is {device!r}, which is no device name. {hint}") from error
    found = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (wanted.index or 0) >= found.get(wanted.type, 0):
        raise DeviceError(f"device is {str(device)!r}, but there is none on this machine. {hint}")
    return wanted
