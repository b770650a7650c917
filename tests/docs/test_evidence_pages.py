"""Figures stand on pages of their own, where the scripts that make them find their place."""

from __future__ import annotations

import re
import runpy

import pytest

#: Pages that explain, and how long each may be: a few screens.
EXPLAINING = {"memory": 2500, "model": 1300, "performance": 1500, "identity": 1700}


@pytest.mark.parametrize("name", EXPLAINING)
def test_pages_that_explain_are_short(repository, name):
    text = (repository / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert len(text.split()) < EXPLAINING[name]
    assert [line for line in text.splitlines() if line.startswith("|") and line.count(" | ") > 4] == []


def test_the_pages_of_the_bundled_model_are_what_its_card_says(repository):
    from napari_xmem.model.checkpoint import bundled_path, model_card

    script = runpy.run_path(str(repository / "scripts" / "model_card.py"))
    card = model_card(bundled_path())
    marked = {}
    for page in (script["PAGE"], script["EVIDENCE"]):
        found = re.findall(r"<!-- begin (\w+) -->\n(.*?)\n<!-- end \1 -->", page.read_text(encoding="utf-8"), re.DOTALL)
        marked |= {(page.name, page.parent.name, name): text for name, text in found}
    explained, figures = ("model.md", "docs"), ("model.md", "evidence")
    assert marked.pop((*explained, "facts")) == script["facts"](bundled_path()), "run python scripts/model_card.py"
    assert marked.pop((*explained, "summary")) == script["summary"](card)
    assert marked.pop((*figures, "stages")) == script["stages"](card)
    assert set(marked) == {(*figures, "suite"), (*figures, "ablations")}
    for kind, scores in card["scores"]["kinds"].items():
        assert re.search(rf"^\| {kind} \|.* {list(scores['J'].values())[-1]:.2f} \(", marked[(*figures, "suite")], re.M)


@pytest.mark.parametrize("name", ["memory", "performance"])
def test_reports_find_their_marks(repository, name):
    text = (repository / "docs" / "evidence" / f"{name}.md").read_text(encoding="utf-8")
    assert text.count("<!-- measured -->") == text.count("<!-- /measured -->") == 1
    report = (repository / "benchmarks" / f"{name}_report.py").read_text(encoding="utf-8")
    assert f"docs/evidence/{name}.md" in report and f"--page docs/evidence/{name}.md" in text
