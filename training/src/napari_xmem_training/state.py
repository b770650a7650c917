"""Where a training run stands, in files small enough to carry about: weights, average, optimiser moments."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_xmem.errors import CheckpointError
from napari_xmem.files import atomic_write
from napari_xmem.model import XMem, load_model
from napari_xmem_training.warm_start import inherit, parent_weights

if TYPE_CHECKING:
    from pathlib import Path

    from napari_xmem_training.recipes import Recipe

__all__ = ["TrainingState"]

_PARTS = ("weights", "average", "moment1", "moment2")


@dataclass
class TrainingState:
    """Network, weight average, optimiser and history of a run; saved to and restored from a folder.

    Attributes
    ----------
    network, average : XMem
        The trained network and its exponential moving average, which is what ships.
    optimiser : torch.optim.AdamW
        Optimiser of `network`.
    step : int
        Steps done.
    began : int
        Step at which the run began: not 0 for one that goes on from another's average.
    seconds : float
        Time spent training so far.
    history : list of dict
        Training and validation figures, each with its step.
    """

    network: XMem
    average: XMem
    optimiser: torch.optim.AdamW
    step: int = 0
    began: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def fresh(cls, recipe: Recipe, device: torch.device, init: XMem | None = None, step: int = 0) -> TrainingState:
        """Start a run at `step`: weights taken from `init`, else from the recipe's parent, else drawn with its seed."""
        if init is None and recipe.parent:
            init = inherit(load_model(parent_weights(recipe.parent), "cpu"), recipe.model, recipe.seed)
        torch.manual_seed(recipe.seed)
        network = XMem(recipe.model)
        if init is not None:
            network.load_state_dict(init.state_dict())
        network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = copy.deepcopy(network).eval().requires_grad_(False)
        first = recipe.stages[0]
        optimiser = torch.optim.AdamW(_groups(network, first.weight_decay), lr=first.learning_rate)
        return cls(network, average, optimiser, step, step)

    @torch.no_grad()
    def update_average(self, decay: float) -> None:
        """Move the average towards the network; early on it follows faster."""
        taken = self.step - self.began
        decay = min(decay, (1 + taken) / (10 + taken))
        for mean, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(new, 1 - decay)
        for kept, current in zip(self.average.buffers(), self.network.buffers(), strict=True):
            kept.copy_(current)

    def save(self, folder: Path) -> None:
        """Write the state to `folder`; an interrupted save leaves the previous one whole."""
        folder.mkdir(parents=True, exist_ok=True)
        names = [name for name, _ in self.network.named_parameters()]
        parameters = dict(self.network.named_parameters())
        moments = [self.optimiser.state.get(parameters[name], {}) for name in names]
        parts: dict[str, dict[str, Tensor]] = {
            "weights": dict(self.network.state_dict()),
            "average": dict(self.average.state_dict()),
            "moment1": {n: m["exp_avg"] for n, m in zip(names, moments, strict=True) if m},
            "moment2": {n: m["exp_avg_sq"] for n, m in zip(names, moments, strict=True) if m},
        }
        for part, tensors in parts.items():
            plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            with atomic_write(folder / f"{part}.{self.step}.safetensors") as partial:
                save_file(plain, partial)
        taken = {n: int(m["step"]) for n, m in zip(names, moments, strict=True) if m}
        late = {n: count for n, count in taken.items() if count != self.step}
        record = {
            "step": self.step, "began": self.began, "seconds": self.seconds, "late": late, "history": self.history
        }  # fmt: skip
        with atomic_write(folder / "state.json") as partial:
            partial.write_text(json.dumps(record))
        for part in _PARTS:
            for old in folder.glob(f"{part}.*.safetensors"):
                if old.name != f"{part}.{self.step}.safetensors":
                    old.unlink()

    def restore(self, folder: Path) -> bool:
        """Load the state in `folder`; False where there is none."""
        if not (folder / "state.json").is_file():
            return False
        try:
            record = json.loads((folder / "state.json").read_text())
            step = record["step"]
            weights, average, first, second = (load_file(folder / f"{part}.{step}.safetensors") for part in _PARTS)
            self.network.load_state_dict(weights)
            self.average.load_state_dict(average)
        except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
            reason = (
                "weights of other shapes" if isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"
            )
            raise CheckpointError(
                f"{folder} holds no run of this recipe ({reason}). Choose another --output."
            ) from error
        late = record.get("late", {})
        for name, parameter in self.network.named_parameters():
            if name in first:
                self.optimiser.state[parameter] = {
                    "step": torch.tensor(float(late.get(name, step))),
                    "exp_avg": first[name].to(parameter.device).clone(memory_format=torch.preserve_format),
                    "exp_avg_sq": second[name].to(parameter.device).clone(memory_format=torch.preserve_format),
                }
        self.step, self.began = step, record.get("began", 0)
        self.seconds, self.history = record["seconds"], record["history"]
        return True


def _groups(network: XMem, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and normalisation."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
