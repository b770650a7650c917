"""docs/api/widgets.md is what the panels have."""

from __future__ import annotations

import re
import runpy

import pytest


@pytest.mark.gui
def test_the_page_is_what_the_panels_have(repository):
    written = runpy.run_path(str(repository / "scripts" / "widgets_page.py"))["page"]()
    assert written == (repository / "docs" / "api" / "widgets.md").read_text(encoding="utf-8"), (
        "run python scripts/widgets_page.py"
    )
    rows = re.findall(r"^\| (`.*) \| (.*) \|$", written, flags=re.MULTILINE)
    assert len(rows) > 90 and all(said for _, said in rows)
