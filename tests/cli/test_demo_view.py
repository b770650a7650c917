from __future__ import annotations

import pytest
import tifffile

from napari_xmem.cli.demo import _VIEW
from napari_xmem.io import write_tracks
from napari_xmem.tracking import Lineage


@pytest.mark.gui
def test_the_script_of_the_demo_opens_everything_in_napari(files, tmp_path, make_napari_viewer, monkeypatch):
    import napari

    for name in ("movie", "seeds", "labels"):
        array = files.arrays["truth" if name == "labels" else name]
        tifffile.imwrite(tmp_path / f"{name}.tif", array)
    truth = files.arrays["truth"]
    write_tracks(tmp_path / "lineage.csv", (truth, Lineage.from_labels(truth)))
    (tmp_path / "view.py").write_text(_VIEW)
    viewer = make_napari_viewer()
    monkeypatch.setattr(napari, "Viewer", lambda **options: viewer)
    monkeypatch.setattr(napari, "run", lambda: None)
    names = {"__file__": str(tmp_path / "view.py")}
    exec(compile(_VIEW, str(tmp_path / "view.py"), "exec"), names)
    assert [layer.name for layer in viewer.layers] == ["movie", "seeds", "labels", "lineage"]
    assert names["widget"].image.name == "movie" and names["widget"].seeds.name == "seeds"
