"""Everything that is to be known of a GPU, in minutes: is it right, how quick, how busy, how near to what it could do.

``sh benchmarks/gpu.sh --device cuda --output gpu`` runs it; ``--device cpu --quick`` tries all of it at small sizes,
the CPU sharing out its work as a GPU does. ``--only compare calls`` does some of its steps. First the labels of two
movies are compared with those of the CPU; what is measured after that is written after each step, so that a run that is
cut off leaves what it has.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from napari_xmem.config import PropagationConfig
from napari_xmem.engine import prepare_run, propagate
from napari_xmem.engine.run_passes import open_scope, tidy
from napari_xmem.errors import XMemError
from napari_xmem.memory.few_calls import as_on_accelerator
from napari_xmem.model import load_model, resolve_device
from napari_xmem.sample_data import simulated_nuclei, simulated_phase_contrast
from napari_xmem_benchmark import cutie
from napari_xmem_benchmark.measure import Case
from napari_xmem_benchmark.operator_calls import measure, table
from napari_xmem_benchmark.report import Row, describe_machine, format_tables, save_results
from napari_xmem_benchmark.run_here import run_here
from napari_xmem_benchmark.scenes import disc_movie

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from napari_xmem.config import Precision

__all__ = ["Floor", "Report", "main", "measure_card", "same_as_cpu"]

#: What there is to do, in this order.
STEPS = ("compare", "card", "local", "busy", "global", "calls")
#: Labels of the two movies may differ on this share of the pixels: rounding decides on single pixels of outlines.
MOST_DIFFERENT = 1e-3


@dataclass(frozen=True, slots=True)
class Floor:
    """What a device can do: operations and bytes per second, measured by large products and copies."""

    flops: dict[str, float]
    bytes_per_s: float

    def seconds(self, flops: float, moved_bytes: float, precision: str) -> float:
        """Return the least time for so much work: arithmetic or transport, whichever takes longer."""
        return max(flops / self.flops[precision], moved_bytes / self.bytes_per_s)


@dataclass(slots=True)
class Report:
    """What was found so far, kept in a folder."""

    folder: Path
    machine: dict[str, Any]
    deadline: float
    lines: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add to the report, on disk too."""
        self.lines.append(text)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        self.write()

    def write(self) -> None:
        """Write text and figures."""
        tables = format_tables(self.rows) if self.rows else ""
        head = f"# {self.machine['device']}\n\n{json.dumps(self.machine)}\n\n"
        self.folder.joinpath("gpu.md").write_text(head + "\n".join(self.lines) + f"\n\n{tables}", encoding="utf-8")
        save_results(self.folder / "results.json", self.rows, self.machine)

    def step(self, name: str, work: Callable[[], Any]) -> None:
        """Do one step, unless time is up; what fails is said, and the rest goes on."""
        if time.monotonic() > self.deadline:
            self.say(f"* {name}: no time left")
            return
        begun = time.monotonic()
        try:
            work()
        except Exception:  # the other figures are worth having
            self.say(f"* {name}: failed\n```\n{traceback.format_exc(limit=4)}```")
        sys.stderr.write(f"{name}: {time.monotonic() - begun:.1f} s\n")


class _Bytes(TorchDispatchMode):
    """Counts what operators read and write, views left out."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not isinstance(result, torch.Tensor):
            return result
        given = [item for item in args if isinstance(item, torch.Tensor)]
        if not any(item.untyped_storage().data_ptr() == result.untyped_storage().data_ptr() for item in given):
            self.total += result.nbytes + sum(item.nbytes for item in given)
        return result


def _as_on_a_gpu(device: torch.device) -> AbstractContextManager[None]:
    """Let a CPU share out its work as an accelerator does, so that what is tried on it is what a GPU will do."""
    return as_on_accelerator() if device.type == "cpu" else nullcontext()


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure_card(device: torch.device, side: int = 8192) -> Floor:
    """Measure products of square matrices and a copy, the best of five."""

    def best(work: Callable[[], Any]) -> float:
        times = []
        for _ in range(6):
            _synchronise(device)
            begun = time.perf_counter()
            work()
            _synchronise(device)
            times.append(time.perf_counter() - begun)
        return min(times[1:])

    flops = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        flops[name] = 2 * side**3 / best(lambda a=a, b=b: a @ b)  # type: ignore[misc]
    block = torch.empty(side * side, dtype=torch.float32, device=device)
    return Floor(flops, 2 * block.nbytes / best(lambda: block.clone()))


def same_as_cpu(device: str, n_frames: int, size: int, model: str = "bundled") -> list[tuple[str, float, bool]]:
    """Follow two movies on the CPU and on the device, both in float32; as the device a CPU does as a GPU would.

    Returns
    -------
    list of tuple
        Name of a movie, share of pixels with another label, and whether every memory holds as many elements.
    """
    movies = {
        "nuclei": simulated_nuclei(n_frames, (size, size), 9),
        "phase contrast": simulated_phase_contrast(n_frames, (size, size), 6),
    }
    found = []
    for name, (frames, truth) in movies.items():
        with _as_on_a_gpu(torch.device(device)):
            ours = propagate(frames, {0: truth[0]}, model=model, device=device, precision="float32", scope="local")
        cpu = propagate(frames, {0: truth[0]}, model=model, device="cpu", precision="float32", scope="local")
        apart = float((np.asarray(ours.labels) != np.asarray(cpu.labels)).mean())
        stores = [[snapshot.stores for snapshot in result.memory] for result in (ours, cpu)]
        found.append((name, apart, stores[0] == stores[1]))
    return found


def busy(
    device: str, shape: tuple[int, int], objects: int, precision: Precision, n_frames: int, model: str = "bundled"
) -> dict[str, float]:
    """Follow discs and say, per frame: launches, seconds of the device and of the clock, operations, bytes moved."""
    network = load_model(model, device)
    nominal = network.config.nominal_diameter_px
    warm_up = 6
    frames, labels = disc_movie(shape, objects, 1 + warm_up + 3 * n_frames, 0.8 * nominal)
    config = PropagationConfig(scope="local", device=device, diameter_px=nominal, precision=precision)
    run = prepare_run(frames, {0: labels}, network, config)
    scope, t = open_scope(run), 0

    def follow(count: int) -> None:
        nonlocal t
        for _ in range(count):
            tidy(run, scope)
            scope.advance(frames[t], t, labels if t == 0 else None)
            t += 1

    follow(1 + warm_up)
    _synchronise(network.device)
    begun = time.perf_counter()
    follow(n_frames)
    _synchronise(network.device)
    wall = (time.perf_counter() - begun) / n_frames
    on_cuda = network.device.type == "cuda"
    activities = [ProfilerActivity.CUDA] if on_cuda else [ProfilerActivity.CPU]
    with profile(activities=activities) as record:
        follow(n_frames)
        _synchronise(network.device)
    events = record.events() or []
    kernels = [e for e in events if not on_cuda or str(e.device_type).endswith("CUDA")]
    device_s = sum(e.time_range.elapsed_us() for e in kernels) / 1e6 / n_frames if on_cuda else float("nan")
    counter = _Bytes()
    with FlopCounterMode(display=False) as flops, counter:
        follow(n_frames)
    return {
        "wall_s": wall, "launches": len(kernels) / n_frames, "device_s": device_s,
        "flops": flops.get_total_flops() / n_frames, "bytes": counter.total / n_frames,
    }  # fmt: skip


def _busy_line(name: str, found: dict[str, float], floor: Floor, precision: str) -> str:
    least = floor.seconds(found["flops"], found["bytes"], precision)
    used = found["device_s"] / found["wall_s"]
    share = f"device busy {100 * used:.0f} %" if used == used else "how busy the device is not known"
    return (
        f"* {name}, {precision}: {found['wall_s']:.4f} s per frame ({1 / found['wall_s']:.1f} frames/s), floor "
        f"{least:.4f} s ({found['wall_s'] / least:.1f} times), {found['launches']:.0f} launches, "
        f"{share}, {found['flops'] / 1e9:.0f} GFLOP, {found['bytes'] / 1e9:.1f} GB moved"
    )


def _suite(report: Report, case: Case) -> None:
    if case.device.startswith("cuda"):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(case.device)
    report.rows.append(Row(case, run_here(case)))
    report.write()


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and measure; returns 1 if the device does not give the CPU's labels, 2 if it is not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("-o", "--output", type=Path, default=Path("gpu-results"))
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the script itself")
    parser.add_argument("--minutes", type=float, default=5.5, help="no step begins after so many")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=STEPS, help="which steps")
    parser.add_argument("--model", default="bundled", help="network of all steps but local and global")
    args = parser.parse_args(arguments)
    try:
        resolve_device(args.device)
    except XMemError as error:
        sys.stderr.write(f"{error} To try the script without a GPU: --device cpu --quick.\n")
        return 2
    args.output.mkdir(parents=True, exist_ok=True)
    report = Report(args.output, describe_machine(0, args.device), time.monotonic() + 60 * args.minutes)
    wrong: list[str] = ["nothing was compared"] if "compare" in args.only else []

    def compare() -> None:
        found = same_as_cpu(args.device, 3 if args.quick else 8, 96 if args.quick else 208, args.model)
        for name, share, same_memory in found:
            report.say(f"* {name}: {share:.1e} of the pixels differ from the CPU, memory sizes equal: {same_memory}")
        wrong[:] = [name for name, share, same_memory in found if share > MOST_DIFFERENT or not same_memory]

    if "compare" in args.only:
        report.step("as on the CPU", compare)
    with _as_on_a_gpu(torch.device(args.device)):
        _measure_all(report, args)
    report.say(f"* **not as on the CPU**: {', '.join(wrong)}" if wrong else "* done")
    return 1 if wrong else 0


def _measure_all(report: Report, args: argparse.Namespace) -> None:
    device, quick, only, model = torch.device(args.device), args.quick, set(args.only), args.model
    floors: list[Floor] = []
    if only & {"card", "busy"}:
        report.step("card", lambda: floors.append(measure_card(device, 512 if quick else 8192)))
    for floor in floors:
        rates = ", ".join(f"{name} {rate / 1e12:.2f} TFLOP/s" for name, rate in floor.flops.items())
        report.say(f"* measured: {rates}, {floor.bytes_per_s / 1e9:.0f} GB/s")
    shapes = [(96, 128)] if quick else [(704, 1104), (2048, 2048)]
    counts = (2, 3) if quick else (30, 124, 500)
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    for shape in shapes:
        for objects in counts:
            name = f"local scope, {objects} objects, {shape[0]} x {shape[1]}"
            case = Case("local", *shape, objects, device=args.device, threads=0, repeats=1)
            if "local" in only:
                report.step(name, lambda case=case: _suite(report, case))  # type: ignore[misc]
            for precision in precisions if floors and "busy" in only and objects != max(counts) else ():
                report.step(f"{name}, busy", lambda o=objects, s=shape, p=precision, n=name: report.say(  # type: ignore[misc]
                    _busy_line(n, busy(args.device, s, o, p, 1 if quick else 3, model), floors[0], p)
                ))  # fmt: skip
    whole = (64, 96) if quick else (480, 854)
    for objects in ((1, 2) if quick else (1, 5, 20)) if "global" in only else ():
        for precision in precisions:
            case = Case("global", *whole, objects, "empty" if quick else "full", 2, 0, args.device, precision)
            report.step(f"global scope, {objects}, {precision}", lambda case=case: _suite(report, case))  # type: ignore[misc]
        if cutie.available():
            case = Case("cutie", *whole, objects, device=args.device, threads=0)
            report.step(f"Cutie-small, {objects}", lambda case=case: _suite(report, case))  # type: ignore[misc]
    for objects in ((2,) if quick else (30, 124)) if "calls" in only else ():
        size: dict[str, Any] = {"shape": (96, 128), "nuclei": 4} if quick else {}
        report.step(f"operator calls, {objects}", lambda o=objects, s=size: report.say(  # type: ignore[misc]
            table(*measure(o, device=args.device, model=model, **s), f"{o} nuclei, per frame, by phase")
        ))  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
