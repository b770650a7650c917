"""Few objects at video rate: what did not change is not computed again, and what is lost is looked for in turn."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage

from napari_xmem.engine.scopes.frame_view import is_sparse
from napari_xmem.engine.scopes.region_masks import RegionMask
from napari_xmem.engine.scopes.regions import Region
from napari_xmem.imaging.block_means import block_means
from napari_xmem.model import can_tile, receptive_halo_px

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_xmem.engine.scopes.comparison_picture import Picture
    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.preprocess import FrameGeometry
    from napari_xmem.model import XMem

__all__ = ["CALM_SHARE", "HALO_PX", "STEADY_MATCH", "VideoRate"]

#: Margin around objects that keep to what is expected, as a share of the largest one.
CALM_SHARE = 0.3
#: No drift is looked for where frames match so well as they are.
STEADY_MATCH = 0.6
#: What the encoder is shown around a region. It sees farther, but hardly minds what lies there.
HALO_PX = 8
#: A region has changed if the mean over a square of so many pixels differs by so much of the movie's range.
_SQUARE_PX, _CHANGED = 3, 0.08
#: It is the same region while the object is expected so near to where it was expected then, in pixels.
_SAME_PLACE_PX = 4.0
#: After so many frames it is looked at again even so.
_LOOKED_AT_FRAMES = 25
#: An object is memorised again after so many frames, or when it has moved by this share of its diameter.
_WRITTEN_FRAMES, _WRITTEN_PATH = 5, 0.25
#: A lost object is looked for where it was once in so many frames, and meanwhile in as many other places, in turn.
_TURN_FRAMES, _PLACES = 4, 6
#: Another place must stand out of its surroundings by this share of what the object did.
_STANDS_OUT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What was seen of an object when its region was last looked at."""

    region: Region
    expected_px: tuple[float, float]
    gray: NDArray[np.float32]
    claim: Tensor
    frames: int = 0


class VideoRate:
    """Keeps account of what is known already; a part of the local scope where objects are few on a large field."""

    def __init__(self) -> None:
        self._decided: bool | None = None
        self._seen: dict[int, _Seen] = {}
        self._unwritten: dict[int, tuple[int, float]] = {}
        self._outstanding: dict[int, float] = {}

    @property
    def on(self) -> bool:
        """True with few small objects on a large field, so that all this is done."""
        return bool(self._decided)

    def decide(self, network: XMem, seeds: NDArray[Any], geometry: FrameGeometry, margin_px: float) -> None:
        """Decide on the first seeds of a pass whether objects are few; see `is_sparse`."""
        if self._decided is not None:
            return
        config = network.config
        able = network.device.type == "cpu" and can_tile(config) and config.intensity == "percentile"
        self._decided = able and is_sparse(seeds, geometry, margin_px, receptive_halo_px(config))

    def give_up(self) -> None:
        """Do none of it for the rest of the pass: objects have become more than were seeded, by divisions or entries.

        A colony begins with few cells on a large field too. There cells grow and divide between two looks, daughters
        lie side by side, and each is looked at and memorised on every frame.
        """
        self._decided = False
        self._seen.clear()
        self._unwritten.clear()
        self._outstanding.clear()

    def unchanged(self, objects: Mapping[int, TrackedObject], picture: Picture) -> dict[int, RegionMask]:
        """Return what objects claim whose surroundings look as when they were last looked at.

        Parameters
        ----------
        objects : mapping of int to TrackedObject
            Objects, with the place where they are expected.
        picture : Picture
            The frame.
        """
        out = {}
        for i, seen in list(self._seen.items()):
            if i not in objects:
                continue
            way = max(abs(a - b) for a, b in zip(objects[i].expected_px, seen.expected_px, strict=True))
            if way > _SAME_PLACE_PX or seen.frames >= _LOOKED_AT_FRAMES:
                continue
            change = ndimage.uniform_filter(_window(picture, seen.region) - seen.gray, _SQUARE_PX)
            if np.abs(change).max(initial=0.0) < _CHANGED:
                self._seen[i] = replace(seen, frames=seen.frames + 1)
                out[i] = RegionMask(i, seen.region, seen.claim)
        return out

    def due(self, tracked: TrackedObject) -> bool:
        """Return True if an object is to be memorised: it was not for some frames, or has moved."""
        frames, path = self._unwritten.get(tracked.object_id, (_WRITTEN_FRAMES, 0.0))
        return frames + 1 >= _WRITTEN_FRAMES or path >= _WRITTEN_PATH * max(1.0, min(tracked.extent_px))

    def note(
        self,
        claims: Sequence[RegionMask],
        objects: Mapping[int, TrackedObject],
        written: Collection[int],
        picture: Picture,
    ) -> None:
        """Take in a frame.

        Parameters
        ----------
        claims : sequence of RegionMask
            What objects claimed that were looked at.
        objects : mapping of int to TrackedObject
            All objects, with this frame taken in.
        written : collection of int
            Objects that were memorised.
        picture : Picture
            The frame.
        """
        for claim in claims:
            i = claim.object_id
            self._seen[i] = _Seen(
                claim.region, objects[i].expected_px, _window(picture, claim.region).copy(), claim.probability
            )
        self._seen = {i: seen for i, seen in self._seen.items() if i in objects}
        self._outstanding = {i: value for i, value in self._outstanding.items() if i in objects}
        ground = None
        for i, tracked in objects.items():
            frames, path = (0, 0.0) if i in written else self._unwritten.get(i, (0, 0.0))
            speed = float(np.hypot(*tracked.velocity_px))
            self._unwritten[i] = (frames, 0.0) if i in written else (frames + 1, path + speed)
            if not tracked.lost_frames and tracked.area_px and (i in written or i not in self._outstanding):
                ground = _outstanding(picture, tracked) if ground is None else ground
                at = _at(tracked.centre_px, picture, ground.shape)
                self._outstanding[i] = float(ground[at])

    def forget(self, objects: Collection[int]) -> None:
        """Look at some objects again, whatever is seen of them."""
        for i in objects:
            self._seen.pop(i, None)

    def place_to_search(
        self, tracked: TrackedObject, objects: Mapping[int, TrackedObject], picture: Picture
    ) -> tuple[float, float] | None:
        """Return where a lost object may be, in pixels of the scaled frame, another place in turn; None: no idea.

        At first, and then once in a few frames, that is where it is expected. Else it is where something stands out as
        the object did and no other object is, most outstanding first.
        """
        turn = tracked.lost_frames % _TURN_FRAMES
        usual = self._outstanding.get(tracked.object_id, 0.0)
        if not turn or tracked.lost_frames < _TURN_FRAMES:
            return tracked.expected_px
        if not usual:
            return None
        ground = np.sign(usual) * _outstanding(picture, tracked)
        step = picture.step_px
        y, x = np.ogrid[: ground.shape[0], : ground.shape[1]]

        def clear(centre: tuple[float, float], radius: float) -> None:
            row, column = _at(centre, picture, ground.shape)
            ground[np.hypot(y - row, x - column) * step <= radius] = -np.inf

        for other in objects.values():
            if not other.lost_frames:
                clear(other.centre_px, 0.5 * (max(other.extent_px) + max(tracked.extent_px)))
        places: list[tuple[float, float]] = []
        while len(places) < _PLACES:
            row, column = np.unravel_index(int(ground.argmax()), ground.shape)
            if ground[row, column] < _STANDS_OUT * abs(usual):
                break
            places.append(((float(row) + 0.5) * step, (float(column) + 0.5) * step))
            clear(places[-1], max(tracked.extent_px))
        if not places:
            return None
        rounds = tracked.lost_frames // _TURN_FRAMES * (_TURN_FRAMES - 1) + turn - 1
        return places[rounds % len(places)]

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return {
            "on": self._decided,
            "seen": [
                [i, list(astuple(s.region)), list(s.expected_px), torch.from_numpy(s.gray), s.claim, s.frames]
                for i, s in self._seen.items()
            ],
            "unwritten": [[i, *pair] for i, pair in self._unwritten.items()],
            "outstanding": [list(item) for item in self._outstanding.items()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._decided = state.get("on", False)
        self._seen = {
            int(i): _Seen(Region(*region), (float(y), float(x)), gray.cpu().numpy().copy(), claim.clone(), int(frames))
            for i, region, (y, x), gray, claim, frames in state.get("seen", ())
        }
        self._unwritten = {int(i): (int(n), float(path)) for i, n, path in state.get("unwritten", ())}
        self._outstanding = {int(i): float(value) for i, value in state.get("outstanding", ())}


def _window(picture: Picture, region: Region) -> NDArray[np.float32]:
    """Return the pixels of the movie that a region of the scaled frame covers."""
    rows, columns = (slice(int(s.start / picture.pixel_px), int(s.stop / picture.pixel_px) + 1) for s in region.slices)
    return picture.frame[rows, columns]


def _outstanding(picture: Picture, tracked: TrackedObject) -> NDArray[np.float32]:
    """Return by how much each place differs from its surroundings, over about the size of an object."""
    small = block_means(picture.frame, picture.factor)
    radius = max(1, round(0.5 * (tracked.area_px / np.pi) ** 0.5 / picture.step_px))
    ground = float(np.median(small))
    return np.asarray(ndimage.uniform_filter(small - ground, 2 * radius + 1), np.float32)


def _at(centre_px: tuple[float, float], picture: Picture, shape: tuple[int, ...]) -> tuple[int, int]:
    row, column = (min(max(int(c / picture.step_px), 0), size - 1) for c, size in zip(centre_px, shape, strict=True))
    return row, column
