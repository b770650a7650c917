"""napari finds the plugin: in this (editable) install and in a wheel."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import zipfile

import pytest
from npe2 import PluginManifest

MENUS = {"napari/layers/track", "napari/layers/segment", "napari/layers/annotate", "napari/file/io_utilities"}


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_distribution("napari-xmem")


def test_the_installed_manifest_is_the_one_at_the_top_level(repository):
    installed = repository / "src" / "napari_xmem" / "napari.yaml"
    assert installed.read_text() == (repository / "napari.yaml").read_text(), "install again: napari.yaml has changed"


def test_contributions(manifest):
    assert manifest.name == "napari-xmem"
    widgets = {w.display_name: w.command for w in manifest.contributions.widgets}
    assert widgets["Propagate labels"] == "napari-xmem.propagate"
    track = [item.command for item in manifest.contributions.menus["napari/layers/track"]]
    assert "napari-xmem.propagate" in track
    samples = {s.key for s in manifest.contributions.sample_data}
    assert {"dividing_nuclei", "simulated_nuclei", "simulated_phase_contrast", "hela_download"} <= samples


def test_menus_are_ones_that_napari_shows(manifest):
    """Others validate but are silently dropped."""
    assert set(manifest.contributions.menus) <= MENUS


def test_every_command_exists(manifest):
    manifest.validate_imports()


def test_console_script():
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="napari-xmem")
    assert callable(script.load())


@pytest.mark.slow
def test_wheel_from_the_source_archive(repository, tmp_path):
    """Build an sdist and from it a wheel, without network, and look inside."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(repository)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert archive.read("napari_xmem/napari.yaml").decode() == (repository / "napari.yaml").read_text()
        assert "napari_xmem/py.typed" in names
        weights = {p.name for p in (repository / "src/napari_xmem/model").rglob("*.safetensors")}
        assert weights == {name.rpartition("/")[2] for name in names if name.endswith(".safetensors")}
        (entry_points,) = [name for name in names if name.endswith("entry_points.txt")]
        assert "napari-xmem = napari_xmem:napari.yaml" in archive.read(entry_points).decode()
        archive.extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import napari_xmem; from npe2 import PluginManifest;"
        "assert napari_xmem.__file__.startswith(sys.argv[1]), napari_xmem.__file__;"
        "assert PluginManifest.from_distribution('napari-xmem').contributions.widgets"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "site")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
