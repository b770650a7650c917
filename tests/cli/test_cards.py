"""Model cards can be read on a terminal."""

from __future__ import annotations

from napari_xmem.cli import main
from napari_xmem.cli.card_text import card_lines
from napari_xmem.model.checkpoint import bundled_path, model_card

CARD = {
    "licence": "MIT",
    "scores": {
        "mean": [0.75, 0.5],
        "kinds": {
            "nuclei": {"J": {"1": 0.94, "19": 0.8277}, "swaps": 3},
            "a-long-name-of-a-kind": {"J": {"1": 0.5}, "swaps": 0},
        },
    },
    "recipe": {"seed": 0, "stages": [{"steps": 650, "places": False}, {"steps": 1199, "places": True}]},
    "limits": ["Thin processes are cut. " * 5, "Others are not."],
    "data": {"x": {"what": "images of things " * 6, "licence": "CC0-1.0"}},
    "nothing": "",
    "empty": {},
}


def test_figures_stand_in_tables_and_sentences_are_wrapped():
    lines = list(card_lines(CARD, 80))
    assert max(map(len, lines)) <= 80
    words = [line.split() for line in lines]
    for row in (
        ["licence", "MIT"],
        ["mean", "0.75,", "0.5"],
        ["J"],
        ["1", "19", "swaps"],
        ["nuclei", "0.940", "0.828", "3"],
        ["a-long-name-of-a-kind", "0.500", "-", "0"],
        ["1", "2"],
        ["steps", "650", "1199"],
        ["places", "no", "yes"],
        ["nothing"],
    ):
        assert row in words, row
    header, row = (next(line for line in lines if line.split()[:1] == [name]) for name in ("1", "nuclei"))
    assert header.index("swaps") + len("swaps") == len(row)
    text = " ".join(" ".join(line.split()) for line in lines)
    assert text.count("Thin processes are cut.") == 5 and "- Others are not." in text and "licence CC0-1.0" in text


def test_the_bundled_card_fits_a_terminal_and_keeps_every_figure(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["models", "bundled"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    for name, kind in model_card(bundled_path("bundled"))["scores"]["kinds"].items():
        assert rows[name][0] == f"{kind['J']['1']:.3f}" and rows[name][-1] == str(kind["losses"])
