"""Files that a page names are there."""

from __future__ import annotations

import re


def test_python_files_on_pages_exist(repository):
    rooms = [repository / room for room in ("src", "training", "benchmarks", "scripts", "tests", "examples")]
    files = [*repository.glob("*.py"), *(path for room in rooms for path in room.rglob("*.py"))]
    places = [f"/{path.relative_to(repository).as_posix()}" for path in files]
    pages = [*(repository / "docs").rglob("*.md"), *repository.glob("*.md")]
    assert pages and places
    missing = [
        (page.name, name)
        for page in pages
        for name in re.findall(r"`([\w/.-]*\w\.py)`", page.read_text(encoding="utf-8"))
        if page.name != "CHANGELOG.md" and not any(place.endswith(f"/{name.lstrip('./')}") for place in places)
    ]
    assert missing == []
