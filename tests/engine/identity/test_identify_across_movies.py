"""The same individuals in another recording, one to one, with strangers among them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

import napari_xmem as nx
from napari_xmem.config import MemoryConfig, PropagationConfig
from napari_xmem.engine import iter_run, prepare_run
from napari_xmem.engine.identity.identify_across_movies import with_known
from napari_xmem.engine.state_file import StoredMemory, load_memory, save_memory
from napari_xmem.errors import InputError, MemoryBankError, SeedError

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 64


def field(cells: dict[int, tuple[int, tuple[int, int], float]], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a frame and its labels: label to look, centre and turn in degrees."""
    y, x = np.mgrid[:SIDE, :SIDE]
    frame, labels = np.full((SIDE, SIDE), 0.1), np.zeros((SIDE, SIDE), np.uint16)
    for label, (look, centre, turn) in cells.items():
        inside = np.hypot(y - centre[0], x - centre[1]) < 10
        rough = ndimage.gaussian_filter(np.random.default_rng(look).standard_normal((SIDE, SIDE)), 2.5)
        rough = ndimage.rotate(rough / rough.std(), turn, reshape=False, order=1, mode="nearest")
        rough = ndimage.shift(rough, np.array(centre) - (SIDE - 1) / 2, order=1, mode="nearest")
        frame[inside], labels[inside] = (0.7 + 0.15 * rough)[inside], label
    return (frame + np.random.default_rng(seed).normal(0, 0.02, frame.shape)).astype(np.float32), labels


YESTERDAY = {3: (0, (16, 16), 0.0), 5: (1, (16, 46), 0.0), 9: (2, (46, 30), 0.0)}
#: 1 is 9, 2 a stranger, 4 is 3.
TODAY = {1: (2, (16, 40), 75.0), 2: (7, (48, 50), 0.0), 4: (0, (44, 16), -40.0)}


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [field(YESTERDAY, seed) for seed in range(3)]
    movie = np.stack([frame for frame, _ in frames])
    config = PropagationConfig(memory=MemoryConfig(), scope="local")
    path = tmp_path_factory.mktemp("memory") / "yesterday.memory"
    run = prepare_run(movie, {0: frames[0][1]}, "bundled", config)
    scopes = []
    list(iter_run(run, watch=lambda scope, frame: scopes.append(scope)))
    save_memory(scopes[-1], path, fingerprint=run.network.fingerprint)
    return path


def test_individuals_are_known_wherever_and_however_they_lie_and_strangers_are_not(memory: Path) -> None:
    frame, labels = field(TODAY, 50)
    found = nx.identify(frame, labels, memory)
    assert found.assignment == {1: 9, 2: None, 4: 3}
    assert min(found.confidence[i] for i in (1, 4)) > 0.9
    assert 0.5 < found.confidence[2] <= 1  # its area and brightness are everybody's
    again = nx.identify(np.stack([frame, field(TODAY, 51)[0]]), np.stack([labels, labels]), memory)
    assert again.assignment == found.assignment
    assert again.confidence[1] >= found.confidence[1] - 0.05
    named = found.renamed(labels, 20)
    assert {int(i) for i in np.unique(named)} == {0, 3, 9, 20}
    assert np.array_equal(named == 9, labels == 1)


def test_a_run_goes_on_under_the_names_of_the_memory(memory: Path) -> None:
    frames = [field(TODAY, seed) for seed in (50, 51)]
    result = nx.propagate(np.stack([frame for frame, _ in frames]), {0: frames[0][1]}, known=memory)
    assert {int(i) for i in np.unique(result.labels[1])} == {0, 3, 9, 10}
    assert (result.labels[1] == 3)[frames[1][1] == 4].mean() > 0.8
    assert result.recipe["known"] == {"1": 9, "2": 10, "4": 3}


def test_bad_memories_and_labels_are_refused_in_a_sentence(memory: Path, tmp_path: Path) -> None:
    frame, labels = field(TODAY, 50)
    stored = load_memory(memory)
    with pytest.raises(SeedError, match="all 0"):
        nx.identify(frame, np.zeros_like(labels), stored)
    with pytest.raises(SeedError, match="shape"):
        nx.identify(frame, labels[:5], stored)
    with pytest.raises(MemoryBankError, match="another model"):
        nx.identify(frame, labels, replace(stored, fingerprint="other"))
    with pytest.raises(MemoryBankError, match="scope"):
        nx.identify(frame, labels, replace(stored, scope="global"))
    with pytest.raises(MemoryBankError, match="1 channel"):
        nx.identify(np.stack([frame, frame], -1), labels, stored)
    identity = stored.state["identity"]
    empty = StoredMemory("local", stored.fingerprint, (), stored.state | {"identity": identity | {"pasts": []}})
    with pytest.raises(MemoryBankError, match="no looks"):
        nx.identify(frame, labels, empty)
    damaged = replace(stored, state=stored.state | {"identity": identity | {"pasts": [[3, [{"time": 1}]]]}})
    with pytest.raises(MemoryBankError, match="damaged"):
        nx.identify(frame, labels, damaged)
    with pytest.raises(MemoryBankError, match="cannot be read"):
        nx.identify(frame, labels, tmp_path / "nothing.memory")
    run = prepare_run(
        np.stack([frame, frame]), {0: labels}, "bundled", PropagationConfig(memory=MemoryConfig(), scope="global")
    )
    with pytest.raises(InputError, match="local scope"):
        with_known(run, stored)
