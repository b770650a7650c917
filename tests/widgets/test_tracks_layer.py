"""A lineage in napari's own Tracks layer, in a real viewer."""

from __future__ import annotations

import numpy as np
import pytest

from lineage_scenes import PARENTS, budding, family
from napari_xmem.tracking import Lineage

pytestmark = pytest.mark.gui


@pytest.mark.parametrize("scene", ["family", "budding", "volumes"])
def test_graph_of_the_layer_is_the_lineage(make_napari_viewer, scene):
    labels, parents = budding() if scene == "budding" else (family(), PARENTS)
    if scene == "volumes":
        labels = np.stack([labels, labels], axis=1)
    lineage = Lineage.from_labels(labels, parents)
    data, graph, properties = lineage.to_napari()
    viewer = make_napari_viewer()
    viewer.add_labels(labels)
    layer = viewer.add_tracks(data, graph=graph, properties=properties)
    assert {child: list(mothers) for child, mothers in layer.graph.items()} == {c: [m] for c, m in parents.items()}
    np.testing.assert_array_equal(layer.data, data)
    assert set(properties) <= set(layer.properties)
    layer.color_by = "generation"
    for t in range(len(labels)):
        viewer.dims.set_point(0, t)
    ends = {i: int(layer.data[layer.data[:, 0] == i, 1].max()) for i in lineage.object_ids}
    assert ends == lineage.last_frame


def test_real_lineage_opens(make_napari_viewer, shared_dir):
    with np.load(shared_dir / "data" / "dev_ecoli_divisions.npz") as archive:
        parents = {int(child): int(mother) for child, mother, _ in archive["lineage"]}
        lineage = Lineage.from_labels(archive["labels"], parents)
    data, graph, properties = lineage.to_napari()
    layer = make_napari_viewer().add_tracks(data, graph=graph, properties=properties)
    assert {child: list(mothers) for child, mothers in layer.graph.items()} == {c: [m] for c, m in parents.items()}
