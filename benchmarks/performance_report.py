"""Tables and plots of docs/evidence/performance.md from what ``napari-xmem benchmark`` measured.

``python benchmarks/performance_report.py benchmarks/performance/*.json --images docs/images --page
docs/evidence/performance.md`` joins the results of several runs, draws the plots, and puts the tables between the marks
of the page. Where two runs hold the same case, the later file counts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from napari_xmem_benchmark.goals import goals
from napari_xmem_benchmark.plots import save_plots
from napari_xmem_benchmark.report import format_goals, format_tables, load_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_xmem_benchmark.report import Row

MARKS = ("<!-- measured -->", "<!-- /measured -->")


def join(files: Sequence[Path]) -> list[Row]:
    """Return the rows of all files, each case once."""
    rows = {}
    for path in files:
        rows |= {row.case: row for row in load_rows(path)}
    return list(rows.values())


def describe(files: Sequence[Path]) -> str:
    """Say on which machine each file was measured."""
    lines = []
    for path in files:
        machine = json.loads(path.read_text(encoding="utf-8"))["machine"]
        lines.append(
            f"* `{path.name}`: {machine['date'][:10]}, {machine['processor']} "
            f"({', '.join(machine['instructions'])}), {machine['cores']} cores, {machine['threads']} thread(s), "
            f"device {machine['device']}, torch {machine['torch']}, Python {machine['python']}; {machine['clock']}"
        )
    return "\n".join(lines)


def put(page: Path, text: str) -> None:
    """Replace what stands between the marks of the page."""
    before, found, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    _, closed, after = rest.partition(MARKS[1])
    if not (found and closed):
        raise SystemExit(f"{page} lacks the marks {MARKS[0]} and {MARKS[1]}.")
    page.write_text(f"{before}{MARKS[0]}\n\n{text}\n{MARKS[1]}{after}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, write the plots and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--images", type=Path, help="folder for the plots")
    parser.add_argument("--page", type=Path, help="Markdown page with the marks")
    args = parser.parse_args(arguments)
    rows = join(args.results)
    text = f"{format_goals(goals(rows))}{format_tables(rows)}\n{describe(args.results)}\n"
    print(text)
    if args.images:
        args.images.mkdir(parents=True, exist_ok=True)
        save_plots(args.images, rows)
    if args.page:
        put(args.page, text)


if __name__ == "__main__":
    main()
