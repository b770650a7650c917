"""Write docs/settings.md, the table of all settings, from what the configs say about their fields.

    python scripts/settings_page.py

`tests/docs/test_settings_page.py` compares the page with what this writes.
"""

from __future__ import annotations

from pathlib import Path

from napari_xmem.config import MemoryConfig, ModelConfig, PropagationConfig, Setting, settings_of
from napari_xmem_training.config import TrainingConfig

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """# All settings

What each setting is called, takes and does. The panels of napari, the options of the command line, the checks and this
page are made from the same place, the fields of `napari_xmem.config`; `settings_of(MemoryConfig)` gives it in Python.
[Long movies and memory](long_movies.md) says what to touch when.

This page is written by `python scripts/settings_page.py`.
"""
PARTS = (
    (
        "A run",
        PropagationConfig,
        "Arguments of `napari_xmem.propagate`, options of the command line (`--diameter-px 30`), and the panel "
        "*Propagate labels*.",
    ),
    (
        "The memory",
        MemoryConfig,
        "`nx.MemoryConfig(top_k=20)`, `--memory top_k=20`, and the panel *Memory* under *Settings*. The column XMem "
        "holds what the [paper](https://arxiv.org/abs/2207.07115) calls it.",
    ),
    ("A network", ModelConfig, "The shape of a network; stands in every file of weights."),
    ("A stage of training", TrainingConfig, "See [Models and training](models.md)."),
)


def page() -> str:
    """Return the whole page."""
    text = HEAD
    for title, config, intro in PARTS:
        known = settings_of(config)
        text += f"\n## {title}\n\n{intro}\n"
        for group in dict.fromkeys(item.group for item in known.values()):
            text += f"\n### {group}\n" if group else ""
            text += table([item for item in known.values() if item.group == group], paper=config is MemoryConfig)
    return text


def table(settings: list[Setting], *, paper: bool) -> str:
    """Return a table of settings."""
    names = ["setting", "in panels", "values", "default", *(["XMem"] if paper else []), "what it does"]
    if not any(item.label for item in settings):
        names.remove("in panels")
    lines = ["", f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for item in settings:
        unit = f" ({item.unit})" if item.unit and item.scale == 1 else ""
        cells = {
            "setting": f"`{item.name}`",
            "in panels": f"*{item.label}*" if item.label else "",
            "values": f"{item.values_text}{unit}",
            "default": f"`{item.default}`",
            "XMem": item.symbol,
            "what it does": " ".join(
                [item.help, *(f"`{o.value}`: {o.help}" for o in item.options if o.help), item.effect]
            ),
        }
        lines.append("| " + " | ".join(cells[name].strip() for name in names) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
