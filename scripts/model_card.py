"""Bring a model's card, its two pages and the loss curve up to date from a run and the suite's numbers.

python scripts/model_card.py --run RUN_DIR --data DATA --suite suite.json --ablations ablations.md

RUN_DIR is the --output of `napari-xmem train`, DATA its folder of image archives (docs/model.md says which, under
"Data"); suite.json comes from `napari-xmem evaluate --suite --json suite.json`, ablations.md is what
scripts/ablations.py prints. The pages are docs/model.md and docs/evidence/model.md. Each part may be left out; what is
not given stays as it is.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from napari_xmem.engine.prepare import DETAIL, DETAILED_OBJECTS, FEW_OBJECTS, NARROW_LEAST
from napari_xmem.model import load_model
from napari_xmem.model.checkpoint import bundled_path, model_card
from napari_xmem_training.card import rewrite_card, training_card
from napari_xmem_training.plots import draw_history
from napari_xmem_training.recipes import get_recipe
from napari_xmem_training.suite.table import KindScore, markdown_table

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, EVIDENCE = DOCS / "model.md", DOCS / "evidence" / "model.md"
#: Bands of J by which kinds of movies are put together on the page.
BANDS = ((0.9, "0.90 and more"), (0.8, "0.80 to 0.90"), (0.7, "0.70 to 0.80"), (-1, "less than 0.70"))
SUITE_COMMAND = "napari-xmem evaluate --suite --data DATA --json suite.json"
LIMITS = [
    "Thin processes of cells in phase contrast are cut at coarse time steps (C2C12: J 0.5).",
    "Dividing nuclei in a crowd: one daughter may be taken for a part of the neighbour she touches.",
    "Bacteria: in the middle of a crowded colony cells are left unlabelled; daughters may be dropped.",
    "A jump of the stage that is not found, in a crowded colony that also grew, loses everything for good.",
    "EM stacks: where an object ends, its label may go on to a neighbour; masks may cross faint membranes.",
    "Parts of an object that come out from behind something may be left out.",
    "Not tried on: volumes as a whole, histology in colour, objects under about 6 pixels.",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=bundled_path())
    parser.add_argument("--recipe", default="cells")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--device", default="cpu", help="where the run was trained")
    parser.add_argument("--threads", type=int, help="threads it used")
    parser.add_argument("--how", help="how the recipe was run, in a few sentences, for the card")
    parser.add_argument("--commit", help="commit it was run at, if not this one")
    parser.add_argument("--suite", type=Path)
    parser.add_argument("--ablations", type=Path)
    args = parser.parse_args()
    changes: dict = {}
    if args.run:
        record = json.loads((args.run / "state.json").read_text())
        changes |= training_card(
            get_recipe(args.recipe), args.data, args.device, record["seconds"], record["history"], args.threads
        )
        changes |= {"how_it_was_run": args.how} if args.how else {}
        changes |= {"commit": args.commit} if args.commit else {}
        draw_history(record["history"], DOCS / "images" / "loss.png")
    if args.suite:
        suite = json.loads(args.suite.read_text())
        changes["scores"] = scores(suite)
        changes["limits"] = LIMITS
        fill(EVIDENCE, "suite", suite_text(suite))
    if args.ablations:
        fill(EVIDENCE, "ablations", args.ablations.read_text().strip())
    if changes:
        rewrite_card(args.model, changes)
    card = model_card(args.model)
    fill(PAGE, "facts", facts(args.model))
    fill(PAGE, "summary", summary(card))
    fill(EVIDENCE, "stages", stages(card))


def scores(suite: dict) -> dict:
    """What goes into the header: last column per kind, and what it was measured with."""
    kinds = {k["kind"]: k for k in suite["kinds"] if k["method"] == "model"}
    return {
        "command": SUITE_COMMAND,
        "model_fingerprint": suite["about"]["model_fingerprint"],
        "mean": suite["means"]["model"],
        "kinds": {
            name: {"J": k["jaccard"], "identity": k["identity"], "swaps": k["swaps"], "losses": k["losses"]}
            for name, k in kinds.items()
        },
    }


def suite_text(suite: dict) -> str:
    means = "; ".join(f"{method} {j:.3f} / {i:.3f}" for method, (j, i) in suite["means"].items())
    return (
        markdown_table([KindScore.from_dict(k) for k in suite["kinds"]])
        + f"\n\nMean over kinds of J / id on the last frame: {means}.\nOptical flow: {suite['about']['optical_flow']}. "
        f"Weights `{suite['about']['model_fingerprint']}`, computed on {suite['about']['device']}."
    )


def facts(model: Path) -> str:
    """Table of facts read from the model's file."""
    network, card = load_model(model, "cpu"), model_card(model)
    config, compute, recipe = network.config, card.get("compute", {}), card.get("recipe", {})
    rows = [
        ("file", f"`{model.name}`, {model.stat().st_size / 1e6:.1f} MB, half precision"),
        ("weights", f"`{network.fingerprint}`"),
        ("parameters", f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} million"),
        ("features", f"strides {config.strides}, key {config.key_dim}, value {config.value_dim}, "
                     f"sensory {config.hidden_dim} channels"),
        ("input", f"3 colours (grey repeated) and local contrast over {config.contrast_px} px; objects brought to "
                  f"{config.nominal_diameter_px:.0f} px; {FEW_OBJECTS + 1} to {DETAILED_OBJECTS} of them to "
                  f"{DETAIL * config.nominal_diameter_px:.0f} px, of more the narrow ones to as much as "
                  f"{config.nominal_diameter_px / NARROW_LEAST:.0f} px"),
        ("training", f"{recipe.get('steps', '?')} steps in {len(recipe.get('stages', []))} stages"),
        ("seed", str(recipe.get("seed", ""))),
        ("compute", f"{compute.get('hours', 0):.2f} h on {compute.get('device', '?')} "
                    f"({compute.get('threads', '?')} threads, {compute.get('machine', '')}), "
                    f"torch {compute.get('torch', '?')}"),
        ("commit", f"`{card.get('commit', '')}`"),
        ("licence", card.get("licence", "")),
    ]  # fmt: skip
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    data = "\n".join(
        f"| {name} | {entry['what']} | {entry['source']} | {entry['licence']} |"
        for name, entry in card.get("data", {}).items()
    )
    how = f"\n\n{card['how_it_was_run']}" if card.get("how_it_was_run") else ""
    return (
        f"| fact | value |\n| --- | --- |\n{table}\n\n"
        f"| trained on | what | source | licence |\n| --- | --- | --- | --- |\n{data}{how}"
    )


def summary(card: dict) -> str:
    """Kinds of movies by how well they are followed, from the scores in the card."""
    last = {name: list(scores["J"].values())[-1] for name, scores in card["scores"]["kinds"].items()}
    lines, above = ["| J on the last frame | kinds of movies |", "| --- | --- |"], float("inf")
    for least, words in BANDS:
        inside = sorted((name for name, j in last.items() if least <= round(j, 2) < above), key=lambda n: -last[n])
        if inside:
            lines.append(f"| {words} | {', '.join(f'{name} {last[name]:.2f}' for name in inside)} |")
        above = least
    mean, identity = card["scores"]["mean"]
    return "\n".join([*lines, "", f"Mean over kinds: J {mean:.2f}, right identity {identity:.2f}."])


def stages(card: dict) -> str:
    """Table of the stages of the training."""
    names = {"steps": "steps", "batch": "clips a step", "clip_frames": "frames a clip", "region_px": "region, px",
             "diameter_px": "objects, px", "learning_rate": "learning rate", "learning_rate_end": "at the end",
             "mixture": "mixture of clips"}  # fmt: skip
    rows = [" | ".join(str(stage[key]) for key in names) for stage in card["recipe"]["stages"]]
    head = [f"| {' | '.join(names.values())} |", f"|{' --- |' * len(names)}"]
    return "\n".join([*head, *(f"| {row} |" for row in rows)])


def fill(page: Path, name: str, text: str) -> None:
    """Put `text` between the marks ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` of a page."""
    pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    filled, found = pattern.subn(lambda marks: f"{marks[1]}{text}\n{marks[2]}", page.read_text(encoding="utf-8"))
    if not found:
        raise SystemExit(f"{page} lacks the marks <!-- begin {name} --> and <!-- end {name} -->.")
    page.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
