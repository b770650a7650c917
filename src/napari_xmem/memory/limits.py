"""Keeping memory bounded: after every memorised frame working memory may be consolidated, long-term memory thinned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch

from napari_xmem.errors import ConfigError
from napari_xmem.memory import usage
from napari_xmem.memory.affinity import augment_query
from napari_xmem.memory.consolidation import append_prototypes, consolidate
from napari_xmem.memory.eviction import EVICTIONS, Eviction, evict, isolation
from napari_xmem.memory.potentiation import POTENTIATIONS, Potentiation
from napari_xmem.memory.prototype_selection import SELECTIONS, PrototypeSelection
from napari_xmem.memory.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_xmem.config import MemoryConfig
    from napari_xmem.memory.state import BankState

__all__ = ["Policies", "check_policies", "enforce_limits"]


@dataclass(frozen=True, slots=True)
class Policies:
    """The three policies of a bank."""

    selection: PrototypeSelection
    potentiation: Potentiation
    eviction: Eviction

    @classmethod
    def of(cls, config: MemoryConfig) -> Self:
        """Build the policies that ``config`` names; `ConfigError` lists the right names for a wrong one."""
        policies = cls(SELECTIONS.build(config), POTENTIATIONS.build(config), EVICTIONS.build(config))
        others = config.reading_importance_strength or getattr(policies.potentiation, "uses_feedback", True)
        if policies.own_pixels and others:
            raise ConfigError(
                f"eviction {config.eviction!r} counts what own pixels asked for, potentiation {config.potentiation!r} "
                f"and reading_importance_strength {config.reading_importance_strength:g} how sure answers were; only "
                "one of both is counted: choose another eviction, or potentiation 'affinity' and strength 0."
            )
        return policies

    @property
    def own_pixels(self) -> bool:
        """Whether feedback is about the object's own pixels, see `Eviction`."""
        return bool(getattr(self.eviction, "own_pixels", False))

    def use_feedback(self, config: MemoryConfig) -> bool:
        """Return whether anything depends on `MemoryBank.feedback`; a policy that does not say counts as using it."""
        if config.reading_importance_strength:
            return True
        policies = (self.potentiation, self.eviction)
        return config.long_term and any(getattr(policy, "uses_feedback", True) for policy in policies)


def check_policies(config: MemoryConfig) -> None:
    """Raise `ConfigError` unless the policies that ``config`` names exist and agree with its other settings."""
    Policies.of(config)


def enforce_limits(state: BankState, policies: Policies) -> None:
    """Bring memory back within its limits after a frame was added.

    With long-term memory: at ``working_max_frames`` frames all but the anchor (the first memorised frame, or permanent
    memory, which counts as one frame) and the newest are consolidated, so that ``working_min_frames`` are left.
    Without it, but with permanent seeds: the oldest frames beyond ``working_max_frames`` are dropped.
    Without both, working memory grows, as in XMem.
    """
    config = state.config
    anchor = int(state.anchored or state.sizes.permanent > 0)
    removable = state.working_blocks[int(state.anchored) :]
    count = len(removable) + anchor
    if config.long_term and count >= config.working_max_frames:
        _to_long_term(state, policies, removable[: len(removable) - (config.working_min_frames - anchor)])
    elif not config.long_term and config.permanent_seeds and count > config.working_max_frames:
        old = removable[: count - config.working_max_frames]
        state.remove(state.rows_in(Store.WORKING, old), "dropped", "the window of working memory moved on")


def _to_long_term(state: BankState, policies: Policies, blocks: Sequence[int]) -> None:
    config = state.config
    candidates = state.rows_in(Store.WORKING, blocks)
    n_candidates = int(candidates.shape[0])
    count = min(config.num_prototypes, config.long_term_max_elements, n_candidates)
    table, evicted = state.filled(), _least_worth(state, policies.eviction, count)
    staying = table["store"] != int(Store.WORKING)
    staying[evicted] = False
    if state.anchored:
        staying[state.rows_in(Store.WORKING, state.working_blocks[:1])] = True
    made = consolidate(
        table,
        candidates,
        staying.nonzero()[:, 0],
        count,
        policies.selection,
        policies.potentiation,
        with_selection=state.with_selection,
    )
    append_prototypes(table, made)
    keep = torch.ones(len(table), dtype=torch.bool, device=table.device)
    keep[candidates] = False
    keep[evicted] = False
    table.keep(keep.nonzero()[:, 0])  # once for both: it copies all that stays
    if len(evicted):
        reason = f"long-term memory is full; least worth by {config.eviction}"
        state.log("evicted", len(evicted), 0, reason)
    state.log("consolidated", n_candidates, count, f"working memory reached {config.working_max_frames} frames")
    state.count_consolidated(blocks, n_candidates, count, len(evicted))


def _least_worth(state: BankState, eviction: Eviction, count: int) -> Tensor:
    """Return exactly as many rows (n,) of long-term memory as ``count`` new ones need room."""
    table = state.filled()
    excess = state.sizes.long_term + count - state.config.long_term_max_elements
    if excess <= 0:
        return torch.zeros(0, dtype=torch.int64, device=table.device)
    rows = state.rows_in(Store.LONG_TERM)
    worth = eviction.worth(
        usage=usage.normalised_usage(table)[rows],
        age_frames=(table["frame"][rows] - state.frame).abs().float(),
        relevance=usage.relevance(table)[rows],
        contribution=usage.contribution(table)[rows],
        isolation=_isolation(state, rows, eviction),
    )
    return rows[evict(worth, excess)]


def _isolation(state: BankState, rows: Tensor, eviction: Eviction) -> Tensor:
    """Measure what the frames that stay permanently and more used elements cover, if the policy asks; else zeros."""
    table = state.filled()
    worth = usage.normalised_usage(table)[rows]
    if not getattr(eviction, "uses_isolation", False):
        return torch.zeros_like(worth)
    chooser = table["selection"][rows].T if state.with_selection else None
    queries = augment_query(table["key"][rows].T, chooser)
    lasting = table["store"] == int(Store.PERMANENT)
    if state.anchored:
        lasting[state.rows_in(Store.WORKING, state.working_blocks[:1])] = True
    return isolation(table["rows"][rows], queries, worth, table["rows"][lasting])
