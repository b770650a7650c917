"""Every example in a docstring outside the panels runs, and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import napari_xmem

FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def examples():
    """All docstrings with an example, by name."""
    finder, found = doctest.DocTestFinder(exclude_empty=True), {}
    for module in pkgutil.walk_packages(napari_xmem.__path__, "napari_xmem."):
        if ".widgets" not in module.name and not module.name.endswith("__main__"):
            source = importlib.import_module(module.name)
            found |= {test.name: test for test in finder.find(source, module.name) if test.examples}
    return found


EXAMPLES = examples()


def test_the_main_names_have_examples():
    shown = {name.rpartition(".")[2] for name in EXAMPLES}
    names = {"propagate", "find_similar", "identify", "forecast", "evaluate"}
    assert names | {"MemoryConfig", "TrackingSession", "Propagator", "LabelWriter"} <= shown
    assert all(not example.options for test in EXAMPLES.values() for example in test.examples)  # none is left out


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test, said = EXAMPLES[name], []
    test.globs = {}  # what a reader has who pastes it
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert said == [], "".join(said)
