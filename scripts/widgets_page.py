"""Write docs/api/widgets.md, what a script can set, read and press in the panels of napari.

    python scripts/widgets_page.py

`tests/docs/test_widgets_page.py` compares the page with what this writes.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from napari_xmem.widgets.common.dock import Dock
from napari_xmem.widgets.explain.dock import ExplainWidget
from napari_xmem.widgets.lineage.dock import LineageWidget
from napari_xmem.widgets.memory.dock import MemoryWidget
from napari_xmem.widgets.propagate.dock import PropagateWidget
from napari_xmem.widgets.review.dock import ReviewWidget

PAGE = Path(__file__).parents[1] / "docs" / "api" / "widgets.md"
DOCKS: tuple[type[Dock], ...] = (PropagateWidget, ReviewWidget, LineageWidget, MemoryWidget, ExplainWidget)
#: What parts of a panel call each other; nothing a script would press.
INSIDE = (
    r".*_(clicked|changed)|(ask|watch|look|require|choose|release|show)(_(all|asked|buttons|contents|layers|for_edits))?|"
    r"take(_settings)?|settings_to_save|offer_targets|make_job|find_session|forget_edits|advice|counts|change_units|"
    r"(ask|forget|protect)_(save|load|export|chosen|chosen_object)|lay_on"
)
HEAD = """# Panels

What a script can set, read and press in the panels of napari. A panel is opened by its name; what comes with it is a
widget whose controls are properties and whose buttons are methods:

```python
_, widget = viewer.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")
widget.direction = "both"
tracked = widget.run(wait=True)
```

A value that cannot be chosen, or a misspelt name, raises `ConfigError` with a suggestion.
[Scripting](../scripting.md#drive-the-viewer) shows more. This page is written by `python scripts/widgets_page.py`.
"""


def page() -> str:
    """Return the whole page."""
    text = HEAD
    for dock in DOCKS:
        text += f'\n## {dock.dock_name}\n\n`add_plugin_dock_widget("napari-xmem", "{dock.dock_name}")`\n'
        names = {name for name in set(dir(dock)) - set(dir(Dock)) if not re.fullmatch(f"_.*|{INSIDE}", name)}
        shown = {name: inspect.getattr_static(dock, name) for name in names}
        text += table("property", {n: v for n, v in shown.items() if isinstance(v, property)})
        text += table("method", {n: v for n, v in shown.items() if inspect.isfunction(v)})
    return text


def table(kind: str, members: dict[str, Any]) -> str:
    """Return a table of names and first sentences of docstrings."""
    lines = ["", f"| {kind} | |", "|---|---|"]
    for name, member in sorted(members.items()):
        said = inspect.getdoc(member) or ""
        first = " ".join(said.split("\n\n")[0].split()).replace("|", "\\|")
        if isinstance(member, property):
            shown = f"`{name}`" + ("" if member.fset else " (read only)")
        else:
            shown = f"`{name}{_arguments(member)}`"
        lines.append(f"| {shown} | {first} |")
    return "\n".join(lines) + "\n" if members else ""


def _arguments(method: Any) -> str:
    parts = [p.replace(annotation=p.empty) for p in inspect.signature(method).parameters.values() if p.name != "self"]
    return re.sub(r"\|", "\\|", str(inspect.Signature(parts)))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
