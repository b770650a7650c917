"""Find the rest: objects of a frame that look like the painted ones go into the seeds layer, to be kept or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_xmem.errors import ConfigError, XMemError
from napari_xmem.widgets.common.status import error_details
from napari_xmem.widgets.common.status_text import count
from napari_xmem.widgets.jobs.finding import LOWEST_CONFIDENCE, FindingJob, finding_job
from napari_xmem.widgets.jobs.job_messages import Stage
from napari_xmem.widgets.jobs.threads import JobControl, handle_events_until, start_job
from napari_xmem.widgets.layers.found_view import FoundView

if TYPE_CHECKING:
    from napari_xmem.engine.discovery import FoundObjects
    from napari_xmem.widgets.propagate.form import PropagateForm
    from napari_xmem.widgets.propagate.form_values import PropagateControls
    from napari_xmem.widgets.propagate.run_readiness import PropagateInputs

__all__ = ["FindRest"]


class FindRest(QObject):
    """What "Find the rest", its slider and "Click to drop" do; all can be called from scripts.

    Parameters
    ----------
    viewer : napari Viewer
        The viewer.
    form : PropagateForm
        The controls.
    controls : PropagateControls
        What stands in them.
    inputs : PropagateInputs
        Movie and seeds.
    parent : QObject
        Owner.
    """

    finding_ended = Signal()

    def __init__(
        self,
        viewer: Any,
        form: PropagateForm,
        controls: PropagateControls,
        inputs: PropagateInputs,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._form, self._controls, self._inputs = viewer, form, controls, inputs
        self._control: JobControl | None = None
        self._error: XMemError | None = None
        self._view: FoundView | None = None
        self._listening: Any = None
        form.find.surer.valueChanged.connect(self._on_slider)
        form.find.drop.toggled.connect(self._on_drop_toggled)
        form.settings["min_confidence"].changed.connect(self._on_setting)
        form.seeds.layer_changed.connect(self.forget_found)
        form.image.layer_changed.connect(self.forget_found)
        inputs.changed.connect(self._show_readiness)
        self._on_setting(form.settings.get("min_confidence"))
        self.forget_found()

    @property
    def is_finding(self) -> bool:
        """True while the frame is searched."""
        return self._control is not None

    @property
    def found(self) -> FoundObjects | None:
        """What was found on the last frame searched, down to a confidence of 0.5; None if nothing was searched."""
        return None if self._view is None else self._view.found

    @property
    def found_ids(self) -> tuple[int, ...]:
        """Found objects that stand in the seeds layer now, most confident first."""
        return () if self._view is None else self._view.shown_ids

    @property
    def finding_problem(self) -> str:
        """What keeps "Find the rest" from starting, in words; empty if nothing does."""
        inputs = self._inputs
        if self.is_finding:
            return "The frame is being searched."
        if inputs.source.all_planes:
            return "Objects are found in one plane: choose Planes: The one on display."
        if not inputs.scan.frames or not inputs.scan.complete:
            return inputs.problem or "No frame is painted yet: paint one object or more as examples."
        view = inputs.view_seeds()
        if view.is_placed:
            return f"'{view.name}' has a place or pixels of its own: press Lay on movie, or + for a layer that fits."
        return inputs.problem if not self._controls.channels and inputs.movie and inputs.movie.n_channels > 1 else ""

    def find_rest(self, wait: bool = False) -> FoundObjects | None:
        """Find the objects that look like those painted on the frame shown, or on the first painted frame.

        Parameters
        ----------
        wait : bool
            Come back when it has ended; the viewer stays alive meanwhile.

        Returns
        -------
        FoundObjects or None
            What was found, if `wait`.

        Raises
        ------
        ConfigError
            If something is missing; the message says what to do.
        XMemError
            If `wait` and it failed.
        """
        self._inputs.look_at_seeds()
        self._inputs.scan.finish()
        if self.finding_problem:
            raise ConfigError(self.finding_problem)
        self._start()
        if not wait:
            return None
        handle_events_until(self.finding_ended, lambda: not self.is_finding)
        if self._error is not None:
            raise self._error
        return self.found

    def find_clicked(self) -> None:
        """Start, or stop what was started; problems are shown instead of raised."""
        if self._control is not None:
            self._control.stop()
        elif self.finding_problem:
            self._say(self.finding_problem, "bad")
        else:
            self._start()

    def drop_found(self, object_id: int) -> None:
        """Take one object that was found off the seeds."""
        if self._view is not None and self._view.drop(object_id):
            self._tell()

    def forget_found(self, *_: Any) -> None:
        """Let go of what was found; what stands in the layer stays."""
        if self._control is not None:
            self._control.stop()
        self._form.find.drop.setChecked(False)
        self._view = None
        self._say("")
        self._form.find.show_results(False)
        self._show_readiness()

    def release(self) -> None:
        """Let go of job and layer, for good."""
        if self._control is not None:
            self._control.stop()
        self._listen_to(None)

    # ---- the search

    def _start(self) -> None:
        inputs, controls = self._inputs, self._controls
        frames = inputs.scan.frames
        frame = inputs.current_frame if inputs.current_frame in frames else frames[0]
        inputs.show_frame(frame)
        self.forget_found()
        view = inputs.view_seeds()
        job = FindingJob(
            inputs.view_movie(),
            controls.channels or None,
            view,
            frame,
            controls.model,
            self._form.settings.get("device"),
            self._form.settings.get("diameter_px"),
            1 + max(inputs.scan.object_ids),
        )
        control = self._control = JobControl()
        self._error = None
        layer, index = controls.seeds, view.place(frame)
        self._show_readiness()
        start_job(
            finding_job,
            job,
            control=control,
            owner=self,
            message=lambda message: self._say(f"{message.text} ...") if isinstance(message, Stage) else None,
            failed=lambda error: self._on_failed(error, job.frame),
            ended=lambda found: self._on_found(found, layer, index, job.frame),
            closed=self._on_closed,
        )

    def _on_failed(self, error: XMemError, frame: int) -> None:
        self._error = error
        self._say(f"Frame {frame} could not be searched. {error}", "bad", error_details(error))

    def _on_found(self, found: FoundObjects | None, layer: Any, index: tuple[int, ...], frame: int) -> None:
        self._say("Stopped; nothing was changed.")
        if found is None or layer is not self._controls.seeds:
            return
        if max(found.object_ids, default=0) > np.iinfo(layer.data.dtype).max:
            self._error = ConfigError(
                f"'{layer.name}' is of type {layer.data.dtype}, which holds numbers up to "
                f"{np.iinfo(layer.data.dtype).max}; {count(len(found), 'object')} were found. Press + for a layer that "
                "holds more."
            )
            self._say(str(self._error), "bad")
            return
        self._view = FoundView(layer, index, frame, found)
        self._apply()
        self._form.find.show_results(bool(len(found)))

    def _on_closed(self) -> None:
        self._control = None
        self._show_readiness()
        self.finding_ended.emit()

    # ---- what was found

    def _apply(self) -> None:
        if self._view is None:
            return
        try:
            self._view.show(self._form.settings.get("min_confidence"))
        except (TypeError, ValueError, NotImplementedError, IndexError) as error:  # data that cannot be painted on
            self._say(f"'{self._view.layer.name}' cannot be written into ({error}). Press + for a new layer.", "bad")
            return
        self._tell()

    def _tell(self) -> None:
        view = self._view
        if view is None:
            return
        if not len(view.found):
            self._say(
                f"Nothing more was found on frame {view.frame} that looks like the painted objects. Paint examples "
                "that differ: bright and dim, large and small."
            )
            return
        shown, limit = len(view.shown_ids), self._form.settings.get("min_confidence")
        rest = len(view.found) - shown
        left_out = f"; {rest} less sure or dropped" if rest else ""
        self._say(
            f"Found {count(shown, 'more object')} on frame {view.frame} (at least {limit:.2f}){left_out}.", "good"
        )

    def _on_slider(self, percent: int) -> None:
        self._form.settings.set("min_confidence", percent / 100)

    def _on_setting(self, value: float) -> None:
        find = self._form.find
        find.surer.blockSignals(True)
        find.surer.setValue(round(100 * max(value, LOWEST_CONFIDENCE)))
        find.surer.blockSignals(False)
        find.limit.setText(f"{value:.2f}")
        if self._view is not None and len(self._view.found):
            self._apply()

    def _on_drop_toggled(self, on: bool) -> None:
        layer = self._view.layer if on and self._view is not None else None
        self._listen_to(layer)
        if layer is not None:
            self._viewer.layers.selection.active = layer
            layer.mode = "pan_zoom"

    def _listen_to(self, layer: Any) -> None:
        """Listen for clicks on a layer's objects, and on no other's."""
        if self._listening is not None and self._on_click in self._listening.mouse_drag_callbacks:
            self._listening.mouse_drag_callbacks.remove(self._on_click)
        self._listening = layer
        if layer is not None:
            layer.mouse_drag_callbacks.append(self._on_click)

    def _on_click(self, layer: Any, event: Any) -> Any:
        """Drop the object under the mouse, unless the mouse is dragged."""
        yield
        if event.type == "mouse_move":
            return
        value = layer.get_value(
            event.position, view_direction=event.view_direction, dims_displayed=event.dims_displayed, world=True
        )
        if value:
            self.drop_found(int(value))

    # ---- looks

    def _say(self, text: str, role: str = "muted", details: str = "") -> None:
        self._form.find.status.show_text(text, role, details)
        self._form.find.status.setVisible(bool(text))

    def _show_readiness(self, *_: Any) -> None:
        problem = "" if self.is_finding else self._problem_now()
        self._form.find.say_what_it_does("Stop" if self.is_finding else "Find the rest", problem)

    def _problem_now(self) -> str:
        try:
            return self.finding_problem
        except XMemError as error:
            return str(error)
