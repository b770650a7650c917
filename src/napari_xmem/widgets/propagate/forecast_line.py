"""What a run will cost, found out in a thread while the user still looks at the form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_xmem.widgets.common.status_text import forecast_text
from napari_xmem.widgets.jobs.propagation import prepare_session
from napari_xmem.widgets.jobs.threads import JobControl, start_job
from napari_xmem.widgets.layers.seed_frame_check import better_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_xmem.engine.cost.forecast import Forecast
    from napari_xmem.widgets.jobs.propagation import PropagationJob

__all__ = ["ForecastLine"]

QUIET_MS = 1200


class ForecastLine(QObject):
    """Makes a forecast when the form has not been touched for a moment.

    Parameters
    ----------
    make_job : callable
        Returns the `PropagationJob` that Run would start.
    parent : QObject
        Its owner.
    """

    changed = Signal()

    def __init__(self, make_job: Callable[[], PropagationJob], parent: QObject) -> None:
        super().__init__(parent)
        self._make_job = make_job
        self._control: JobControl | None = None
        self._key: Any = None
        self.text = ""
        self.fits = True
        self.seconds_per_frame: float | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(QUIET_MS)
        self._timer.timeout.connect(self._start)

    def ask(self, key: Any) -> None:
        """Make a forecast soon, unless it is there for the same settings `key` already."""
        if key == self._key:
            return
        self.cancel()
        self._key = key
        self._timer.start()

    def cancel(self) -> None:
        """Forget the forecast, also one that is being made."""
        self._timer.stop()
        if self._control is not None:
            self._control.stop()
            self._control = None
        self._key, self.text, self.fits, self.seconds_per_frame = None, "", True, None

    def _start(self) -> None:
        control = self._control = JobControl()
        start_job(
            _forecast_job,
            self._make_job(),
            control=control,
            owner=self,
            message=lambda _: None,
            failed=lambda _: None,  # Run will say it
            ended=lambda found: self._take(control, found),
        )

    def _take(self, control: JobControl, found: tuple[Forecast, str] | None) -> None:
        if control is not self._control or found is None:
            return
        self._control = None
        forecast, doubt = found
        self.text, self.fits = f"{doubt} {forecast_text(forecast)}".strip(), forecast.fits and not doubt
        self.seconds_per_frame = forecast.seconds_per_frame
        self.changed.emit()


def _forecast_job(control: JobControl, job: PropagationJob) -> Generator[Any, None, tuple[Forecast, str] | None]:
    session = yield from prepare_session(control, job)
    if session is None or control.stopped:
        return None
    from napari_xmem.engine.cost.forecast import forecast_run

    return forecast_run(session.current_run()), _doubt(job)


def _doubt(job: PropagationJob) -> str:
    """Say so if labels without a time axis stand out more on another frame than on theirs."""
    if job.seeds.has_time:
        return ""
    frame = job.seeds.frames[0]
    better = better_frame(job.movie.source(job.channels), job.seeds.read(frame), frame)
    return "" if better is None else f"The labels fit frame {better} better than frame {frame}: do they belong there?"
