"""The dock "Propagate labels": seeds in one Labels layer become labels on every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import Signal

from napari_xmem.errors import ConfigError, XMemError
from napari_xmem.widgets.common.attribute_forwarding import forwards
from napari_xmem.widgets.common.dock import PROPAGATE, Dock
from napari_xmem.widgets.common.forms import enable
from napari_xmem.widgets.common.keys import KeyBindings
from napari_xmem.widgets.common.status_text import count
from napari_xmem.widgets.jobs.propagation import PropagationJob
from napari_xmem.widgets.jobs.viewer_runner import GOING_ON, runner_of
from napari_xmem.widgets.jobs.warm_up import warm_up
from napari_xmem.widgets.layers.paint_backup import PaintedOver, warn_of_corrections
from napari_xmem.widgets.layers.result_layer import ResultTarget
from napari_xmem.widgets.propagate.actions import PropagateActions
from napari_xmem.widgets.propagate.find_rest import FindRest
from napari_xmem.widgets.propagate.forecast_line import ForecastLine
from napari_xmem.widgets.propagate.form import PropagateForm
from napari_xmem.widgets.propagate.form_values import PropagateControls
from napari_xmem.widgets.propagate.last_choices import keep_choices, recall_choices
from napari_xmem.widgets.propagate.run_display import RunDisplay
from napari_xmem.widgets.propagate.run_readiness import PropagateInputs
from napari_xmem.widgets.propagate.saved_settings import settings_to_save, take_settings
from napari_xmem.widgets.propagate.seed_repairs import SeedRepairs
from napari_xmem.widgets.saving.bar import SAVE_KEYS, SavingBar
from napari_xmem.widgets.saving.close_guard import guard_window
from napari_xmem.widgets.saving.saver import saver_of

if TYPE_CHECKING:
    from napari_xmem.session import TrackingSession
    from napari_xmem.widgets.jobs.run_outcome import RunOutcome, RunState

__all__ = ["KEYS", "PropagateWidget"]

#: Follow the selected label too, follow it no more, run or pause.
KEYS = ("Shift-T", "Shift-D", "Shift-R")
#: Width of the outlines of seeds that have a result.
OUTLINE_PX = 2


@forwards("controls", PropagateControls)
@forwards("actions", PropagateActions)
@forwards("finding", FindRest)
class PropagateWidget(Dock):
    """Propagate labels through time.

    Every control is a property (see `PropagateControls`) and every button a method (see `PropagateActions`, and
    `FindRest` for finding the rest of a painted frame).

    Parameters
    ----------
    napari_viewer : napari Viewer
        The viewer.

    Examples
    --------
    >>> dock, widget = viewer.window.add_plugin_dock_widget("napari-xmem", "Propagate labels")  # doctest: +SKIP
    >>> widget.image, widget.seeds = viewer.layers["movie"], viewer.layers["seeds"]  # doctest: +SKIP
    >>> widget.direction = "both"  # doctest: +SKIP
    >>> tracked = widget.run(wait=True)  # doctest: +SKIP
    """

    dock_name = PROPAGATE
    run_started = Signal()
    frame_done = Signal(object)
    run_ended = Signal(object)
    state_changed = Signal(object)

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer)
        self._ran_with: Any = None
        self._painted_over: PaintedOver | None = None
        self.form = PropagateForm(self.viewer, self)
        self.runner = runner_of(self.viewer)
        self.inputs = PropagateInputs(self.viewer, self.form, self)
        self.controls = PropagateControls(self.form, self.inputs, self)
        self.actions = PropagateActions(self.viewer, self.controls, self.inputs, self.runner)
        self.repairs = SeedRepairs(self.form, self.controls, self.inputs)
        self.finding = FindRest(self.viewer, self.form, self.controls, self.inputs, self)
        self.display = RunDisplay(self.form, self.runner, self)
        self.forecasts = ForecastLine(self.make_job, self)
        self.fill(self.form, SavingBar(self.viewer))
        recall_choices(self.controls)
        self.runner.live.follow = self.controls.follow
        self._connect()
        self.on_theme()
        self._on_layers()

    def _connect(self) -> None:
        layers, form = self.viewer.layers.events, self.form
        for event in (layers.inserted, layers.removed, layers.reordered, layers.renamed):
            self.events.connect(event, self._on_layers)
        self.events.connect(self.viewer.dims.events.current_step, self.inputs.on_step)
        self.inputs.changed.connect(self._show_readiness)
        self.forecasts.changed.connect(self._show_readiness)
        self.controls.changed.connect(self._show_readiness)
        form.follow.toggled.connect(self._on_follow)
        form.forecast.toggled.connect(self._show_readiness)
        self.runner.frame_done.connect(self.frame_done)
        self.runner.state_changed.connect(self.state_changed)
        self.runner.state_changed.connect(self._show_replaced)
        self.runner.follow_ended.connect(self._on_follow_ended)
        self.runner.ended.connect(self._on_ended)
        saver = saver_of(self.viewer)
        acts = (
            *(self.actions.add_selected_label, self.actions.stop_tracking_selected_label, self.run_or_pause),
            *(saver.save_clicked, saver.open_clicked),
        )
        self.keys = KeyBindings(self.viewer, dict(zip((*KEYS, *SAVE_KEYS), acts, strict=True)))
        self.release_too(self.keys.release, self.inputs.release, self.finding.release)

    # ---- the run

    @property
    def state(self) -> RunState:
        """What the run is doing."""
        return self.runner.state

    @property
    def result(self) -> Any:
        """The result layer of the latest run; None if it has none."""
        return self.runner.layer

    @property
    def session(self) -> TrackingSession | None:
        """The `TrackingSession` of the latest run, for corrections, locks and memory; None if there is none."""
        return self.runner.session

    @property
    def problem(self) -> str:
        """What keeps Run from starting, in words; empty if nothing does."""
        return self.inputs.problem

    def run(self, wait: bool = False) -> Any:
        """Start a run.

        Parameters
        ----------
        wait : bool
            Come back when it has ended; the viewer stays alive meanwhile.

        Returns
        -------
        Labels or None
            The result layer, if `wait`.

        Raises
        ------
        ConfigError
            If something is missing or a run is going on; the message says what to do.
        XMemError
            If `wait` and the run failed.
        """
        if self.runner.is_running:
            raise ConfigError(GOING_ON)
        self.inputs.look_at_seeds()
        self.inputs.scan.finish()
        if self.problem:
            raise ConfigError(self.problem)
        self._start(quiet=wait)
        return self.wait() if wait else None

    def wait(self) -> Any:
        """Come back when the run has ended; returns the result layer, raises the `XMemError` of a failed run."""
        outcome = self.runner.wait()
        if outcome is not None and outcome.error is not None:
            raise outcome.error
        return None if outcome is None else outcome.layer

    def run_clicked(self) -> None:
        """Start, with problems shown instead of raised."""
        if not self.runner.is_running and not self.problem:
            self._start(quiet=False)

    def run_or_pause(self) -> None:
        """Start, pause or go on."""
        self.actions.pause_clicked() if self.runner.is_running else self.run_clicked()

    def channels_changed(self) -> None:
        """Take over the choice of channels."""
        self._show_readiness()

    def make_job(self) -> PropagationJob:
        """Take everything a run needs from layers and controls."""
        movie = self.inputs.view_movie()
        controls, inputs = self.controls, self.inputs
        target = ResultTarget(movie, None if controls.target is None else controls.target.data)
        planes = inputs.view_planes()
        return PropagationJob(
            movie,
            controls.channels or None,
            inputs.view_seeds_of_run(),
            controls.model,
            controls.config(movie.n_frames),
            target,
            planes,
            fill_planes=bool(planes) and controls.planes == "fill",
            detections=inputs.view_detections(),
        )

    def _start(self, quiet: bool) -> None:
        self.display.quiet, self.display.forecast_s = quiet, self.forecasts.seconds_per_frame
        self.forecasts.cancel()
        try:
            job = self.make_job()
        except XMemError as error:
            self.display.show_failure(error, str(error))
            return
        controls = self.controls
        self._painted_over = (
            None
            if controls.target is None
            else PaintedOver.of_layer(controls.target, controls.first_frame, controls.last_frame)
        )
        self._ran_with = self._what_counts()
        keep_choices(controls)
        facts = {"image": controls.image.name, "seeds": controls.seeds.name}
        self.runner.start(job, controls.image, controls.target, facts)
        self.run_started.emit()

    def _on_ended(self, outcome: RunOutcome) -> None:
        self.controls.offer_targets()
        if outcome.kind == "propagation" and outcome.layer is not None and outcome.n_frames:
            self._turn_to(outcome.layer)
            tip = "Opens the panel that leads to doubtful frames and propagates your corrections"
            self.form.status.offer(_review_text(outcome.n_questions), tip, self.actions.open_review)
            lost = () if self._painted_over is None else self._painted_over.lost
            if lost:
                text = f"Bring back what you painted ({count(len(lost), 'frame')})"
                tip = (
                    "Paints frames as you had painted or corrected them before the run wrote over them; "
                    "a correction in Review and correct carries them on"
                )
                self.form.status.offer(text, tip, self.bring_back_painted)
        self._show_replaced()
        self.run_ended.emit(outcome)

    def _turn_to(self, layer: Any) -> None:
        """Make a result the layer to work on, unless something else is worked on; seeds become outlines."""
        selection, seeds = self.viewer.layers.selection, self.controls.seeds
        if selection.active in (None, self.controls.image, seeds):
            selection.active = layer
        if seeds is not None and seeds is not layer and not seeds.contour:
            seeds.contour = OUTLINE_PX

    def bring_back_painted(self) -> None:
        """Bring back what was painted or corrected in the result that the latest run wrote into."""
        if self._painted_over is not None:
            self._painted_over.bring_back()

    def _on_follow(self, value: bool) -> None:
        self.runner.live.follow = value

    def _on_follow_ended(self) -> None:
        self.controls.follow = False

    # ---- seeds

    def split_parts(self) -> None:
        """Give each part of a seed in several parts a number of its own."""
        self._repair(self.repairs.split_parts)

    def fill_holes(self) -> None:
        """Fill seeds that are outlines or have holes."""
        self._repair(self.repairs.fill_holes)

    def use_one_frame(self) -> None:
        """Use the seeds of one frame only."""
        self._repair(self.repairs.use_one_frame)

    def _repair(self, repair: Any) -> None:
        try:
            show_info(repair())
        except XMemError as error:
            show_warning(str(error))

    # ---- saving

    def on_window(self, window: Any) -> None:
        """Ask before the window is closed with unsaved work."""
        guard_window(window, self.viewer)
        warm_up()

    def settings_to_save(self) -> dict[str, Any]:
        """Return what stands in the form, as plain values."""
        return settings_to_save(self.controls)

    def take_settings(self, image: Any, seeds: Any, settings: dict[str, Any]) -> None:
        """Choose a movie and its seeds, and set the form as it was saved."""
        self.controls.image = image
        if seeds is not None:
            self.controls.seeds = seeds
        take_settings(self.controls, settings)

    # ---- looks

    def _on_layers(self, event: Any = None) -> None:
        self.inputs.choose_layers()
        self.controls.offer_targets()

    def _show_readiness(self, *_: Any) -> None:
        form, inputs = self.form, self.inputs
        problem = self.display.problem = self.problem
        form.hint.show_text(problem, with_button=self.controls.image is None)
        form.painted.setText(inputs.painted_text)
        self.repairs.offer()
        enable(form.show_painted, bool(inputs.scan.frames), "nothing is painted yet.")
        enable(form.new_seeds, inputs.movie is not None, "open a movie first.")
        self.display.show_buttons()
        self._show_replaced()
        if self.runner.is_running or self._what_counts() == self._ran_with:
            return  # the status line speaks of the run
        self._ran_with = None
        if problem or not self.controls.forecast:
            self.forecasts.cancel()
        elif inputs.scan.complete:
            self.forecasts.ask(self._what_counts())
        text = "" if problem else " ".join(part for part in (inputs.plan, self.forecasts.text) if part)
        if text != form.status.text:
            form.status.show_text(text, "muted" if self.forecasts.fits else "bad")
            form.progress.reset_text()
            form.progress.hide()

    def _show_replaced(self, *_: Any) -> None:
        """Say above Run what it would replace."""
        controls, over = self.controls, ""
        if not self.problem and not self.runner.is_running:
            over = warn_of_corrections(controls.target, controls.first_frame, controls.last_frame)
        self.form.replaced.show_text(over, "bad")
        self.form.replaced.setVisible(bool(over))

    def _what_counts(self) -> tuple[Any, ...]:
        """Return everything that a run depends on."""
        scan, controls = self.inputs.scan, self.controls
        return (
            *(controls.image, controls.seeds, scan.frames, scan.object_ids, controls.channels, controls.seed_frames),
            *(controls.first_frame, controls.last_frame, controls.model, controls.memory, controls.planes),
            controls.target,
            *self.form.settings.values.values(),
        )

    def on_closed(self) -> None:
        """Let a run go on; opened again, the panel shows how far it is."""
        self.forecasts.cancel()
        self.finding.forget_found()
        if self.runner.is_running:
            show_info("The run goes on. Open Propagate labels again to pause or stop it.")


def _review_text(n_questions: int) -> str:
    return f"Review and correct ({count(n_questions, 'question')})" if n_questions else "Review and correct"
