"""Folders of the viewer's room use only those before them, so that docks know nothing of each other."""

from __future__ import annotations

import ast

ORDER = ("common", "layers", "jobs", "saving")


def test_folders_use_only_those_before_them(repository):
    room = repository / "src" / "napari_xmem" / "widgets"
    docks = {path.parent.name for path in room.glob("*/dock.py")} - {*ORDER}
    assert docks
    wrong = []
    for path in room.rglob("*.py"):
        folder = path.relative_to(room).parts[0]
        if folder not in {*ORDER, *docks}:
            continue
        allowed = {folder, *(ORDER[: ORDER.index(folder)] if folder in ORDER else (*ORDER, "track_selected_label"))}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("napari_xmem.widgets"):
                parts = (node.module or "").split(".")
                used = {parts[2]} if len(parts) > 2 else {alias.name for alias in node.names}
                wrong += [f"{path.relative_to(room)} imports {name}" for name in sorted(used - allowed)]
    assert not wrong, "\n".join(wrong)
