"""Operator calls and CPU seconds per frame of the local scope, by phase: what a GPU waits for, and where time goes.

``python -m napari_xmem_benchmark.operator_calls --objects 30 124 --as-on cpu accelerator``

Dense simulated nuclei, of which some are followed, with full memory, over whole cycles from one consolidation to the
next. Calls are what torch's dispatcher sees (`TorchDispatchMode`): those that compute or copy, which on a GPU are
launches, and those that only look at a tensor differently or make room for one. Seconds are CPU seconds of the process
on frames on which nothing is counted. Both belong to the innermost phase.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from contextlib import contextmanager, nullcontext
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.engine import prepare_run
from napari_xmem.engine.division import DivisionTracker
from napari_xmem.engine.identity import IdentityKeeper
from napari_xmem.engine.run_passes import open_scope, tidy
from napari_xmem.engine.scopes import frame_now, local_scope
from napari_xmem.engine.scopes.frame_quality import FrameGate
from napari_xmem.engine.scopes.local_scope import LocalScope
from napari_xmem.engine.scopes.ownership import Ownership
from napari_xmem.engine.scopes.stage_drift import DriftTracker
from napari_xmem.memory.few_calls import as_on_accelerator
from napari_xmem.model import InferenceXMem, load_model
from napari_xmem.sample_data import simulated_nuclei
from napari_xmem_benchmark.scenes import fill_long_term, fill_working

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_xmem.config import Precision

__all__ = ["NUCLEI", "SHAPE", "Meter", "measure", "table", "watched"]

SHAPE, NUCLEI = (704, 1104), 124
#: Where a phase begins: owner and name of what is called.
PHASES: dict[str, list[tuple[Any, str]]] = {
    "encode": [(local_scope, "encode_view")],
    "read": [(frame_now, "read_regions"), (frame_now, "decode_regions")],
    "decode": [(InferenceXMem, "decode"), (InferenceXMem, "judge")],
    "value": [(InferenceXMem, "encode_value")],
    "write": [(frame_now, "memorise_regions"), (frame_now, "settle")],
    "credit": [(local_scope, "credit_memory")],
    "masks": [
        (local_scope, "aggregate_regions"),
        (local_scope, "postprocess_masks"),
        (frame_now, "others_in"),
        (local_scope, "compose_labels"),
        *((Ownership, name) for name in ("move", "defend", "update")),
    ],
    "identity": [(IdentityKeeper, "judge"), (IdentityKeeper, "keep")],
    "divisions": [(DivisionTracker, "advance")],
    "drift": [(DriftTracker, "advance"), (FrameGate, "judge")],
    "frame": [(LocalScope, "advance")],
}


class Meter(TorchDispatchMode):
    """Calls and seconds by phase."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.views: Counter[str] = Counter()
        self.names: dict[str, Counter[str]] = {}
        self.seconds: dict[str, float] = defaultdict(float)
        self._phases = ["other"]
        self._since = time.process_time()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count a call."""
        phase, result = self._phases[-1], func(*args, **(kwargs or {}))
        if _computes(func, args, result):
            self.calls[phase] += 1
            self.names.setdefault(phase, Counter())[str(func)] += 1
        else:
            self.views[phase] += 1
        return result

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count for a phase inside this block."""
        self._switch()
        self._phases.append(name)
        try:
            yield
        finally:
            self._switch()
            self._phases.pop()

    def _switch(self) -> None:
        now = time.process_time()
        self.seconds[self._phases[-1]] += now - self._since
        self._since = now


def _computes(func: Any, args: Sequence[Any], result: Any) -> bool:
    """Return False for a call that only made a view of its first argument, or room."""
    name = func.overloadpacket.__name__
    if name.startswith(("empty", "new_empty", "lift", "detach", "unbind", "split", "chunk")):
        return False
    if name.endswith("_") or not (isinstance(result, torch.Tensor) and args and isinstance(args[0], torch.Tensor)):
        return True
    return result.untyped_storage().data_ptr() != args[0].untyped_storage().data_ptr() or func._overloadname == "out"


@contextmanager
def watched(meter: Meter, parts: Sequence[tuple[str, Any, str]]) -> Iterator[None]:
    """Let a meter know which phase is going on."""
    originals = [getattr(owner, name) for _, owner, name in parts]

    def wrapped(phase: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with meter.phase(phase):
                return original(*args, **kwargs)

        return call

    for (phase, owner, name), original in zip(parts, originals, strict=True):
        setattr(owner, name, wrapped(phase, original))
    try:
        yield
    finally:
        for (_, owner, name), original in zip(parts, originals, strict=True):
            setattr(owner, name, original)


def measure(
    n_objects: int,
    cycles: int = 1,
    device: str = "cpu",
    precision: Precision = "auto",
    shape: tuple[int, int] = SHAPE,
    nuclei: int = NUCLEI,
    model: str = "bundled",
) -> tuple[Meter, int]:
    """Follow objects over frames that are counted and frames that are timed.

    Parameters
    ----------
    n_objects : int
        How many of the nuclei are followed.
    cycles : int
        From one consolidation to the next, counted and timed.
    device, precision : str
        Of the run.
    shape : tuple of 2 int
        Frame size.
    nuclei : int
        Nuclei on the frame.
    model : str
        Name or file of the network.

    Returns
    -------
    tuple of Meter and int
        Calls, and seconds, over so many frames each.
    """
    network, memory = load_model(model, device), MemoryConfig()
    cycle = (memory.working_max_frames - memory.working_min_frames) * memory.memory_interval_frames
    warm_up, each = 1 + 2 * cycle, cycle * cycles
    frames, truth = simulated_nuclei(1 + warm_up + 2 * each, shape, nuclei)
    seeds = np.where(truth[0] <= n_objects, truth[0], 0)
    config = PropagationConfig(memory=memory, scope="local", device=device, precision=precision)
    run = prepare_run(frames, {0: seeds}, network, config)
    scope, meter = open_scope(run), Meter()
    parts = [(phase, *place) for phase, places in PHASES.items() for place in places]

    def follow(t: int) -> None:
        tidy(run, scope)
        scope.advance(frames[t], t, seeds if t == 0 else None)
        scope.snapshot(t)

    follow(0)
    for bank in scope.banks:
        fill_working(bank, memory.working_max_frames - 1)
        fill_long_term(bank, run.config.memory.long_term_max_elements)
    for t in range(1, 1 + warm_up):
        follow(t)
    with watched(meter, parts):
        with meter:
            for t in range(1 + warm_up, 1 + warm_up + each):
                follow(t)
        meter.seconds.clear()
        with meter.phase("other"):
            for t in range(1 + warm_up + each, len(frames)):
                follow(t)
    return meter, each


def table(meter: Meter, frames: int, title: str) -> str:
    """Return a table in Markdown, per frame."""
    rows = [f"### {title}", "| phase | operator calls | views | CPU ms |", "| --- | --- | --- | --- |"]
    for phase in sorted(meter.seconds, key=lambda p: -meter.seconds[p]):
        calls, views, ms = meter.calls[phase] / frames, meter.views[phase] / frames, meter.seconds[phase] / frames
        rows.append(f"| {phase} | {calls:.0f} | {views:.0f} | {1000 * ms:.0f} |")
    calls, views = meter.calls.total() / frames, meter.views.total() / frames
    ms = sum(meter.seconds.values()) / frames
    return "\n".join([*rows, f"| **all** | **{calls:.0f}** | **{views:.0f}** | **{1000 * ms:.0f}** |", ""])


def main() -> None:
    """Print a table for each number of objects."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--objects", nargs="+", type=int, default=[30, NUCLEI], help=f"at most {NUCLEI}")
    parser.add_argument("--cycles", type=int, default=1, help="from one consolidation to the next")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--model", default="bundled", help="name or file of the network")
    parser.add_argument(
        "--as-on",
        nargs="+",
        choices=("cpu", "accelerator"),
        default=["cpu"],
        help="whose way to share out the work; seconds mean something with that of a CPU only",
    )
    parser.add_argument("--operators", type=int, default=0, metavar="N", help="also the N most frequent of each phase")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for as_on, n_objects in product(args.as_on, args.objects):
        with as_on_accelerator() if as_on == "accelerator" else nullcontext():
            meter, frames = measure(n_objects, args.cycles, args.device, args.precision, model=args.model)
        title = f"{n_objects} of {NUCLEI} nuclei, {SHAPE[0]} x {SHAPE[1]} px, per frame, as on "
        sys.stdout.write(table(meter, frames, title + ("a CPU" if as_on == "cpu" else "an accelerator")) + "\n")
        for phase, names in meter.names.items() if args.operators else ():
            most = ", ".join(f"{name} {n / frames:.0f}" for name, n in names.most_common(args.operators))
            sys.stdout.write(f"{phase}: {most}\n\n")


if __name__ == "__main__":
    main()
