"""Trials that are not decided yet, and the world in which those on trial are followed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_xmem.engine.division.daughter_appearance import look_at
from napari_xmem.engine.division.delayed_results import DelayedResults
from napari_xmem.engine.division.trial import Decision, Trial
from napari_xmem.engine.division.trial_tracking import OtherWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Set

    from napari_xmem.engine.division.daughter_appearance import Look
    from napari_xmem.engine.division.new_ids import NewIds
    from napari_xmem.engine.division.trial_tracking import Host, Moment
    from napari_xmem.engine.scopes.object_state import TrackedObject
    from napari_xmem.engine.scopes.region_masks import RegionMask
    from napari_xmem.engine.scopes.regions import Region

__all__ = ["OpenTrials"]


class OpenTrials:
    """Hypotheses under test: each is followed beside what stands, without touching it.

    Parameters
    ----------
    new_ids : NewIds
        Where ids come from, and go back to when a trial fails.
    """

    def __init__(self, new_ids: NewIds) -> None:
        self.new_ids = new_ids
        self.waiting = DelayedResults()
        self.reset()

    def reset(self) -> None:
        """Forget all trials; ids that were given stay given."""
        self.by_mother: dict[int, Trial] = {}
        self.decisions: list[Decision] = []
        self._world = OtherWorld()

    def __contains__(self, object_id: object) -> bool:
        return any(object_id in trial.standing for trial in self.by_mother.values())

    @property
    def objects(self) -> dict[int, TrackedObject]:
        """Those on trial."""
        return self._world.objects

    @property
    def standing(self) -> set[int]:
        """Objects of the scope whose place those on trial would take."""
        return {i for trial in self.by_mother.values() for i in trial.standing}

    @property
    def longest(self) -> int:
        """Over how many of the last frames the oldest trial goes; 0 without one."""
        return max((trial.age_frames for trial in self.by_mother.values()), default=0)

    def take_decisions(self) -> list[Decision]:
        """Return what was decided since this was last asked."""
        decided, self.decisions = self.decisions, []
        return decided

    def drop(self) -> None:
        """End all trials without a decision."""
        for mother in list(self.by_mother):
            self.end(mother)

    def drop_unfollowed(self, followed: Set[int], given: Set[int], host: Host) -> None:
        """End trials whose standing objects were painted or are gone, or where one on trial has no memory."""
        for mother, trial in list(self.by_mother.items()):
            gone = not host.objects.keys() >= set(trial.standing)
            painted = given & set(trial.standing) - {trial.kept}
            if gone or painted or not followed >= set(trial.tried):
                self.end(mother)

    def follow(self, host: Host, at: Moment, todo: Sequence[tuple[int, Region]]) -> dict[int, RegionMask]:
        """Find those on trial on this frame, and look at each trial once more; who is painted here is found."""
        self._world.end(at.given & self.objects.keys())
        tried = self._world.follow(host, at, todo, self.standing)
        seen = {mask.object_id: mask for mask in at.masks} | tried
        for trial in self.by_mother.values():
            look = self._look(at, trial, seen[trial.mother], [seen[i] for i in trial.daughters])
            trial.add(look, [seen[i] for i in trial.tried])
        return tried

    def _look(self, at: Moment, trial: Trial, whole: RegionMask, pair: Sequence[RegionMask]) -> Look:
        look = look_at(at.frame, whole, pair)
        if not trial.backward:
            return look
        claims = [mask for mask in at.claims if mask.object_id in trial.daughters]
        return replace(look, blur=look_at(at.frame, whole, claims).blur)

    def begin(
        self,
        host: Host,
        at: Moment,
        trial: Trial,
        whole: RegionMask,
        pair: Sequence[RegionMask],
        heirs: Mapping[int, int] | None = None,
    ) -> dict[int, RegionMask]:
        """Begin a trial; `whole` is the mother, `pair` are the daughters on its first frame.

        Returns the masks of those on trial; `heirs` among them know what an object of the scope knows.
        """
        masks = [whole] if trial.backward else list(pair)
        trial.add(self._look(at, trial, whole, pair), masks)
        self.by_mother[trial.mother] = trial
        return self._world.begin(host, at, masks, heirs)

    def end(self, mother: int) -> None:
        """End a trial without a division."""
        trial = self.by_mother.pop(mother)
        self._world.end(trial.tried)
        self.new_ids.give_back(trial.tried)

    def close(self, decision: Decision) -> dict[int, TrackedObject]:
        """End a trial with a division; returns those who were on trial."""
        self.decisions.append(decision)
        trial = self.by_mother.pop(decision.trial.mother)
        return self._world.end(trial.tried)

    def remember(self, host: Host, at: Moment, masks: Sequence[RegionMask], tried: Mapping[int, RegionMask]) -> None:
        """Memorise those on trial; `masks` are all of the scope's."""
        standing = self.standing
        self._world.remember(host, at, [mask for mask in masks if mask.object_id not in standing], tried)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs: nested dicts and lists of plain values and tensors."""
        return {
            "trials": [trial.state_dict() for trial in self.by_mother.values()],
            "world": self._world.state_dict(),
            "new_ids": self.new_ids.state_dict(),
            "waiting": self.waiting.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], restore: Callable[[Mapping[str, Any]], TrackedObject]) -> None:
        """Go on where `state_dict` was taken; `restore` makes an object from its state."""
        trials = [Trial.from_state_dict(trial) for trial in state["trials"]]
        self.by_mother = {trial.mother: trial for trial in trials}
        self._world.load_state_dict(state["world"], restore)
        self.new_ids.load_state_dict(state["new_ids"])
        self.waiting.load_state_dict(state["waiting"])
