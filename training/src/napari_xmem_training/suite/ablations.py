"""What each part of the method is worth: one setting changed at a time, on a few movies of the suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_xmem.config import MemoryConfig
from napari_xmem.engine import propagate
from napari_xmem.imaging import median_diameter_px
from napari_xmem.model import InferenceXMem, XMem, load_model
from napari_xmem.model.inference import choose_precision
from napari_xmem.tracking.ancestry import labels_of_founders
from napari_xmem.tracking.label_geometry import measure_objects
from napari_xmem_training.suite.catalogue import suite_movies
from napari_xmem_training.suite.movie import SuiteMovie
from napari_xmem_training.suite.score import MovieScore, score_movie

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_xmem.model import DecoderContext, ValueContext

__all__ = ["ABLATIONS", "Ablation", "few_objects", "run_ablations", "table"]

Options = Callable[[SuiteMovie, float], dict[str, Any]]
"""From a movie and the model's nominal diameter to options of `napari_xmem.propagate`."""


@dataclass(frozen=True)
class Ablation:
    """One changed setting.

    Attributes
    ----------
    group, name : str
        What is varied, and the value.
    memory : dict
        Changes to `MemoryConfig`.
    options : callable, optional
        Other options, from the movie and the nominal diameter.
    sensory : bool
        False: sensory memory is emptied before every use.
    locality_px : float, optional
        Reach of the prior on places instead of the model's; 0 switches it off.
    """

    group: str
    name: str
    memory: dict[str, Any] = field(default_factory=dict)
    options: Options | None = None
    sensory: bool = True
    locality_px: float | None = None


def _nominal(px: float) -> Options:
    return lambda movie, nominal: {"diameter_px": median_diameter_px(movie.seeds) * nominal / px}


def _reach(diameters: float) -> Options:
    return lambda movie, nominal: {"max_displacement_px": diameters * median_diameter_px(movie.seeds)}


ABLATIONS: tuple[Ablation, ...] = (
    Ablation("default", "default"),
    *(Ablation("nominal diameter", f"{px} px", options=_nominal(px)) for px in (32, 42, 54, 64, 80)),
    *(Ablation("reach of the region", f"{d} diameters", options=_reach(d)) for d in (0.4, 0.8, 1.2, 1.8)),
    *(Ablation("memory interval", f"every {n}", {"memory_interval_frames": n}) for n in (1, 2, 5, 10)),
    Ablation("memory interval", "first frame only", {"memory_interval_frames": 1_000_000}),
    *(
        Ablation("working memory", f"{low} to {high} frames", {"working_min_frames": low, "working_max_frames": high})
        for low, high in ((1, 3), (3, 6), (10, 20))
    ),
    Ablation("working memory", "no long-term memory", {"long_term": False}),
    *(Ablation("top k", str(k or "all"), {"top_k": k}) for k in (8, 30, 100, None)),
    Ablation("sensory memory", "none", sensory=False),
    *(Ablation("locality", f"{px} px" if px else "none", locality_px=px) for px in (0.0, 24.0, 48.0)),
    Ablation("scope", "global", options=lambda movie, nominal: {"scope": "global"}),
)
"""All that are run; values that are the default anyway give the default's numbers."""


class _Forgetful(InferenceXMem):
    """A network whose sensory memory is empty whenever it is read."""

    def encode_value(
        self, image: Tensor, masks: Tensor, others: Tensor, context: ValueContext, hidden: Tensor | None, *, deep: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Encode with empty sensory memory."""
        empty = None if hidden is None else torch.zeros_like(hidden)
        return super().encode_value(image, masks, others, context, empty, deep=deep)

    def decode(
        self, context: DecoderContext, readout: Tensor, hidden: Tensor | None, *, update_hidden: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Decode with empty sensory memory."""
        empty = None if hidden is None else torch.zeros_like(hidden)
        return super().decode(context, readout, empty, update_hidden=update_hidden)


def few_objects(movie: SuiteMovie, number: int) -> SuiteMovie:
    """Keep the scored objects nearest to the middle of the first frame; the others stay in the picture unlabelled.

    Parameters
    ----------
    movie : SuiteMovie
        Movie with truth.
    number : int
        Objects to keep.
    """
    found = measure_objects(movie.seeds)
    middle = np.asarray(movie.seeds.shape) / 2
    order = np.argsort(np.linalg.norm(found.centroids_px - middle, axis=1), kind="stable")
    kept = [int(i) for i in found.object_ids[order] if int(i) in movie.scored][:number]
    truth = np.where(np.isin(movie.truth, kept), movie.truth, 0).astype(np.uint16)
    return replace(movie, truth=truth, scored=tuple(kept))


def run_ablations(
    model: str,
    data_dir: Path | None,
    kinds: Sequence[str],
    n_objects: int = 12,
    ablations: Sequence[Ablation] = ABLATIONS,
    device: str = "auto",
    progress: Callable[[str], None] | None = None,
) -> dict[str, list[MovieScore]]:
    """Run every ablation on the first movie of each kind.

    Parameters
    ----------
    model : str
        "bundled" or a weights file.
    data_dir : Path or None
        See `suite_movies`.
    kinds : sequence of str
        Kinds of the suite.
    n_objects : int
        Objects followed per movie.
    ablations : sequence of Ablation
        What to run.
    device : str
        See `napari_xmem.model.resolve_device`.
    progress : callable, optional
        Called with a line after each ablation.

    Returns
    -------
    dict of str to list of MovieScore
        Keyed by ``group: name``.
    """
    network = load_model(model, device)
    movies = [few_objects(next(iter(suite_movies(data_dir, [kind]))), n_objects) for kind in kinds]
    out: dict[str, list[MovieScore]] = {}
    for ablation in ablations:
        chosen = _changed(network, ablation)
        out[f"{ablation.group}: {ablation.name}"] = [_score(movie, chosen, ablation) for movie in movies]
        if progress:
            progress(f"{ablation.group}: {ablation.name}")
    return out


def _changed(network: XMem, ablation: Ablation) -> XMem:
    """Return the network as an ablation wants it: a copy, or the network itself where it changes nothing of it."""
    if ablation.sensory and ablation.locality_px is None:
        return network
    locality = network.config.locality_px if ablation.locality_px is None else ablation.locality_px
    copy = XMem(replace(network.config, locality_px=locality))
    copy.load_state_dict(network.state_dict())
    copy = copy.requires_grad_(False).eval().to(network.device)
    return copy if ablation.sensory else _Forgetful(copy, choose_precision(network.device))


def _score(movie: SuiteMovie, network: XMem, ablation: Ablation) -> MovieScore:
    options = ablation.options(movie, network.config.nominal_diameter_px or 1.0) if ablation.options else {}
    result = propagate(
        movie.frames, np.asarray(movie.seeds), model=network, device=str(network.device),
        memory=MemoryConfig().replace(**ablation.memory), **options,
    )  # fmt: skip
    labels = labels_of_founders(result.labels, result.lineage.founder)
    return score_movie(movie, labels, ablation.name, 0.0)


def table(results: dict[str, list[MovieScore]], kinds: Sequence[str]) -> str:
    """Return a markdown table: mean J on the last column per kind, and the difference of the mean to the default's."""
    lines = ["| setting | " + " | ".join(kinds) + " | mean | change |", "|" + " --- |" * (len(kinds) + 3)]
    default = float("nan")
    for name, scores in results.items():
        values = [score.columns[max(score.columns)].mean for score in scores]
        mean = float(np.mean(values))
        default = mean if np.isnan(default) else default
        cells = " | ".join(f"{v:.2f}" for v in values)
        lines.append(f"| {name} | {cells} | {mean:.3f} | {mean - default:+.3f} |")
    return "\n".join(lines)
