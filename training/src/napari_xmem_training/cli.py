"""``napari-xmem train``: run or resume a recipe, with a progress bar, a loss curve and a model card."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_xmem.cli.terminal.parser import Parser
from napari_xmem.errors import ConfigError, InputError, OutputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import torch

    from napari_xmem.model import XMem
    from napari_xmem_training.loop import RunOptions
    from napari_xmem_training.recipes import Recipe

__all__ = ["build_parser", "main"]

LOSS_PICTURE = "loss.png"


def build_parser() -> Parser:
    """Build the parser of the subcommand."""
    parser = Parser(
        prog="napari-xmem train",
        description="Train a model. Stop at any time and run the same command again: it goes on where it was "
        "(at most a minute is lost) and ends with the same weights.",
    )
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="name of a recipe; --list shows them")
    parser.add_argument("--list", action="store_true", help="list the recipes and stop")
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="folder of the image archives (bbbc038_fluo.npz, bbbc038_other.npz, usiigaci_phase.npz); "
        "without it only simulated and drawn clips are used",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="checkpoints and model (default: ./RECIPE)")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS", help="stop after this long; run again to go on")
    parser.add_argument(
        "--init", metavar="WEIGHTS",
        help="start from these weights; those that --export wrote go on at the step they were at",
    )  # fmt: skip
    parser.add_argument(
        "--export", type=Path, metavar="FILE",
        help="train nothing; write the weights of the run in --output as they are, to go on with elsewhere",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that make clips (default 1)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of torch on a CPU (default: its own choice)")
    parser.add_argument(
        "--validate-every", type=int, default=300, metavar="N", help="steps between validations, 0: never (default 300)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the subcommand.

    Parameters
    ----------
    argv : sequence of str
        What follows ``napari-xmem train``.

    Returns
    -------
    int
        0 when the model is finished or the time limit was reached.

    Raises
    ------
    XMemError
        Bad input; the message is one line.
    SystemExit
        Bad arguments (2), or help was asked for (0).
    """
    parser = build_parser()
    parser.check_names(argv)
    args = parser.parse_args(argv)
    if args.list:
        _list_recipes()
        return 0
    recipe, options = _checked(args)
    if args.export:
        _export(recipe, options, args.export, quiet=args.quiet)
        return 0
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    init, step = _initial(args.init, recipe)
    return _run(recipe, options, init, step, quiet=args.quiet)


def _list_recipes() -> None:
    from napari_xmem.model import XMem
    from napari_xmem_training.recipes import RECIPES

    for recipe in RECIPES.values():
        parameters = sum(p.numel() for p in XMem(recipe.model).parameters())
        clips = sum(stage.steps * stage.batch for stage in recipe.stages)
        _say(
            f"{recipe.name:14} {parameters / 1e6:5.2f} million parameters, {recipe.steps} steps, "
            f"{clips} clips in {len(recipe.stages)} stage{'s' * (len(recipe.stages) > 1)}"
        )


def _checked(args: argparse.Namespace) -> tuple[Recipe, RunOptions]:
    """Turn arguments into a recipe and options."""
    from napari_xmem.model import resolve_device
    from napari_xmem_training.clips.store import StillStore
    from napari_xmem_training.loop import RunOptions
    from napari_xmem_training.recipes import RECIPES, get_recipe

    if args.recipe is None:
        raise ConfigError(f"train needs the name of a recipe: {', '.join(RECIPES)}.")
    recipe = get_recipe(args.recipe)
    if args.time_limit is not None and not args.time_limit > 0:
        raise ConfigError(f"--time-limit is {args.time_limit:g}, expected seconds above 0.")
    for name, low in (("workers", 0), ("validate_every", 0), ("threads", 1)):
        value = getattr(args, name)
        if value is not None and value < low:
            raise ConfigError(f"--{name.replace('_', '-')} is {value}, expected {low} or more.")
    if args.data is not None:
        if not args.data.is_dir():
            raise InputError(f"--data {args.data} is no folder; expected one that holds the training images.")
        StillStore(args.data)
    output = args.output or Path(recipe.name)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"--output {output} cannot be made a folder ({error.strerror}).") from error
    device: torch.device = resolve_device(args.device)
    return recipe, RunOptions(
        args.data,
        output,
        device,
        time_limit_s=args.time_limit,
        validate_every=args.validate_every,
        workers=args.workers,
    )


def _export(recipe: Recipe, options: RunOptions, path: Path, *, quiet: bool) -> None:
    """Write the average of a run in half precision, with the step it is at."""
    from napari_xmem.model import save_model
    from napari_xmem_training.state import TrainingState

    state = TrainingState.fresh(recipe, options.device)
    if not state.restore(options.output):
        raise InputError(f"--output {options.output} holds no run; give the folder of one with --export.")
    save_model(state.average, path, card={"recipe": {"name": recipe.name}, "step": state.step})
    if not quiet:
        _say(f"step {state.step} of {recipe.steps}: {path} ({path.stat().st_size / 1e6:.1f} MB)")


def _initial(weights: str | None, recipe: Recipe) -> tuple[XMem | None, int]:
    """Load the weights to start from, which must fit the recipe's network, and the step to start at."""
    if weights is None:
        return None, 0
    from napari_xmem.model import XMem, load_model
    from napari_xmem.model.checkpoint import model_card

    network = load_model(weights, "cpu")
    expected = {name: t.shape for name, t in XMem(recipe.model).state_dict().items()}
    if {name: t.shape for name, t in network.state_dict().items()} != expected:
        raise ConfigError(
            f"--init {weights} holds the network {network.config.name!r} of another shape than recipe "
            f"{recipe.name!r} trains; give weights of that recipe."
        )
    card = model_card(weights) if Path(weights).suffix == ".safetensors" and Path(weights).is_file() else {}
    exported = card.get("recipe") == {"name": recipe.name}
    return network, min(int(card.get("step", 0)), recipe.steps - 1) if exported else 0


def _run(recipe: Recipe, options: RunOptions, init: XMem | None, step: int, *, quiet: bool) -> int:
    from napari_xmem_training.card import rewrite_card, training_card
    from napari_xmem_training.loop import train

    reporter = _Reporter(recipe, options.output, quiet)
    reporter.start = reporter.start or step
    try:
        path = train(recipe, options, reporter, init, step)
    finally:
        reporter.close()
        record = _draw(options.output)
    if path is None:
        if not quiet:
            _say(f"stopped at step {record.get('step', 0)} of {recipe.steps}; run the same command again to go on")
        return 0
    history, seconds = record.get("history", []), float(record.get("seconds", 0.0))
    rewrite_card(path, training_card(recipe, options.data_dir, str(options.device), seconds, history))
    if not quiet:
        _say(f"model: {path} ({path.stat().st_size / 1e6:.1f} MB); loss curve: {options.output / LOSS_PICTURE}")
    return 0


def _draw(output: Path) -> dict[str, Any]:
    """Draw the loss curve of what is saved, and return the record."""
    from napari_xmem_training.plots import draw_history

    record = _record(output)
    if record.get("history"):
        draw_history(record["history"], output / LOSS_PICTURE)
    return record


def _record(output: Path) -> dict[str, Any]:
    path = output / "state.json"
    try:
        record: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); choose another --output.") from error
    return record


class _Reporter:
    """Moves the progress bar; where stderr is no terminal, prints a line at each validation and now and then."""

    def __init__(self, recipe: Recipe, output: Path, quiet: bool) -> None:
        from tqdm import tqdm

        self.start = int(_record(output).get("step", 0))
        self._output, self._quiet, self._steps = output, quiet, recipe.steps
        self._lines = not quiet and not sys.stderr.isatty()
        self._shown: dict[str, str] = {}
        self._loss = 0.0
        self._begun = False
        self._bar: Any = tqdm(
            total=recipe.steps, initial=self.start, desc=recipe.name, unit="step", disable=quiet or self._lines
        )

    def __call__(self, step: int, figures: dict[str, float]) -> None:
        """Take in the figures of a step; the first one shows that what lies in the folder is a run of this recipe."""
        if not self._begun and self.start and not self._quiet:
            _say(f"going on at step {self.start} of {self._steps} in {self._output}")
        self._begun = True
        self._loss = figures["loss"] if not self._loss else 0.95 * self._loss + 0.05 * figures["loss"]
        self._shown["loss"] = f"{self._loss:.3f}"
        if "val" in figures:
            self._shown["val"] = f"{figures['val']:.3f}"
            _draw(self._output)
        self._bar.set_postfix(self._shown, refresh=False)
        self._bar.update(1)
        if self._lines and ("val" in figures or step % 100 == 0 or step == self._steps):
            _say(f"step {step} of {self._steps}: " + ", ".join(f"{k} {v}" for k, v in self._shown.items()))

    def close(self) -> None:
        """Leave the bar."""
        self._bar.close()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
