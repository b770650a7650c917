"""Ids for objects that begin while a movie is followed."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["NewIds"]


class NewIds:
    """Gives each new object an id that nobody has, had, or will have by being painted on a later frame.

    Parameters
    ----------
    first : int
        First id to give: above all ids that were painted on any frame, and above all that were given before.
    limit : int
        Largest id that labels can hold.
    """

    def __init__(self, first: int, limit: int) -> None:
        self._first, self._next, self._limit = int(first), int(first), int(limit)
        self._returned: list[int] = []

    @property
    def n_left(self) -> int:
        """How many ids can still be given."""
        return max(0, self._limit + 1 - self._next) + len(self._returned)

    @property
    def first_unused(self) -> int:
        """An id above all that were given so far: where a later run may begin."""
        return self._next

    def gave(self, object_id: int) -> bool:
        """Return True if an id was given here, not painted."""
        return object_id >= self._first

    def take(self, n: int) -> tuple[int, ...]:
        """Return `n` ids, the smallest that are free.

        Raises
        ------
        ValueError
            If there are not enough; ask `n_left` first.
        """
        if n > self.n_left:
            raise ValueError(f"{n} ids are wanted, {self.n_left} are left below {self._limit}.")
        out = []
        for _ in range(n):
            if self._returned:
                out.append(heapq.heappop(self._returned))
            else:
                out.append(self._next)
                self._next += 1
        return tuple(out)

    def give_back(self, ids: Iterable[int]) -> None:
        """Take ids back that no result has shown; ids that were painted are none of these."""
        for i in ids:
            if self.gave(i):
                heapq.heappush(self._returned, int(i))

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        return {"first": self._first, "next": self._next, "returned": sorted(self._returned)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._first = int(state["first"])
        self._next, self._returned = int(state["next"]), sorted(int(i) for i in state["returned"])
