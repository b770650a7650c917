"""The step-by-step interface: one frame in, probabilities of all objects out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_xmem.config import MemoryConfig
from napari_xmem.config.arguments import checked_methods
from napari_xmem.engine.inputs import open_movie_input
from napari_xmem.engine.scopes.global_scope import GlobalScope
from napari_xmem.engine.scopes.local_scope import LocalScope
from napari_xmem.engine.scopes.preprocess import FrameGeometry, NetworkInput
from napari_xmem.errors import ConfigError, InputError
from napari_xmem.imaging import IntensityNormaliser

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_xmem.engine.scopes.base import TrackingScope
    from napari_xmem.model import XMem

__all__ = ["Propagator"]

LARGEST_SCALE = 8.0


@checked_methods
class Propagator:
    """Follow objects frame by frame, with tensors in and out: a scope by itself, without a movie.

    Parameters
    ----------
    network : XMem
        From `napari_xmem.load_model`.
    memory : MemoryConfig, optional
        The memory manager's settings.
    scope : {"global", "local"}
        Whole-frame matching as in the paper, or a region per object.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import napari_xmem as nx
    >>> from napari_xmem.sample_data import simulated_nuclei
    >>> movie, truth = simulated_nuclei(frames=3, size_px=(64, 64), n_objects=2)
    >>> p = nx.Propagator(nx.load_model(), scope="local")
    >>> images = p.images(movie)
    >>> masks = torch.from_numpy(np.stack([truth[0] == 1, truth[0] == 2])).float()
    >>> p.step(next(images), masks, object_ids=[1, 2]).shape  # background, object 1, object 2
    torch.Size([3, 64, 64])
    >>> probabilities = [p.step(image) for image in images]
    """

    def __init__(self, network: XMem, memory: MemoryConfig | None = None, *, scope: str = "global") -> None:
        if scope not in ("global", "local"):
            raise ConfigError(
                f"scope is {scope!r}, expected 'global' or 'local' (a Propagator cannot choose by itself)."
            )
        self.network = network
        self.memory = memory or MemoryConfig()
        self.scope: TrackingScope = (GlobalScope if scope == "global" else LocalScope)(network, self.memory)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Known objects, in order of first appearance."""
        return self.scope.object_ids

    @property
    def memory_sizes(self) -> dict[str, int]:
        """Elements of all objects in ``working``, ``long_term``, ``permanent`` and ``distractor`` memory."""
        return self.scope.memory_sizes

    def images(
        self,
        frames: Any,
        *,
        axes: str | None = None,
        channels: Sequence[int] | None = None,
        scale: float = 1.0,
        percentiles: tuple[float, float] = (0.5, 99.8),
    ) -> Iterator[Tensor]:
        """Turn the frames of a movie into what `step` takes, one after the other.

        Parameters
        ----------
        frames : array_like, Movie or path
            As for `napari_xmem.propagate`.
        axes, channels
            As for `napari_xmem.propagate`.
        scale : float
            Pixels of an image per pixel of the movie. Networks do best where objects have about
            ``network.config.nominal_diameter_px``; masks have the size of the images.
        percentiles : tuple of 2 float
            Of the movie's intensities, which become dark and bright.

        Yields
        ------
        Tensor
            ``(C, H, W)`` float32, H and W those of the movie times `scale`.

        Raises
        ------
        InputError
            If the movie cannot be used.
        ConfigError
            If `scale` is not above 0, or percentiles are not rising from 0 to 100.
        """
        if not 0 < scale <= LARGEST_SCALE:
            raise ConfigError(f"scale is {scale!r}, expected more than 0, at most {LARGEST_SCALE:g}.")
        source = open_movie_input(frames, axes, channels)
        normaliser = IntensityNormaliser.fit(source, percentiles)
        to_image = NetworkInput(
            self.network.config, normaliser, FrameGeometry.fit(source.frame_shape, scale, stride_px=1, min_px=1)
        )
        return (to_image(source.read(t), t).to(self.network.device) for t in range(len(source)))

    def step(
        self, image: Tensor, masks: Tensor | None = None, object_ids: Sequence[int] | None = None, last: bool = False
    ) -> Tensor:
        """Advance one frame.

        Parameters
        ----------
        image : Tensor
            ``(C, H, W)`` float32, as the network wants it; `images` makes it of a movie's frames. The official network
            wants 3 channels, normalised by ImageNet's mean and deviation; the bundled one red, green and blue (or
            gray three times), dark 0 and bright 1, and their local contrast.
        masks : Tensor, optional
            ``(O, H, W)``, 0 to 1, one per id of `object_ids`. Objects without a mask are predicted and give way where
            a mask is painted; if every known object has one, nothing is predicted.
        object_ids : sequence of int, optional
            Ids above 0; new ones are added. None: the known objects in order, 1 to O if there are none.
        last : bool
            No frame follows: nothing is remembered.

        Returns
        -------
        Tensor
            ``(1 + objects, H, W)`` float32 probabilities, background first, objects in order of first appearance.

        Raises
        ------
        SeedError
            If masks and ids do not fit each other or the frame.
        InputError
            If the frame's size or number of channels is not the earlier frames'.
        """
        channels = self.network.config.image_channels
        if image.ndim != 3 or image.shape[0] != channels:
            raise InputError(f"image has shape {tuple(image.shape)}, expected ({channels}, height, width).")
        return self.scope.step(image, masks, object_ids, last=last)

    def forget(self, object_id: int) -> None:
        """Stop following an object and free its memory.

        Parameters
        ----------
        object_id : int
            Id of an object that is followed.
        """
        self.scope.forget(object_id)

    def reset(self) -> None:
        """Forget everything."""
        self.scope.reset()
