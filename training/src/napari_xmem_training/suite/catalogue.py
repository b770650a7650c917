"""All movies of the suite, by kind, and which real movies each kind stands for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from napari_xmem.errors import ConfigError, InputError
from napari_xmem_training.clips.store import SOURCES, StillStore
from napari_xmem_training.suite.development import development
from napari_xmem_training.suite.natural import natural
from napari_xmem_training.suite.simulated import Order, drifting, flickering, returning, simulated, striped
from napari_xmem_training.suite.stills import StillOrder, moving_objects, moving_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari_xmem_training.suite.movie import SuiteMovie

__all__ = ["KINDS", "Kind", "planned_movies", "suite_movies"]


@dataclass(frozen=True)
class Kind:
    """A kind of movie in the suite.

    Attributes
    ----------
    name : str
        What the tables call it.
    about : str
        What it shows.
    movies : int
        How many movies there are.
    needs : str
        File in the data folder it cannot do without; empty for simulated kinds.
    """

    name: str
    about: str
    movies: int
    needs: str = ""


def _stills(source: str) -> str:
    return f"{SOURCES[source]}.npz"


KINDS: tuple[Kind, ...] = (
    Kind("nuclei-dense", "simulated fluorescent nuclei, crowded, dividing", 2),
    Kind("nuclei-sparse", "simulated fluorescent nuclei, few, noisy", 2),
    Kind("phase-crowd", "simulated spread cells in phase contrast, crowded", 1),
    Kind("yeast", "simulated budding yeast, touching", 1),
    Kind("rods", "simulated bacterial colony, dividing, still stage", 2),
    Kind("rods-drift", "the same with the stage jumping about 100 px per frame", 2),
    Kind("em-stack", "simulated EM stack followed along z", 2),
    Kind("membranes", "simulated tissue, fluorescent membranes", 1),
    Kind("natural", "one coloured thing before a textured scene, moving camera", 4),
    Kind("return", "simulated nuclei; a third is gone for ten frames", 1),
    Kind("dic", "simulated cells in differential interference contrast", 1),
    Kind("brightfield", "simulated cells in brightfield", 1),
    Kind("amoebae", "simulated crawling amoebae", 1),
    Kind("organoids", "simulated organoids", 1),
    Kind("rods-fluo", "simulated fluorescent bacteria, dividing", 1),
    Kind("still-fluo", "val stills of fluorescent nuclei, set in motion", 2, _stills("fluo")),
    Kind("still-other", "val stills of stained and brightfield nuclei, set in motion", 2, _stills("other")),
    Kind("still-phase", "val stills of crowded cells in phase contrast, set in motion", 2, _stills("phase")),
    Kind("mitosis", "simulated nuclei, many dividing, seeded at every phase of mitosis", 2),
    Kind("nuclei-dividing", "the same, as dense as a full dish", 1),
    Kind("nuclei-dim", "simulated nuclei, some up to 20 times dimmer than others", 2),
    Kind("rods-full", "simulated rods that fill the view and stay joined after division", 1),
    Kind("em-varied", "simulated EM stacks with membranes of several kinds", 2),
    Kind("flicker", "simulated nuclei under a lamp that flickers (gains of 0.2 to 2)", 1),
    Kind("stripes", "simulated nuclei, hot pixels, saturated rows on every third frame", 1),
    Kind("budding", "real: budding yeast in phase contrast (20 of 90 frames)", 1, "dev_yeast_budding.npz"),
    Kind("drosophila", "real: nuclei of a fly embryo (21 frames)", 1, "dev_drosophila_fluo.npz"),
    Kind("c2c12", "real: C2C12 cells in phase contrast (10 frames)", 1, "dev_c2c12_phase.npz"),
)
"""What `suite_movies` can make."""

_ORDERS = {
    "nuclei-dense": Order("nuclei", 352, 60, 28.0, (0.02, 0.25)),
    "nuclei-sparse": Order("sparse_nuclei", 256, 9, 28.0, (0.02, 0.35)),
    "phase-crowd": Order("phase_cells", 352, 34, 40.0, (0.02, 0.2)),
    "yeast": Order("budding_yeast", 256, 28, 32.0, (0.0, 0.15), 0.3),
    "rods": Order("rods_phase", 256, 8, 26.0, (0.02, 0.4), 0.5, growth=2.5),
    "rods-drift": Order("rods_phase", 576, 10, 28.0, (0.02, 0.4), 0.5, growth=1.5),
    "em-stack": Order("em_stack", 256, 12, 48.0, (0.02, 0.1), 0.25),
    "membranes": Order("membranes", 256, 22, 44.0, (0.0, 0.2)),
    "dic": Order("dic_cells", 288, 9, 52.0, (0.01, 0.25)),
    "brightfield": Order("brightfield_cells", 256, 9, 40.0, (0.01, 0.25)),
    "amoebae": Order("amoebae", 288, 8, 44.0, (0.02, 0.35)),
    "organoids": Order("organoids", 256, 7, 50.0, (0.0, 0.2)),
    "mitosis": Order("mitosis", 288, 20, 32.0, (0.01, 0.3), smallest=0.08),
    "nuclei-dividing": Order("mitosis", 352, 60, 28.0, (0.01, 0.2), smallest=0.08),
    "nuclei-dim": Order("dim_nuclei", 256, 16, 28.0, (0.01, 0.25)),
    "rods-full": Order("rods_septate", 224, 40, 24.0, (0.0, 0.4), 0.5, growth=1.3),
    "em-varied": Order("em_varied", 256, 14, 44.0, (0.0, 0.15), 0.3),
    "flicker": Order("nuclei", 224, 16, 28.0, (0.02, 0.25)),
    "stripes": Order("nuclei", 224, 16, 28.0, (0.02, 0.25)),
    "rods-fluo": Order("rods_fluorescence", 256, 8, 26.0, (0.02, 0.4), 0.5, growth=2.0),
}

_PARTS = {"budding": slice(60, 80)}
"""Frames of a recording that are used; all of the others."""

_STILLS = {
    "still-fluo": StillOrder("fluo", (18, 32), 28.0),
    "still-other": StillOrder("other", (12, 22), 30.0),
    "still-phase": StillOrder("phase", (18, 30), 40.0),
}


def suite_movies(data_dir: Path | None = None, kinds: Sequence[str] | None = None) -> Iterator[SuiteMovie]:
    """Make the movies of the suite, one at a time: the same ones every time.

    Parameters
    ----------
    data_dir : Path or None
        Folder of the image archives and tracked movies; None leaves out the kinds that need them.
    kinds : sequence of str, optional
        Names of `KINDS`; None: all that can be made.

    Raises
    ------
    ConfigError
        A kind is unknown.
    InputError
        A kind that was asked for needs a file that is not there.
    """
    for make in planned_movies(data_dir, kinds):
        yield make()


def planned_movies(data_dir: Path | None = None, kinds: Sequence[str] | None = None) -> list[Callable[[], SuiteMovie]]:
    """Return functions that each make one movie; arguments and errors as for `suite_movies`."""
    known = {kind.name: kind for kind in KINDS}
    for name in kinds or ():
        if name not in known:
            raise ConfigError(f"The suite has no kind {name!r}; kinds are {', '.join(known)}.")
    wanted = [known[name] for name in kinds] if kinds else list(KINDS)
    if data_dir is not None and not data_dir.is_dir():
        raise InputError(f"{data_dir} is no folder; expected one that holds the image archives.")
    plans: list[Callable[[], SuiteMovie]] = []
    store: StillStore | None = None
    if data_dir is not None and any((data_dir / f"{name}.npz").is_file() for name in SOURCES.values()):
        store = StillStore(data_dir, "val")
    for kind in wanted:
        there = not kind.needs or (data_dir is not None and (data_dir / kind.needs).is_file())
        if there:
            plans += [partial(_make, kind, n, data_dir, store) for n in range(1, kind.movies + 1)]
        elif kinds:
            raise InputError(f"Kind {kind.name} needs {kind.needs}: give its folder with --data.")
    return plans


def _make(kind: Kind, number: int, data_dir: Path | None, store: StillStore | None) -> SuiteMovie:
    name = kind.name
    if name in _STILLS and store is not None:
        make = moving_objects if number == 1 else moving_picture
        return make(name, number, store, _STILLS[name])
    if kind.needs and data_dir is not None:
        return development(name, number, data_dir, kind.needs, _PARTS.get(name, slice(None)))
    if name == "natural":
        return natural(name, number, store)
    if name == "return":
        return returning(name, number)
    if name == "rods-drift":
        return drifting(name, number, _ORDERS[name], window_px=320, step_px=100.0)
    make_one = {"flicker": flickering, "stripes": striped}.get(name, simulated)
    return make_one(name, number, _ORDERS[name])
