"""The training loop: resumable at any step, the same numbers whether or not it was interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_xmem.errors import PropagationError
from napari_xmem.model import XMem, save_model
from napari_xmem_training.annotators import annotator_bias, seed_noise
from napari_xmem_training.clips import MIXTURES, ClipConfig, ClipStream
from napari_xmem_training.losses import bootstrapped_cross_entropy, dice_loss, state_loss
from napari_xmem_training.rollout import Batch, Schedule, roll_out
from napari_xmem_training.state import TrainingState
from napari_xmem_training.validate import Validator, mixed_precision

if TYPE_CHECKING:
    from pathlib import Path

    from napari_xmem_training.config import TrainingConfig
    from napari_xmem_training.recipes import Recipe

__all__ = ["RunOptions", "train"]

_SETTLING_STEPS = 60

Report = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a recipe is run; none of it changes what a finished run gives.

    Attributes
    ----------
    data_dir : Path or None
        Folder of the image archives; None: simulated clips only.
    output : Path
        Folder of checkpoints and the model.
    device : torch.device
        Where to train.
    time_limit_s : float or None
        Stop after this many seconds; calling again resumes.
    checkpoint_s : float
        Longest time between checkpoints: what an interruption can lose.
    validate_every : int
        Steps between validations; 0 for never.
    workers : int
        Processes that make clips.
    """

    data_dir: Path | None
    output: Path
    device: torch.device
    time_limit_s: float | None = None
    checkpoint_s: float = 45.0
    validate_every: int = 300
    workers: int = 1


def train(
    recipe: Recipe, options: RunOptions, report: Report | None = None, init: XMem | None = None, step: int = 0
) -> Path | None:
    """Run or resume a recipe.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    options : RunOptions
        Where, on what, for how long.
    report : callable, optional
        Called with step and figures after each step.
    init : XMem, optional
        Weights to start from instead of the recipe's own.
    step : int
        Step to start at where there is no run yet: where `init` was when it was exported.

    Returns
    -------
    Path or None
        The finished model's file; None where the time limit came first.
    """
    state = TrainingState.fresh(recipe, options.device, init, step)
    state.restore(options.output)
    validator = Validator(options.data_dir, options.device) if options.validate_every else None
    begun = saved = time.monotonic()
    spent = state.seconds
    stage_index = -1
    batches: Generator[dict[str, Any], None, None] | None = None
    torch.set_flush_denormal(True)  # affinities underflow; denormal numbers made a step twice as slow
    try:
        while state.step < recipe.steps:
            index, stage, within = recipe.stage_at(state.step)
            if index != stage_index or batches is None:
                if batches is not None:
                    batches.close()
                stage_index, batches = index, _batches(recipe.seed + index, stage, within, options)
            figures = _step(state, stage, within, next(batches), recipe.seed)
            state.step += 1
            state.seconds = spent + time.monotonic() - begun
            if validator and (state.step % options.validate_every == 0 or state.step == recipe.steps):
                figures |= validator.score(state.average)
            if "val" in figures or state.step % 10 == 0:
                state.history.append({"step": state.step, "seconds": round(state.seconds, 1), **figures})
            if report:
                report(state.step, figures)
            late = options.time_limit_s is not None and time.monotonic() - begun > options.time_limit_s
            if late or time.monotonic() - saved > options.checkpoint_s or state.step == recipe.steps:
                state.save(options.output)
                saved = time.monotonic()
            if late:
                break
    finally:
        torch.set_flush_denormal(False)  # as it is by default: this thread goes on to other work
        if batches is not None:
            batches.close()
    if state.step < recipe.steps:
        return None
    return save_model(state.average, options.output / f"{recipe.name}.safetensors", card={"recipe": recipe.name})


def _batches(
    seed: int, stage: TrainingConfig, within: int, options: RunOptions
) -> Generator[dict[str, Any], None, None]:
    """Yield the batches of a stage from step `within` on: the same ones, however often the run was interrupted."""
    config = ClipConfig(
        window_px=stage.window_px,
        n_frames=stage.clip_frames,
        diameter_px=(20.0, stage.diameter_px, 100.0),
        diameter_spread=stage.diameter_spread,
        mixture=MIXTURES[stage.mixture],
    )
    start = within * stage.batch
    stream = ClipStream(options.data_dir, seed, config, n_workers=options.workers, start=start)
    with closing(stream):
        while True:
            yield stream.next_batch(stage.batch)


def _step(
    state: TrainingState, stage: TrainingConfig, within: int, arrays: dict[str, Any], seed: int
) -> dict[str, float]:
    """One optimiser step; everything random is drawn from the step's own generator."""
    network, device = state.network, state.network.device
    random = torch.Generator().manual_seed(seed * 1_000_003 + state.step)
    image, target, others = (
        torch.from_numpy(np.ascontiguousarray(arrays[k])).to(device) for k in ("image", "target", "others")
    )
    if stage.annotator_bias:
        target, others = annotator_bias(target, others, random, stage.annotator_bias)
    batch = Batch(image, target, others)
    network.train(not stage.freeze_norm)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not name.startswith(tuple(stage.frozen.split())))
    rate = _learning_rate(stage, within)
    if state.began:  # the optimiser's moments are young again
        rate *= min(1.0, (state.step - state.began + 1) / _SETTLING_STEPS)
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    with mixed_precision(device):
        schedule = _draw_schedule(stage, network, batch, random)
        out = roll_out(network, batch, schedule, seed_noise(batch.target[:, 0], random, stage.seed_noise))
    aggregated, target = out.aggregated.flatten(0, 1), out.target.flatten(0, 1)
    share = 1.0 - 0.8 * min(1.0, state.step / 1500)
    cross_entropy = bootstrapped_cross_entropy(aggregated, target, share)
    dice = dice_loss(aggregated, target)
    loss = cross_entropy + dice
    figures = {}
    if out.states is not None and stage.state_loss:
        events = torch.from_numpy(arrays["events"]).to(device)[:, 1:].flatten(0, 1)
        judged = state_loss(out.states.flatten(0, 1), aggregated.detach(), target, events)
        loss = loss + stage.state_loss * judged
        figures["state"] = round(float(judged.detach()), 4)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), stage.gradient_clip)
    if not torch.isfinite(norm):
        raise PropagationError(f"The gradient is not finite at step {state.step}; resume from the last checkpoint.")
    state.optimiser.step()
    state.update_average(stage.ema)
    return {"loss": round(float(loss.detach()), 4), "dice": round(float(dice.detach()), 4), **figures}


def _learning_rate(stage: TrainingConfig, within: int) -> float:
    slope = stage.learning_rate + (stage.learning_rate_end - stage.learning_rate) * within / stage.steps
    return slope * min(1.0, (within + 1) / stage.warmup_steps) if stage.warmup_steps else slope


def _draw_schedule(stage: TrainingConfig, network: XMem, batch: Batch, random: torch.Generator) -> Schedule:
    """Draw which part of the window is the region, which frames enter memory, whose neighbours are known."""
    stride, count, length = network.config.stride_px, batch.image.shape[0], batch.image.shape[1]
    spare = 2 * stage.margin_px // stride
    inner = torch.rand(1, generator=random).item() < 0.75
    corner = [spare // 2, spare // 2] if inner else torch.randint(0, spare + 1, (2,), generator=random).tolist()
    every = torch.rand(1, generator=random).item() < 0.6
    drawn = torch.rand(length, generator=random) < 0.5
    memory = tuple(bool(t == 0 or every or drawn[t]) for t in range(length))
    known = torch.rand(count, generator=random) < 0.65
    known = known.to(batch.image.device)
    offset = (corner[0] * stride, corner[1] * stride)
    spread = torch.where(torch.rand(count, length, 1, generator=random) < 0.75, 8.0, 24.0)
    misplaced = (spread * torch.randn(count, length, 2, generator=random)).to(batch.image.device)
    return Schedule(offset, stage.region_px, memory, known, None, stage.others_compete, misplaced, stage.places)
