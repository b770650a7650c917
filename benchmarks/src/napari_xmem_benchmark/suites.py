"""What each suite measures."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch

from napari_xmem.config import MemoryConfig, ModelConfig, PropagationConfig
from napari_xmem.engine import iter_propagate, prepare_run
from napari_xmem.engine.run_passes import open_scope, tidy
from napari_xmem.engine.scopes.global_scope import GlobalScope
from napari_xmem.memory import MemoryBank
from napari_xmem.model import InferenceXMem, XMem, load_model
from napari_xmem.model.inference import PRECISIONS
from napari_xmem_benchmark.dense_reference import DenseReference, dense_affinity
from napari_xmem_benchmark.measure import Clock, interleave
from napari_xmem_benchmark.quality import quality
from napari_xmem_benchmark.real_movies import real_movie
from napari_xmem_benchmark.scenes import disc_movie, fill_long_term, fill_working, random_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_xmem.engine.run import Run
    from napari_xmem.engine.scopes.base import TrackingScope
    from napari_xmem.engine.scopes.regions import Region
    from napari_xmem_benchmark.measure import Case

__all__ = ["SUITES"]

#: The paper's memory in which nothing is consolidated or dropped.
_KEEP_ALL = MemoryConfig.paper(long_term=False)
_FULL_WORKING_FRAMES, _FULL_LONG_TERM = 10, 10_000


def _network(device: str = "cpu", seed: int = 0) -> XMem:
    """Return the official architecture with random weights that give masks between 0 and 1."""
    torch.manual_seed(seed)
    network = XMem(ModelConfig()).eval().requires_grad_(False)
    network.decoder.pred.weight.mul_(10)
    return network.to(device)


def _grid(case: Case, stride: int = 16) -> tuple[int, int]:
    return -(-case.height // stride), -(-case.width // stride)


def read(case: Case) -> dict[str, Any]:
    """Read memory for one frame: the bank, and similarity, top 30 and readout as dense matrices."""
    config, rows_columns = ModelConfig(), _grid(case)
    queries = math.prod(rows_columns)
    elements = queries * (_FULL_WORKING_FRAMES if case.memory == "full" else 1)
    elements += _FULL_LONG_TERM if case.memory == "full" else 0
    key, shrinkage, selection, values = random_memory(config.key_dim, config.value_dim, elements, case.objects)
    query, _, wanted, _ = random_memory(config.key_dim, 1, queries, 1, seed=1)
    bank = MemoryBank(_KEEP_ALL, key_dim=config.key_dim, value_dim=config.value_dim)
    bank.add(0, key, shrinkage, selection, values, tuple(range(1, case.objects + 1)))

    def dense() -> torch.Tensor:
        affinity = dense_affinity(key, shrinkage, query, wanted)
        return values.flatten(0, 1) @ affinity

    def ours() -> torch.Tensor:
        return bank.read(query, wanted)

    clock = Clock(torch.device("cpu"))
    calls = {name: call for name, call in (("ours", ours), ("dense", dense)) if case.only in ("", name)}
    interleave(clock, calls, case.repeats)
    figures: dict[str, Any] = {"seconds": clock.best(), "elements": elements, "queries": queries}
    if not case.only:
        figures["largest_difference"] = float((ours().flatten(0, 1) - dense()).abs().max())
    return figures


def global_scope(case: Case) -> dict[str, Any]:
    """One frame over the whole image, plain and memorised: the engine, and the plain dense formulation."""
    network = _network(case.device)
    config, (rows, columns) = network.config, _grid(case)
    height, width = rows * 16, columns * 16
    generator = torch.Generator().manual_seed(2)
    image = torch.randn(3, height, width, generator=generator).to(case.device)
    masks = torch.zeros(case.objects, height, width, device=case.device)
    for i in range(case.objects):
        masks[i, :, i * width // case.objects : (i + 1) * width // case.objects] = 1
    fast = InferenceXMem(network, PRECISIONS.get(case.precision, torch.float32))
    ours = GlobalScope(fast, _KEEP_ALL)
    ours.step(image, masks)
    dense = DenseReference(network, case.objects)
    table = ours.bank._state.filled()
    values = torch.stack([table.values(i).T for i in ours.object_ids])
    dense.remember(table["key"].T, table["shrinkage"], values)
    dense.hidden = ours.sensory.get(ours.object_ids)
    if case.memory == "full":
        elements = rows * columns * (_FULL_WORKING_FRAMES - 1) + _FULL_LONG_TERM
        memory = random_memory(config.key_dim, config.value_dim, elements, case.objects)
        key, shrinkage, selection, values = (tensor.to(case.device) for tensor in memory)
        ours.bank.add(0, key, shrinkage, selection, values, ours.object_ids)
        dense.remember(key, shrinkage, values)
    return _compare_steps(case, ours, dense, image)


def _compare_steps(case: Case, ours: GlobalScope, dense: DenseReference, image: torch.Tensor) -> dict[str, Any]:
    """Time plain frames first, then one memorised frame of each."""
    clock, differences = Clock(image.device), []
    frames = [image + 0.05 * torch.randn_like(image) for _ in range(case.repeats + (1 if case.only else 2))]
    for number, frame in enumerate(frames):
        memorise = number == len(frames) - 1
        name = "memorised" if memorise else "plain"
        found = {}
        if case.only in ("", "ours"):
            ours.schedule._last_memory = ours.schedule.time - (4 if memorise else 0)  # every fifth frame memorises
            found["ours"] = clock.time(f"ours_{name}", lambda frame=frame: ours.step(frame))
        if case.only in ("", "dense"):
            step = lambda frame=frame, memorise=memorise: dense.step(frame, memorise=memorise)  # noqa: E731
            found["dense"] = clock.time(f"dense_{name}", step)
        if len(found) == 2:
            differences.append((found["ours"] - found["dense"]).abs())
    seconds = clock.best()
    for side in ("ours", "dense"):
        if f"{side}_plain" in seconds:
            seconds[side] = (4 * seconds[f"{side}_plain"] + seconds[f"{side}_memorised"]) / 5
    figures: dict[str, Any] = {"seconds": seconds, "elements": ours.bank.sizes.total}
    if differences:
        # where two elements are equally similar to a query, rounding decides which one is the thirtieth
        figures["largest_difference"] = max(float(d.max()) for d in differences)
        figures["share_over_1e-4"] = max(float((d > 1e-4).float().mean()) for d in differences)
    return figures


def local_scope(case: Case) -> dict[str, Any]:
    """Frames of a movie in the local scope, with the bundled model and the default settings: discs, or real cells.

    With full memory the mean over the frames from one consolidation to the next, after enough frames that regions and
    what memory holds of them have settled; with empty memory over two frames, in the first and largest regions.
    """
    network = load_model("bundled", case.device)
    nominal, memory = network.config.nominal_diameter_px, MemoryConfig()
    cycle = (memory.working_max_frames - memory.working_min_frames) * memory.memory_interval_frames
    measured, warm_up = (cycle, 1 + 3 * cycle) if case.memory == "full" else (2, 1)
    n_frames = 1 + warm_up + measured * case.cycles
    diameter: float | None = None
    if case.movie:
        frames, labels = real_movie(case.movie, n_frames)
    else:
        frames, labels = disc_movie((case.height, case.width), case.objects, n_frames, case.diameters * nominal)
        diameter = nominal
    config = PropagationConfig(
        memory=memory, scope="local", device=case.device, diameter_px=diameter, precision=case.precision,
        memory_budget_bytes=case.budget_bytes,
    )  # fmt: skip
    run = prepare_run(frames, {0: labels}, network, config)
    scope = open_scope(run)
    clock, elements = Clock(network.device), 0
    for t in range(len(frames)):
        if t == 1 and case.memory == "full":
            for bank in scope.banks:
                fill_working(bank, memory.working_max_frames - 1)
                fill_long_term(bank, run.config.memory.long_term_max_elements)  # which the budget may have lowered
        name = "seeded" if t == 0 else "warm_up" if t <= warm_up else "frames"
        found = clock.time(name, lambda t=t: _follow(run, scope, frames[t], t, labels if t == 0 else None))
        elements = max(elements, *(bank.sizes.total for bank in scope.banks))
    times, walls = clock.seconds["frames"], clock.wall["frames"]
    rounds = range(0, len(times), measured)
    return {
        "seconds": {
            "ours": min(float(np.mean(times[low : low + measured])) for low in rounds),
            "quickest": min(times),
            "slowest": max(times),
        },
        "wall_seconds_per_frame": min(float(np.mean(walls[low : low + measured])) for low in rounds),
        "elements": elements,
        "region_pixels": sum(region.height * region.width for region in _regions(scope, run)),
        "bank_bytes": sum(bank.n_bytes for bank in scope.banks),
        "precision": run.network.precision,
        "found": int((found.area_px > 0).sum()),
        "scale": round(run.prepare.geometry.scale, 2),
    }


def _regions(scope: Any, run: Run) -> list[Region]:
    """Return where objects would be looked for on the next frame."""
    return [r for _, r in scope.search.regions(scope.objects, run.prepare.geometry.padded_shape, (0.0, 0.0))]


def _follow(run: Run, scope: TrackingScope, frame: Any, index: int, seeds: Any) -> Any:
    """Do all that a run does on a frame."""
    tidy(run, scope)
    found = scope.advance(frame, index, seeds)
    scope.snapshot(index)
    return found


def cutie(case: Case) -> dict[str, Any]:
    """One frame of Cutie-small with random weights and one memorised frame; needs the extra "benchmark"."""
    from napari_xmem_benchmark.cutie import new_core

    core = new_core(case.device)
    image = torch.rand(3, case.height, case.width, device=case.device)
    labels = torch.zeros(case.height, case.width, dtype=torch.int64, device=case.device)
    for i in range(case.objects):
        labels[:, i * case.width // case.objects : (i + 1) * case.width // case.objects] = i + 1
    clock = Clock(torch.device(case.device))
    with torch.inference_mode():
        core.step(image, labels, objects=list(range(1, case.objects + 1)))
        for name in ("warm_up", "plain", "plain", "plain", "memorised"):  # it memorises every fifth frame
            clock.time(name, lambda: core.step(image + 0.01 * torch.randn_like(image)))
    seconds = clock.best()
    seconds["cutie"] = (4 * seconds["plain"] + seconds["memorised"]) / 5
    return {"seconds": seconds}


def long_movie(case: Case) -> dict[str, Any]:
    """Follow objects through a long movie of small frames: seconds and resident memory."""
    base, labels = disc_movie((case.height, case.width), case.objects, 16, 20.0)

    class Endless:
        """Frames made when they are read."""

        shape, dtype, ndim = (case.frames, case.height, case.width), np.dtype(np.float32), 3

        def __getitem__(self, index: Any) -> Any:
            t, *rest = index if isinstance(index, tuple) else (index,)
            turn = t % 30
            return base[turn if turn < 16 else 30 - turn][tuple(rest)]

    process, step = psutil.Process(), max(1, case.frames // 10)
    seconds, resident, clock = [], [], time.process_time()
    network = load_model("bundled", case.device)
    options = {"scope": "local", "diameter_px": network.config.nominal_diameter_px}
    for number, _ in enumerate(iter_propagate(Endless(), {0: labels}, model=network, **options)):  # type: ignore[arg-type]
        if number % step == step - 1:
            now = time.process_time()
            seconds.append((now - clock) / step)
            resident.append(process.memory_info().rss)
            clock = now
    return {
        "seconds": {"ours": seconds[-1]},
        "seconds_by_tenth": seconds,
        "resident_by_tenth": resident,
        "time_last_over_second": seconds[-1] / seconds[1],
        "resident_last_over_second": resident[-1] / resident[1],
    }


SUITES: dict[str, Callable[[Case], dict[str, Any]]] = {
    "read": read,
    "global": global_scope,
    "local": local_scope,
    "cutie": cutie,
    "quality": quality,
    "long": long_movie,
}
