"""Small tables that never scroll sideways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["chosen_numbers", "fill_table", "make_table"]

ROW_PX = 22
MAX_ROWS_SHOWN = 8
#: Texts of so few rows are wrapped rather than cut.
MOST_WRAPPED = 12


def make_table(names: Sequence[str]) -> QTableWidget:
    """Return an empty table; the last column takes the room that is left."""
    table = QTableWidget(0, len(names))
    table.setHorizontalHeaderLabels(list(names))
    table.setAccessibleName(f"Table of {', '.join(names).lower()}")
    rows, header = table.verticalHeader(), table.horizontalHeader()
    if rows is not None:
        rows.hide()
        rows.setDefaultSectionSize(ROW_PX)
        rows.setMinimumSectionSize(ROW_PX)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setShowGrid(False)
    table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    if header is not None:
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        for column in range(len(names) - 1):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(len(names) - 1, QHeaderView.ResizeMode.Stretch)
    return table


def fill_table(table: QTableWidget, rows: Sequence[Sequence[str]], tips: Sequence[str] = ()) -> None:
    """Replace all rows, with one tooltip per row if given; the table is as high as its rows, up to a limit."""
    table.blockSignals(True)
    table.setRowCount(len(rows))
    for r, texts in enumerate(rows):
        for c, text in enumerate(texts):
            cell = QTableWidgetItem(text)
            cell.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            cell.setToolTip(tips[r] if r < len(tips) else text)
            table.setItem(r, c, cell)
    table.blockSignals(False)
    header = table.horizontalHeader()
    if len(rows) <= MOST_WRAPPED:
        table.resizeRowsToContents()
    heights = [table.rowHeight(r) for r in range(min(len(rows), MAX_ROWS_SHOWN))] or [ROW_PX]
    table.setFixedHeight((0 if header is None else header.sizeHint().height()) + sum(heights) + 4)


def chosen_numbers(table: QTableWidget) -> list[int]:
    """Return the numbers in the first column of the chosen rows, ascending."""
    chosen = table.selectionModel()
    rows = () if chosen is None else {index.row() for index in chosen.selectedRows()}
    cells = [table.item(row, 0) for row in rows]
    return sorted({int(cell.text()) for cell in cells if cell is not None})
