"""Columns of cells in a drawing of their tree."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lineage_scenes import PARENTS, family
from napari_xmem.tracking import Detections, Lineage
from napari_xmem.tracking.tree_layout import dividing_founders, tree_columns


def test_mothers_stand_between_their_daughters():
    lineage = Lineage.from_labels(family(), PARENTS)
    assert tree_columns(lineage) == {2: 0, 1: 1, 5: 2, 3: 3, 6: 4, 4: 5, 7: 6}
    assert tree_columns(lineage, [4]) == {4: 0}
    assert dividing_founders(lineage) == (1,)
    assert tree_columns(Lineage.from_labels([])) == {}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_every_cell_has_a_column_and_families_stand_together(mothers):
    parents = {i: m for i, m in enumerate(mothers, start=1) if 0 < m < i}
    ids = list(range(1, len(mothers) + 1))
    lineage = Lineage.from_detections(Detections.from_arrays(ids, ids, [(0.0, 0.0)] * len(ids)), parents)
    columns = tree_columns(lineage)
    assert sorted(columns.values()) == list(range(len(ids)))
    for i in ids:
        own = sorted(columns[j] for j in (i, *lineage.descendants(i)))
        assert own == list(range(own[0], own[-1] + 1))
        daughters = lineage.daughters.get(i, ())
        if len(daughters) > 1:
            assert own[0] < columns[i] < own[-1]
