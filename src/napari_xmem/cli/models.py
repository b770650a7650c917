"""``napari-xmem models``: which models there are."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from napari_xmem.cli.card_text import card_lines
from napari_xmem.cli.terminal.json_file import check_json, write_json
from napari_xmem.cli.terminal.printing import say
from napari_xmem.cli.terminal.verbosity_options import add_talk

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("models", help="list models, or show the card of one")
    parser.add_argument("model", nargs="?", help="show the card of this model: a name or a weights file")
    add_talk(parser, "it")
    parser.set_defaults(run=run, answers=True)


def run(args: argparse.Namespace) -> int:
    """List names and files, or print one model's size, settings and card."""
    from napari_xmem.model.checkpoint import BUNDLED_MODELS, bundled_path

    check_json(args.json)
    if args.model:
        return _show(args.model, args.json)
    for name in BUNDLED_MODELS:
        path = bundled_path(name)
        size = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "not in this build"
        say(f"{name:14}{size:20}{path}")
    say(f"{'xmem':14}{'249 MB':20}official weights (Cheng & Schwing 2022), downloaded at first use")
    say(f"{'PATH':14}{'':20}an XMem .pth checkpoint or a .safetensors file of ours")
    write_json(args.json, {name: str(bundled_path(name)) for name in BUNDLED_MODELS} | {"xmem": None})
    return 0


def _show(model: str, json_path: Path | None) -> int:
    from napari_xmem.model import load_model
    from napari_xmem.model.checkpoint import BUNDLED_MODELS, bundled_path, model_card

    network = load_model(model, device="cpu")
    say(f"{'model':20} {network.config.name}")
    say(f"{'parameters':20} {sum(p.numel() for p in network.parameters()):,}")
    say(f"{'fingerprint':20} {network.fingerprint}")
    for name, value in network.config.to_dict().items():
        say(f"{name:20} {value}")
    path = bundled_path(model) if model in BUNDLED_MODELS else None
    card = model_card(path or model) if path is not None or model.endswith(".safetensors") else {}
    for line in card_lines(card, shutil.get_terminal_size((100, 24)).columns):
        say(line)
    facts = {"model": network.config.name, "fingerprint": network.fingerprint, "config": network.config.to_dict()}
    write_json(json_path, {**facts, "card": card})
    return 0
