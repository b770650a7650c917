"""What is offered where seeds are not what they seem: one number on two cells, outlines, several frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_xmem.errors import SeedError
from napari_xmem.imaging import fill_outlines, number_parts
from napari_xmem.widgets.common.status_text import count, some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from napari_xmem.widgets.propagate.form import PropagateForm
    from napari_xmem.widgets.propagate.form_values import PropagateControls
    from napari_xmem.widgets.propagate.run_readiness import PropagateInputs

__all__ = ["SeedRepairs"]


class SeedRepairs:
    """Mends the painted frames of the seeds layer; each frame is one step that napari's undo takes back.

    Parameters
    ----------
    form : PropagateForm
        Its buttons are shown where they help.
    controls : PropagateControls
        What stands in the form.
    inputs : PropagateInputs
        Movie and seeds.
    """

    def __init__(self, form: PropagateForm, controls: PropagateControls, inputs: PropagateInputs) -> None:
        self._form, self._controls, self._inputs = form, controls, inputs

    def split_parts(self) -> str:
        """Give each further part of an object a number of its own; the largest part keeps the number.

        Returns
        -------
        str
            What was done.
        """
        scan = self._inputs.scan
        free = max(scan.object_ids, default=0) + 1
        wanted = scan.in_parts
        n_new = 0

        def mend(t: int, labels: NDArray[Any]) -> NDArray[Any]:
            nonlocal n_new
            new = number_parts(labels, wanted[t], free + n_new)
            n_new = max(n_new, int(new.max()) + 1 - free)
            return new

        self._mend(wanted, mend)
        return f"{count(n_new, 'part')} got a number of {'its' if n_new == 1 else 'their'} own."

    def fill_holes(self) -> str:
        """Fill background that objects enclose; returns what was done."""
        wanted = self._inputs.scan.hollow
        self._mend(wanted, lambda _t, labels: fill_outlines(labels))
        ids = sorted({i for found in wanted.values() for i in found})
        return f"Object {ids[0]} is filled." if len(ids) == 1 else f"Objects {some(ids)} are filled."

    def use_one_frame(self) -> str:
        """Use the seeds of one frame only: the one on display, or the first one that is painted; returns which."""
        frames = self._inputs.scan.frames
        if frames and self._inputs.current_frame not in frames:
            self._inputs.show_frame(frames[0])
        self._controls.seed_frames = "current"
        return f"Only the seeds of frame {self._inputs.current_frame} are used."

    def offer(self) -> None:
        """Show the buttons that help now."""
        form, scan, controls = self._form, self._inputs.scan, self._controls
        mendable = self._inputs.is_mendable
        several = len(scan.frames) > 1 and controls.seed_frames == "painted"
        shown = (
            (form.split, mendable and bool(scan.in_parts)),
            (form.fill, mendable and bool(scan.hollow)),
            (form.one_frame, several and not self._inputs.every_frame),  # that is asked by itself
        )
        for item, visible in shown:
            if item.isHidden() is visible:
                item.setVisible(visible)
        form.input.show_row(form.repairs, any(visible for _, visible in shown))

    def _mend(self, frames: Iterable[int], mend: Callable[[int, NDArray[Any]], NDArray[Any]]) -> None:
        layer, inputs = self._controls.seeds, self._inputs
        for t in tuple(frames):
            index = inputs.place_of(t)
            before = np.asarray(layer.data[index])
            after = mend(t, before)
            if after.max(initial=0) > np.iinfo(before.dtype).max:
                raise SeedError(f"'{layer.name}' holds {before.dtype} numbers, too small for {int(after.max())}.")
            rows, columns = np.nonzero(before != after)
            if rows.size:
                lead = tuple(np.full(rows.shape, at) for at in index)
                layer.data_setitem((*lead, rows, columns), after[rows, columns].astype(before.dtype))
        inputs.scan.look_again(tuple(frames))
