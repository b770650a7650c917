"""Where cells stand in a drawing of their tree: a column each, mothers between their daughters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_xmem.tracking.lineage import Lineage

__all__ = ["dividing_founders", "tree_columns"]


def tree_columns(lineage: Lineage, founders: Collection[int] | None = None) -> dict[int, int]:
    """Give every cell a column of its own, families beside each other.

    A mother stands between the first and the second half of her daughters, so that lines from mothers to daughters
    never cross.

    Parameters
    ----------
    lineage : Lineage
        The trees.
    founders : collection of int, optional
        Roots of the families wanted; None: all, by first frame and id.

    Returns
    -------
    dict of int to int
        Cell to column, from 0, in the order of columns.
    """
    roots = [i for i in lineage.object_ids if i not in lineage.parents]
    wanted = [i for i in roots if founders is None or i in founders]
    wanted.sort(key=lambda i: (lineage.first_frame[i], i))
    order: list[int] = []
    waiting = [(i, False) for i in reversed(wanted)]
    while waiting:
        cell, is_placed = waiting.pop()
        daughters = lineage.daughters.get(cell, ())
        if is_placed or not daughters:
            order.append(cell)
            continue
        born = sorted(daughters, key=lambda i: (lineage.first_frame[i], i))
        half = (len(born) + 1) // 2
        waiting += [(i, False) for i in reversed(born[half:])]
        waiting.append((cell, True))
        waiting += [(i, False) for i in reversed(born[:half])]
    return {cell: column for column, cell in enumerate(order)}


def dividing_founders(lineage: Lineage) -> tuple[int, ...]:
    """Return the founders that have descendants."""
    return tuple(sorted({lineage.founder[mother] for mother in lineage.daughters}))
