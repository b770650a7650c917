"""Model cards as text for a terminal: sentences are wrapped, figures stand in tables."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["card_lines"]

_LABEL = 20
_MIN_WIDTH, _MAX_WIDTH = 60, 120
Cells = Mapping[tuple[str, ...], Any]


def card_lines(card: Mapping[str, Any], width: int = 100) -> Iterator[str]:
    """Write a model card, entry by entry.

    Parameters
    ----------
    card : mapping
        JSON-able, as `napari_xmem.model.checkpoint.model_card` returns it.
    width : int
        Characters of a line; tables take what they need.

    Yields
    ------
    str
        Lines.
    """
    width = min(max(width, _MIN_WIDTH), _MAX_WIDTH)
    yield from _block(card, 0, width)


def _block(values: Mapping[str, Any], indent: int, width: int) -> Iterator[str]:
    plain = [str(key) for key, value in values.items() if not isinstance(value, Mapping)]
    label = min(max([_LABEL, *(indent + len(key) for key in plain)]), width // 2)
    for key, value in values.items():
        yield from _entry(str(key), value, indent, label, width)


def _entry(name: str, value: Any, indent: int, label: int, width: int) -> Iterator[str]:
    inner = indent + 2
    if isinstance(value, Mapping) and _are_rows(list(value.values())):
        yield " " * indent + name
        yield from _table({str(key): _flat(row) for key, row in value.items()}, inner)
    elif isinstance(value, Mapping):
        yield " " * indent + name
        yield from _block(value, inner, width)
    elif isinstance(value, Sequence) and not isinstance(value, str) and _are_rows(value):
        yield " " * indent + name
        yield from _columns([_flat(row) for row in value], 1, inner, width)
    elif isinstance(value, Sequence) and not isinstance(value, str) and any(isinstance(v, str) for v in value):
        yield " " * indent + name
        for part in value:
            yield from _wrapped(" " * inner + "- ", str(part), width)
    else:
        text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        yield from _wrapped(f"{' ' * indent + name:{label}} ", text, width)


def _wrapped(start: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [start.rstrip()]


def _are_rows(values: Sequence[Any]) -> bool:
    """Whether these are things of one kind, described by short values: rows of a table."""
    if len(values) < 2 or not all(isinstance(value, Mapping) and value for value in values):
        return False
    rows = [_flat(value) for value in values]
    cells = [cell for row in rows for cell in row.values()]
    short = all(isinstance(cell, (int, float)) or (isinstance(cell, str) and len(cell) <= 12) for cell in cells)
    return short and any(set(rows[0]) & set(row) for row in rows[1:])


def _flat(value: Mapping[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    flat: dict[tuple[str, ...], Any] = {}
    for key, part in value.items():
        flat |= _flat(part, (*above, str(key))) if isinstance(part, Mapping) else {(*above, str(key)): part}
    return flat


def _columns(rows: Sequence[Cells], number: int, indent: int, width: int) -> Iterator[str]:
    """Write rows without names, the first of them `number`, as columns; below each other what is too wide."""
    lines = list(_table(_turned(rows, number), indent))
    if len(rows) < 2 or max(map(len, lines)) <= width:
        yield from lines
        return
    half = (len(rows) + 1) // 2
    yield from _columns(rows[:half], number, indent, width)
    yield from _columns(rows[half:], number + half, indent, width)


def _turned(rows: Sequence[Cells], first: int) -> dict[str, Cells]:
    """Turn rows without names, such as the stages of a recipe, into columns with numbers."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {
        " ".join(key): {(str(number),): row[key] for number, row in enumerate(rows, first) if key in row}
        for key in keys
    }


def _table(rows: Mapping[str, Cells], indent: int) -> Iterator[str]:
    """Write rows with the names of columns above them; what columns share in their names is written once."""
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    cells = {name: [_cell(row.get(key)) for key in columns] for name, row in rows.items()}
    groups = [" ".join(key[:-1]) for key in columns]
    widths = [max(len(column[-1]), *(len(row[i]) for row in cells.values())) + 2 for i, column in enumerate(columns)]
    first = max(_LABEL - indent, *(len(name) for name in rows))
    if any(groups):
        shown = [group if i == 0 or group != groups[i - 1] else "" for i, group in enumerate(groups)]
        yield _row("", [f"  {group}" if group else "" for group in shown], widths, first, indent, "<")
    yield _row("", [key[-1] for key in columns], widths, first, indent, ">")
    for name, row in cells.items():
        yield _row(name, row, widths, first, indent, ">")


def _row(name: str, cells: Sequence[str], widths: Sequence[int], first: int, indent: int, side: str) -> str:
    text = "".join(f"{cell:{side}{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{' ' * indent}{name:{first}}{text}".rstrip()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) and (not value or 0.01 <= abs(value) < 10) else str(value)
