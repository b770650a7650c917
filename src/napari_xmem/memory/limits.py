"""Keeping memory bounded: after every memorised frame working memory may be consolidated, long-term memory thinned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch

from napari_xmem.errors import ConfigError, is_out_of_memory
from napari_xmem.memory import usage
from napari_xmem.memory.consolidation import consolidate, queries_of
from napari_xmem.memory.distractors import give_way
from napari_xmem.memory.eviction import EVICTIONS, Eviction, evict, isolation
from napari_xmem.memory.few_calls import wants_few_calls
from napari_xmem.memory.potentiation import POTENTIATIONS, Potentiation
from napari_xmem.memory.prototype_selection import SELECTIONS, PrototypeSelection
from napari_xmem.memory.store import Store
from napari_xmem.memory.table_stack import TableStack, pick

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from napari_xmem.config import MemoryConfig
    from napari_xmem.memory.state import BankState
    from napari_xmem.memory.table_stack import Rows

__all__ = ["Policies", "check_policies", "enforce_limits"]

#: Bytes of memories that are consolidated at once; half as much again is needed meanwhile.
_GROUP_BYTES = 1024 * 1024 * 1024


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


@dataclass(frozen=True, slots=True, eq=False)
class _Due:
    """A memory of which some memorised frames go to long-term memory now, and how many elements that concerns."""

    state: BankState
    policies: Policies
    blocks: tuple[int, ...]
    candidates: int
    count: int
    excess: int

    @classmethod
    def of(cls, state: BankState, policies: Policies, blocks: tuple[int, ...]) -> Self:
        """Return what is to be done with these memorised frames."""
        config = state.config
        candidates = sum(state.block_sizes[state.working_blocks.index(block)] for block in blocks)
        count = min(config.num_prototypes, config.long_term_max_elements, candidates)
        excess = state.sizes.long_term + count - config.long_term_max_elements
        return cls(state, policies, blocks, candidates, count, max(0, excess))

    def is_like(self, other: Self) -> bool:
        """Return True if both can be done at once."""
        a, b = self.state, other.state
        return (
            (self.count, self.excess, a.anchored, a.with_selection)
            == (other.count, other.excess, b.anchored, b.with_selection)
            and (a.config is b.config or a.config == b.config)
            and a.filled().is_like(b.filled())
        )


def enforce_limits(banks: Iterable[tuple[BankState, Policies]]) -> None:
    """Bring memories back within their limits after a frame was added.

    With long-term memory: at ``working_max_frames`` frames all but the anchor (the first memorised frame, or permanent
    memory, which counts as one frame) and the newest are consolidated, so that ``working_min_frames`` are left.
    Without it, but with permanent seeds: the oldest frames beyond ``working_max_frames`` are dropped.
    Without both, working memory grows, as in XMem. Before that, frames of look-alikes beyond
    ``distractor_max_frames`` become working memory.
    """
    groups: list[list[_Due]] = []
    for state, policies in banks:
        give_way(state)
        config = state.config
        anchor = int(state.anchored or state.sizes.permanent > 0)
        removable = state.working_blocks[int(state.anchored) :]
        count = len(removable) + anchor
        if config.long_term and count >= config.working_max_frames:
            due = _Due.of(state, policies, removable[: len(removable) - (config.working_min_frames - anchor)])
            group = next((group for group in groups if _has_room(group, due)), None)
            if group is None:
                groups.append([due])
            else:
                group.append(due)
        elif not config.long_term and config.permanent_seeds and count > config.working_max_frames:
            old = removable[: count - config.working_max_frames]
            state.remove(state.rows_in(Store.WORKING, old), "dropped", "the window of working memory moved on")
    for group in groups:
        _in_parts(group)


def _has_room(group: Sequence[_Due], due: _Due) -> bool:
    """Return True if a memory can be done together with others: on a CPU each is done with before the next."""
    if not wants_few_calls(due.state.filled().device) or not group[0].is_like(due):
        return False
    return len(group) < max(1, _GROUP_BYTES // max(1, due.state.filled().n_bytes))


def _in_parts(group: Sequence[_Due]) -> None:
    """Do some memories at once, or by halves if the device has no room for all."""
    try:
        _to_long_term(group)
        return
    except (RuntimeError, MemoryError) as error:
        if len(group) == 1 or not is_out_of_memory(error):
            raise
    _in_parts(group[: len(group) // 2])
    _in_parts(group[len(group) // 2 :])


def _to_long_term(group: Sequence[_Due]) -> None:
    first, states = group[0], [due.state for due in group]
    config, policies = first.state.config, first.policies
    stack = TableStack([state.filled() for state in states])
    store, block = stack.part("store"), stack.part("origin")[..., 1]
    ends = torch.tensor([[due.blocks[0], due.blocks[-1]] for due in group], dtype=torch.int64, device=stack.device)
    chosen = (store == int(Store.WORKING)) & (block >= ends[:, :1]) & (block <= ends[:, 1:])
    lasting = (store == int(Store.PERMANENT)) | (store == int(Store.DISTRACTOR))
    if first.state.anchored:
        blocks = [[state.working_blocks[0]] for state in states]
        lasting |= (store == int(Store.WORKING)) & (
            block == torch.tensor(blocks, dtype=torch.int64, device=stack.device)
        )
    kept = stack.existing(~chosen)
    if first.excess:
        rows = stack.rows(stack.existing(store == int(Store.LONG_TERM)), [state.sizes.long_term for state in states])
        evicted = _least_worth(stack, states, rows, lasting, policies.eviction, first.excess)
        kept.scatter_(1, evicted, False)
    made = consolidate(
        stack,
        stack.rows(chosen, [due.candidates for due in group]),
        kept & ((store != int(Store.WORKING)) | lasting),
        first.count,
        policies.selection,
        policies.potentiation,
        with_selection=first.state.with_selection,
    )
    stack.replace(
        kept, [size - due.candidates - due.excess for size, due in zip(stack.sizes, group, strict=True)], made
    )
    for due in group:
        if due.excess:
            due.state.log("evicted", due.excess, 0, f"long-term memory is full; least worth by {config.eviction}")
        reason = f"working memory reached {config.working_max_frames} frames"
        due.state.log("consolidated", due.candidates, due.count, reason)
        due.state.count_consolidated(due.blocks, due.candidates, due.count, due.excess)


def _least_worth(
    stack: TableStack, states: Sequence[BankState], rows: Rows, lasting: Tensor, eviction: Eviction, excess: int
) -> Tensor:
    """Return ``excess`` rows (N, excess) of long-term memory, of which all have as many."""
    counters, origin = stack.take("counters", rows.index), stack.take("origin", rows.index)
    now = torch.tensor([[state.frame] for state in states], dtype=torch.int64, device=stack.device)
    used = usage.normalised_usage(counters)
    say = {
        "usage": used,
        "age_frames": (origin[..., 0] - now).abs().float(),
        "relevance": usage.relevance(counters),
        "contribution": usage.contribution(counters),
        "isolation": torch.zeros_like(used),
    }
    if getattr(eviction, "uses_isolation", False):
        permanent = stack.rows(lasting, [_lasting(state) for state in states])
        say["isolation"] = isolation(
            stack.take("looks", rows.index)[..., :-2],
            queries_of(stack.take("source", rows.index), with_selection=states[0].with_selection),
            used,
            stack.take("looks", permanent.index)[..., :-2],
            permanent.held,
        )
    if getattr(type(eviction), "over_objects", False):
        worth = eviction.worth(**say)
    else:
        each = ({name: of_all[n] for name, of_all in say.items()} for n in range(len(states)))
        worth = torch.stack([eviction.worth(**one) for one in each])
    return pick(rows.index, evict(worth, excess))


def _lasting(state: BankState) -> int:
    """Return how many elements stay whatever happens."""
    return state.sizes.permanent + state.sizes.distractor + (state.block_sizes[0] if state.anchored else 0)
