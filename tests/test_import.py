from __future__ import annotations

import subprocess
import sys

import pytest

import napari_xmem

HEAVY = "{'napari', 'torch', 'qtpy', 'magicgui', 'scipy', 'zarr'}"


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_importing_the_package_loads_nothing_heavy():
    heavy = f"{HEAVY} | {{'numpy'}}"
    done = run(f"import napari_xmem, sys; assert not ({heavy}) & set(sys.modules), ({heavy}) & set(sys.modules)")
    assert done.returncode == 0, done.stderr


def test_the_command_line_loads_nothing_heavy_for_help():
    done = run(
        "import sys; from napari_xmem.cli import main; assert main(['propagate', '--help']) == 0;"
        f"assert not {HEAVY} & set(sys.modules), {HEAVY} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_everything_but_widgets_works_without_a_gui():
    """The computing rooms never load napari or Qt, not even indirectly."""
    rooms = ["imaging", "io", "tracking", "model", "memory", "engine", "cli"]
    code = f"""
import importlib, sys
for room in {rooms}:
    importlib.import_module("napari_xmem." + room)
assert not {{"napari", "qtpy", "magicgui", "superqt"}} & set(sys.modules)
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_docks_say_what_is_missing():
    """As on a machine where only the core is installed."""
    code = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {"napari", "superqt"} else real(name, package)
import napari_xmem.widgets.propagate
"""
    done = run(code)
    assert done.returncode == 1
    assert "need napari, superqt: install with \"pip install 'napari-xmem[all]'\"" in done.stderr


def test_opening_docks_loads_no_torch():
    """It would freeze the window for seconds: it is loaded in a thread."""
    rooms = ["propagate", "review", "lineage"]
    code = f"""
import importlib, sys
for room in {rooms}:
    importlib.import_module(f"napari_xmem.widgets.{{room}}.dock")
from napari_xmem import sample_data
sample_data.simulated_nuclei(2, (64, 64), 2)
assert "torch" not in sys.modules
"""
    pytest.importorskip("napari")
    done = run(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", napari_xmem.__all__)
def test_every_public_name_is_there(name):
    assert getattr(napari_xmem, name) is not None
    assert name in dir(napari_xmem)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'propagat'"):
        _ = napari_xmem.propagat


def test_errors_are_no_runtime_errors():
    """napari's generator workers swallow RuntimeError, and the viewer would never stop waiting."""
    named = [getattr(napari_xmem.errors, name) for name in napari_xmem.errors.__all__]
    errors = [item for item in named if isinstance(item, type)]
    assert len(errors) > 5
    assert all(issubclass(error, napari_xmem.XMemError) for error in errors)
    assert not any(issubclass(error, RuntimeError) for error in errors)
