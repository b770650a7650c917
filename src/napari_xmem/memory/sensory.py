"""Sensory memory: one hidden state per object, replaced at every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from napari_xmem.errors import MemoryBankError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["SensoryMemory"]


class SensoryMemory:
    """Hidden states of the recurrent unit (XMem, section 3.2), by object id.

    Parameters
    ----------
    hidden_dim : int
        Channels ``Ch``.
    """

    def __init__(self, hidden_dim: int) -> None:
        self.hidden_dim = hidden_dim
        self._hidden: dict[int, Tensor] = {}

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects that have a state."""
        return tuple(self._hidden)

    @property
    def n_bytes(self) -> int:
        """Bytes of all states."""
        return sum(int(hidden.nbytes) for hidden in self._hidden.values())

    def get(
        self,
        object_ids: Iterable[int],
        shape: tuple[int, int] | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Return the states of some objects; zeros for an object without one, or whose state has another size.

        Parameters
        ----------
        object_ids : iterable of int
            N ids.
        shape : tuple of 2 int or None
            Height and width of the grid; None: that of the first object that has a state.
        device, dtype : torch.device, torch.dtype
            For objects without a state.

        Returns
        -------
        Tensor
            (N, Ch, h, w), a copy.
        """
        ids = tuple(object_ids)
        known = [self._hidden[i] for i in ids if i in self._hidden]
        if shape is None:
            if not known:
                raise MemoryBankError(
                    f"No object of {list(ids)} has a sensory state yet; pass shape=(h, w) to get zeros."
                )
            shape = (known[0].shape[-2], known[0].shape[-1])
        options = {"device": known[0].device, "dtype": known[0].dtype} if known else {"device": device, "dtype": dtype}
        empty = torch.zeros((self.hidden_dim, *shape), **options)
        states = [self._hidden.get(i, empty) for i in ids]
        return (
            torch.stack([state if state.shape == empty.shape else empty for state in states])
            if ids
            else empty[None][:0]
        )

    def set(self, object_ids: Iterable[int], hidden: Tensor) -> None:
        """Replace the states of some objects.

        Parameters
        ----------
        object_ids : iterable of int
            N objects.
        hidden : Tensor
            ``(N, Ch, h, w)`` float.

        Raises
        ------
        MemoryBankError
            If the shape is another one.
        """
        ids = tuple(object_ids)
        if hidden.ndim != 4 or hidden.shape[0] != len(ids) or hidden.shape[1] != self.hidden_dim:
            raise MemoryBankError(
                f"Sensory state has shape {tuple(hidden.shape)}, expected ({len(ids)}, {self.hidden_dim}, h, w)."
            )
        for object_id, state in zip(ids, hidden, strict=True):
            self._hidden[object_id] = state

    def forget(self, object_ids: int | Iterable[int] | None = None) -> None:
        """Drop the states of some objects, or of all (None), as after a jump in time."""
        if object_ids is None:
            self._hidden.clear()
            return
        for object_id in (object_ids,) if isinstance(object_ids, int) else tuple(object_ids):
            self._hidden.pop(object_id, None)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return {"object_ids": self.object_ids, "hidden": list(self._hidden.values())}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Take over the states that `state_dict` described, on `device`."""
        pairs = zip(state["object_ids"], state["hidden"], strict=True)
        self._hidden = {object_id: hidden.to(device, copy=True) for object_id, hidden in pairs}
