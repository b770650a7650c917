"""The paper's scope: the whole frame is one query against one memory shared by all objects."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_xmem.engine.cost.budget import Budget
from napari_xmem.engine.device_resources import to_device
from napari_xmem.engine.identity.rivals import contests_of
from napari_xmem.engine.scopes.light import FrameLight
from napari_xmem.engine.scopes.memory_credit import frame_confidence, own_pixels
from napari_xmem.engine.scopes.postprocess import postprocess_masks
from napari_xmem.engine.scopes.region_masks import FrameLabels, RegionMask, labels_from_dense
from napari_xmem.engine.scopes.regions import Region, cell_centres
from napari_xmem.engine.scopes.resample import resize
from napari_xmem.engine.scopes.schedule import FramePlan, MemorySchedule
from napari_xmem.engine.scopes.seed_masks import seed_masks, seed_rows
from napari_xmem.engine.scopes.tiling import encode_regions
from napari_xmem.errors import InputError
from napari_xmem.imaging.blank import is_blank
from napari_xmem.memory import MemoryBank, SensoryMemory
from napari_xmem.model import inference_settings, soft_aggregate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_xmem.config import MemoryConfig
    from napari_xmem.engine.scopes.base import Undo
    from napari_xmem.engine.scopes.preprocess import NetworkInput
    from napari_xmem.engine.scopes.tiling import EncodedFrame
    from napari_xmem.memory import MemorySnapshot
    from napari_xmem.memory.distractors import Contest
    from napari_xmem.model import XMem

__all__ = ["GlobalScope"]


class GlobalScope:
    """XMem's state machine over whole frames; a `TrackingScope`.

    Parameters
    ----------
    network : XMem
        The network, in eval mode.
    memory : MemoryConfig
        The memory manager's settings.
    prepare : NetworkInput, optional
        Turns frames of the movie into what the network sees; `advance` needs it, `step` does not.
    budget : Budget, optional
        How much is computed at a time; bounds activation memory and changes no number.

    References
    ----------
    Cheng & Schwing 2022, XMem (arXiv 2207.07115), figure 2 and section 3.
    """

    kind: ClassVar[str] = "global"
    #: Whole frames are matched: both daughters of a division keep the mother's id.
    divisions: ClassVar[None] = None

    def __init__(
        self, network: XMem, memory: MemoryConfig, prepare: NetworkInput | None = None, budget: Budget | None = None
    ) -> None:
        self.network = network
        self.memory = memory
        self.prepare = prepare
        self.budget = budget or Budget.unplanned(network.device)
        self.reset()

    def reset(self) -> None:
        """Forget everything: objects, memory, time."""
        config = self.network.config
        self.object_ids: tuple[int, ...] = ()
        home = self.budget.bank_device
        self.bank = MemoryBank(self.memory, key_dim=config.key_dim, value_dim=config.value_dim, device=home)
        self.sensory = SensoryMemory(config.hidden_dim)
        self.schedule = MemorySchedule(self.memory)
        self.light = FrameLight()
        self._padded_shape: tuple[int, int] | None = None

    @property
    def banks(self) -> tuple[MemoryBank, ...]:
        """The one memory of all objects."""
        return (self.bank,)

    @property
    def memory_sizes(self) -> dict[str, int]:
        """Elements in each store."""
        sizes = self.bank.sizes
        return asdict(sizes)

    @property
    def expected_px(self) -> dict[int, tuple[float, float]]:
        """Nothing: whole frames are matched."""
        return {}

    @inference_settings()
    def advance(
        self,
        frame: NDArray[Any],
        index: int,
        seeds: NDArray[Any] | None = None,
        *,
        last: bool = False,
        absent: Collection[int] = (),
    ) -> FrameLabels:
        """Advance one frame of the movie; see `TrackingScope.advance`."""
        if self.prepare is None:
            raise ValueError("This scope was made without `prepare`, so it takes tensors only: use step().")
        geometry = self.prepare.geometry
        if seeds is None and is_blank(frame):  # nothing is painted or learned
            return FrameLabels.of_nothing(geometry.shape, len(self.object_ids), "blank", 1.0)
        image = self.light.show(self.prepare, frame, index)
        self.light.keep()
        masks, ids = None, None
        if seeds is not None:
            masks, ids = seed_masks(seeds, geometry, [i for i in self.object_ids if i in absent])
        probability = self.step(image, masks, ids, last=last, frame=index)
        height, width = geometry.scaled_shape
        return labels_from_dense(resize(probability[:, :height, :width], geometry.shape).cpu(), self.object_ids)

    @inference_settings()
    def step(
        self,
        image: Tensor,
        masks: Tensor | None = None,
        object_ids: Sequence[int] | None = None,
        *,
        last: bool = False,
        frame: int | None = None,
    ) -> Tensor:
        """Advance one frame; see `napari_xmem.engine.Propagator.step`."""
        height, width = image.shape[-2:]
        left, _, top, _ = padding = _padding(height, width, self.network.config.stride_px)
        image = F.pad(to_device(image, self.network.device), padding)[None]
        self._check_shape(image, (height, width))
        seeds = seed_rows(masks, object_ids, self.object_ids, (height, width))
        if not seeds and not self.object_ids:
            return image.new_ones(1, height, width)
        plan = self.schedule.plan(seeded=bool(seeds), last=last)
        index = self.schedule.time if frame is None else frame
        whole = [Region(0, 0, image.shape[-2], image.shape[-1])]
        features = encode_regions(self.network, image, whole, self.budget.tile, memorise=plan.memorise)
        predicted, claims = None, None
        if self.object_ids and not set(self.object_ids) <= set(seeds):
            claims, predicted = self._predict(features, plan, index)
            if self.bank.wants_feedback:
                stride, only_own = self.network.config.stride_px, self.bank.wants_own_pixels
                rated = own_pixels(1 - predicted[0], stride) if only_own else frame_confidence(predicted, stride)
                self.bank.feedback(rated)
        if seeds:
            rows = {i: F.pad(mask.to(image), padding) for i, mask in seeds.items()}
            probability = soft_aggregate(self._merge(rows, predicted))
        elif predicted is not None:
            probability = predicted
        if plan.memorise:
            contests = () if seeds or claims is None else self._contests(claims, probability[1:])
            self._memorise(image, features, probability[1:], plan, index, contests, permanent=bool(seeds))
        return probability[:, top : top + height, left : left + width]

    def forget(self, object_id: int) -> Undo:
        """Drop an object and all that memory holds of it; returns what undoes that."""
        ids = self.object_ids
        hidden = self.sensory.get([object_id]) if object_id in self.sensory.object_ids else None
        self.bank.edit.forget(object_id)
        self.object_ids = tuple(i for i in ids if i != object_id)
        self.sensory.forget(object_id)

        def undo() -> None:
            self.bank.edit.undo()
            self.object_ids = ids
            if hidden is not None:
                self.sensory.set([object_id], hidden)

        return undo

    def reconfigure(self, memory: MemoryConfig) -> None:
        """Go on with other memory settings from the next frame on."""
        self.bank.reconfigure(memory)
        self.memory = self.schedule.config = memory

    def snapshot(self, index: int) -> MemorySnapshot | None:
        """Return the state of memory after frame `index`; None without objects."""
        return self.bank.snapshot(index) if self.object_ids else None

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly here; see `TrackingScope.state_dict`."""
        return {
            "object_ids": self.object_ids,
            "padded_shape": self._padded_shape,
            "schedule": self.schedule.state_dict(),
            "light": self.light.state_dict(),
            "sensory": self.sensory.state_dict(),
            "bank": self.bank.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.start_from(state, state["object_ids"])
        self.object_ids = tuple(state["object_ids"])
        padded = state["padded_shape"]
        self._padded_shape = None if padded is None else (padded[0], padded[1])
        self.schedule.load_state_dict(state["schedule"])
        self.light.load_state_dict(state.get("light", {}))
        self.sensory.load_state_dict(state["sensory"], self.network.device)

    def start_from(self, state: Mapping[str, Any], object_ids: Collection[int]) -> None:
        """Begin another movie with the memory of a state; the one memory of all objects is taken as it is."""
        self.bank = MemoryBank.from_state_dict(state["bank"], self.budget.bank_device or self.network.device)
        self.object_ids = self.bank.object_ids

    def _check_shape(self, image: Tensor, shape: tuple[int, int]) -> None:
        padded = (image.shape[-2], image.shape[-1])
        if self._padded_shape not in (None, padded):
            raise InputError(
                f"The frame is {shape[0]} x {shape[1]} px, but memory was made from frames of another size "
                f"(padded {self._padded_shape}). All frames of a run need one size."
            )
        self._padded_shape = padded

    def _predict(self, features: EncodedFrame, plan: FramePlan, frame: int) -> tuple[Tensor | None, Tensor]:
        """Return each known object's own probability, and aggregated ``(N + 1, Hp, Wp)``; update sensory memory.

        The first, ``(N, Hp, Wp)``, only if memory keeps frames of look-alikes.
        """
        key, selection = features.key[0], features.selection[0]
        readout = self.bank.read(
            key.flatten(1),
            selection.flatten(1),
            object_ids=self.object_ids,
            frame=frame,
            chunk_elements=self.budget.similarities,
        )
        readout = readout.unflatten(2, key.shape[-2:])

        def decode(rows: Sequence[int]) -> list[Tensor]:
            ids = tuple(self.object_ids[row] for row in rows)
            part = readout[rows[0] : rows[-1] + 1]
            hidden = self._hidden(ids, features)
            decoded, hidden = self.network.decode(features.decoding, part, hidden, update_hidden=plan.normal_update)
            if hidden is not None and plan.normal_update:
                self.sensory.set(ids, hidden)
            return list(decoded)

        logits = self.budget.work.map(range(len(self.object_ids)), self._pixels(features), decode)
        own = torch.stack(logits).sigmoid()
        return own if self.memory.distractor_max_frames else None, soft_aggregate(own)

    def _merge(self, seeds: dict[int, Tensor], predicted: Tensor | None) -> Tensor:
        """Join seeds with the prediction of objects that were not seeded; new objects come last.

        Predictions give way wherever any seed is painted.
        """
        known = self.object_ids
        self.object_ids = (*known, *(i for i in seeds if i not in known))
        if predicted is None:
            return torch.stack([seeds[i] for i in self.object_ids])
        painted = torch.stack(list(seeds.values())).sum(0) > 0.5
        free = predicted[1:].masked_fill(painted, 0.0)
        return torch.stack([seeds[i] if i in seeds else free[known.index(i)] for i in self.object_ids])

    def _hidden(self, ids: tuple[int, ...], features: EncodedFrame) -> Tensor | None:
        """Sensory memory of some objects, zeros for new ones; None for a network without it."""
        if not self.network.config.hidden_dim:
            return None
        height, width = features.key.shape[-2:]
        return self.sensory.get(ids, (height, width), device=features.key.device)

    def _memorise(
        self,
        image: Tensor,
        features: EncodedFrame,
        masks: Tensor,
        plan: FramePlan,
        frame: int,
        contests: Sequence[Contest],
        *,
        permanent: bool,
    ) -> None:
        """Encode the values of all objects and add them to memory; refresh sensory memory if it is due."""
        context, total = features.encoding, masks.sum(0)
        if context is None:
            raise ValueError("The frame was encoded without the value encoder's share.")

        def encode(rows: Sequence[int]) -> list[Tensor]:
            ids = tuple(self.object_ids[row] for row in rows)
            own = masks[rows[0] : rows[-1] + 1]
            value, hidden = self.network.encode_value(
                image, own, total - own, context, self._hidden(ids, features), deep=plan.deep_update
            )
            if hidden is not None and plan.deep_update:
                self.sensory.set(ids, hidden)
            return list(value.flatten(2))

        values = self.budget.work.map(range(len(self.object_ids)), self._pixels(features), encode)
        self.bank.add(
            frame,
            features.key[0].flatten(1),
            features.shrinkage[0].flatten(),
            features.selection[0].flatten(1),
            torch.stack(values),
            self.object_ids,
            permanent=permanent,
            positions=self._positions(features),
            contests=contests,
        )

    def _contests(self, claims: Tensor, masks: Tensor) -> Sequence[Contest]:
        """Say how objects fared against what looks like them; usual areas are not known here."""
        shape = (masks.shape[-2], masks.shape[-1])
        whole = Region(0, 0, *shape)
        own, final = (
            [RegionMask(i, whole, mask) for i, mask in zip(self.object_ids, of_all.float().cpu(), strict=True)]
            for of_all in (claims, masks)
        )
        final, seen = postprocess_masks(final, shape)
        return list(contests_of(own, final, seen, {}, seen.keys(), shape).values())

    def _pixels(self, features: EncodedFrame) -> int:
        """Pixels of the padded frame."""
        return features.key.shape[-2] * features.key.shape[-1] * self.network.config.stride_px**2

    def _positions(self, features: EncodedFrame) -> Tensor:
        """Centres of the grid cells ``(h w, 2)`` as y, x in pixels of the padded image."""
        height, width = features.key.shape[-2:]
        return cell_centres((height, width), self.network.config.stride_px)


def _padding(height: int, width: int, multiple: int) -> tuple[int, int, int, int]:
    """Return left, right, top, bottom padding to the next multiple, the odd pixel last."""
    extra_y, extra_x = -height % multiple, -width % multiple
    return extra_x // 2, extra_x - extra_x // 2, extra_y // 2, extra_y - extra_y // 2
