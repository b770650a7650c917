"""Frames that cannot be believed: recognised from the last good one, with the objects as judges; nothing is learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

import napari_xmem as nx
from napari_xmem.config import MemoryConfig
from napari_xmem.engine.scopes.frame_quality import LONGEST_HOLD_FRAMES, FrameGate, convincing_share, may_be_written
from napari_xmem.engine.scopes.object_state import Observation, TrackedObject
from napari_xmem.engine.scopes.stage_drift import Views
from napari_xmem.memory import MemoryBank
from napari_xmem.tracking import EventKind

REACH_PX = 32.0


def field(seed: int, centres: list[tuple[int, int]], side: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Return a frame of textured discs of brightness 0.8 on 0.1, and their labels; `seed` decides the textures."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    frame, labels = np.full((side, side), 0.1), np.zeros((side, side), np.uint16)
    for number, centre in enumerate(centres, 1):
        inside = np.hypot(y - centre[0], x - centre[1]) < 10
        texture = ndimage.gaussian_filter(rng.standard_normal((side, side)), 2)
        frame[inside] = 0.8 + 0.12 * (texture / texture.std())[inside]
        labels[inside] = number
    noise = np.random.default_rng(seed + 100).normal(0, 0.02, frame.shape)
    return (ndimage.gaussian_filter(frame, 1) + noise).astype(np.float32), labels


HERE = [(34, 36), (40, 92), (92, 60)]
ELSEWHERE = [(60, 40), (90, 96), (30, 70)]


def gate_that_knows(frame: np.ndarray, labels: np.ndarray, good_frames: int = 3) -> FrameGate:
    gate = FrameGate()
    rng = np.random.default_rng(5)
    for _ in range(good_frames):
        again = (frame + rng.normal(0, 0.02, frame.shape)).astype(np.float32)
        gate.keep(again, (0.0, 0.0), (labels > 0).astype(np.float32))
    return gate


def never_asked(shift: tuple[float, float]) -> float | None:
    raise AssertionError(f"objects were asked about {shift}")


def test_a_usual_frame_is_believed_without_asking() -> None:
    frame, labels = field(0, HERE)
    verdict = gate_that_knows(frame, labels).judge(frame, (0.0, 0.0), REACH_PX, never_asked)
    assert verdict.believed
    assert verdict.drift_px == (0.0, 0.0)


def test_the_first_frame_is_believed() -> None:
    frame, _ = field(0, HERE)
    assert FrameGate().judge(frame, (0.0, 0.0), REACH_PX, never_asked).believed


@pytest.mark.parametrize("level", [0.0, 0.1, 0.9, 2.0])
def test_frames_without_contrast_are_flat_whatever_their_brightness(level: float) -> None:
    frame, labels = field(0, HERE)
    blank = (level + np.random.default_rng(1).normal(0, 0.02, frame.shape)).astype(np.float32)
    verdict = gate_that_knows(frame, labels).judge(blank, (0.0, 0.0), REACH_PX, never_asked)
    assert verdict.reason == "flat"


def test_another_field_is_foreign_if_the_objects_are_not_found() -> None:
    frame, labels = field(0, HERE)
    other, _ = field(7, ELSEWHERE)
    gate = gate_that_knows(frame, labels)
    assert gate.judge(other, (0.0, 0.0), REACH_PX, lambda shift: 0.3).reason == "foreign"
    assert gate.judge(other, (0.0, 0.0), REACH_PX, lambda shift: 1.0).believed


MANY = [(20, 24), (22, 56), (50, 20), (52, 50), (24, 88), (80, 30), (82, 62), (56, 84)]


def test_a_jump_that_the_whole_frame_shows_is_believed_though_some_objects_changed() -> None:
    frame, labels = field(0, MANY)
    moved, _ = field(0, [(y + 40, x + 36) for y, x in MANY])
    strangers, _ = field(7, [(y + 40, x + 36) for y, x in [(90, 90), (20, 90), (70, -20), (-20, 40), (60, 60)]])
    jump = (40.0, 36.0)
    some = {True: 0.4, False: 0.1}  # the others have divided
    gate = gate_that_knows(frame, labels)
    verdict = gate.judge(moved, jump, REACH_PX, lambda shift: some[max(abs(shift[0] - 40), abs(shift[1] - 36)) < 6])
    assert verdict.believed
    assert verdict.drift_px == jump
    assert gate.judge(strangers, jump, REACH_PX, lambda shift: 0.4).reason == "foreign"
    assert gate.judge(moved, jump, REACH_PX, lambda shift: 0.2).drift_px != jump


def test_nobody_to_ask_means_nothing_to_protect() -> None:
    frame, labels = field(0, HERE)
    other, _ = field(7, ELSEWHERE)
    assert gate_that_knows(frame, labels).judge(other, (0.0, 0.0), REACH_PX, lambda shift: None).believed


def test_a_far_shift_onto_strangers_is_not_even_asked_about() -> None:
    frame, labels = field(0, HERE)
    other, _ = field(7, ELSEWHERE)  # two of the cells there lie nearly as two of the followed ones would after 48 px
    asked: list[tuple[float, float]] = []

    def ask(shift: tuple[float, float]) -> float:
        asked.append(shift)
        return 1.0 if shift == (-3.0, 48.0) else 0.0

    verdict = gate_that_knows(frame, labels).judge(other, (-3.0, 48.0), REACH_PX, ask)
    assert (-3.0, 48.0) not in asked
    assert verdict.reason == "foreign"


def test_a_jump_after_the_first_frame_is_asked_about_though_nothing_is_usual_yet() -> None:
    """The picture has changed a little with the jump, as it does where cells move as well."""
    frame, labels = field(0, [(34, 36), (40, 60), (70, 40)])
    gate = gate_that_knows(frame, labels, good_frames=1)
    jumped = np.roll(frame, (0, 48), (0, 1)) + np.random.default_rng(1).normal(0, 0.65, frame.shape)
    jumped = jumped.astype(np.float32)
    asked = []

    def ask(shift: tuple[float, float]) -> float:
        asked.append(shift)
        return float(shift == (0.0, 48.0))

    assert 0.65 < Views.of(frame, jumped, (labels > 0).astype(np.float32)).resemblance((0.0, 48.0)) < 0.8
    verdict = gate.judge(jumped, (0.0, 48.0), REACH_PX, ask)
    assert verdict.believed and verdict.drift_px == (0.0, 48.0)


def test_a_jump_behind_stripes_is_found_by_the_objects() -> None:
    """Stripes fixed to the detector hide the jump from phase correlation: the drift given is 0."""
    stripes = 0.8 * ((np.arange(128) // 6) % 2)
    frame, labels = field(0, [(34, 36), (60, 40), (44, 70)])
    jumped = np.roll(frame, (30, 36), (0, 1)) + stripes
    gate = gate_that_knows((frame + stripes).astype(np.float32), labels)

    def ask(shift: tuple[float, float]) -> float:
        return float(max(abs(shift[0] - 30), abs(shift[1] - 36)) <= 2)

    verdict = gate.judge(jumped.astype(np.float32), (0.0, 0.0), REACH_PX, ask)
    assert verdict.believed
    assert verdict.drift_px == pytest.approx((30, 36), abs=2)


def test_a_scene_that_changed_for_good_is_believed_in_the_end() -> None:
    frame, labels = field(0, HERE)
    other, _ = field(7, ELSEWHERE)
    gate = gate_that_knows(frame, labels)
    for _ in range(LONGEST_HOLD_FRAMES):
        assert not gate.judge(other, (0.0, 0.0), REACH_PX, lambda shift: 0.0).believed
        gate.hold()
    assert gate.judge(other, (0.0, 0.0), REACH_PX, lambda shift: 0.0).believed


def test_a_gate_goes_on_from_its_state() -> None:
    frame, labels = field(0, HERE)
    gate, other = gate_that_knows(frame, labels), FrameGate()
    gate.hold()
    other.load_state_dict(gate.state_dict())
    blank = np.full_like(frame, 0.9)
    blank[0, 0] = 0.91
    assert other.held_frames == 1
    assert other.judge(blank, (0.0, 0.0), REACH_PX, never_asked) == gate.judge(blank, (0.0, 0.0), REACH_PX, never_asked)


def tracked(area_px: float, lost_frames: int = 0) -> TrackedObject:
    bank = MemoryBank(MemoryConfig(), key_dim=2, value_dim=2)
    return TrackedObject(1, bank, (20.0, 20.0), (10.0, 10.0), area_px, lost_frames=lost_frames)


@pytest.mark.parametrize(
    ("area_px", "confidence", "lost_frames", "written"),
    [(100, 0.9, 0, True), (100, 0.4, 0, False), (100, 0.9, 1, False), (25, 0.9, 0, False), (210, 0.9, 0, False)],
)
def test_only_what_is_there_believed_and_of_its_size_is_written(
    area_px: float, confidence: float, lost_frames: int, written: bool
) -> None:
    seen = Observation(area_px, confidence, (15.0, 15.0, 25.0, 25.0))
    assert may_be_written(tracked(100.0, lost_frames), seen) is written


def test_lost_objects_are_not_asked() -> None:
    objects = {1: tracked(100.0), 2: tracked(100.0), 3: tracked(100.0, lost_frames=2)}
    good, poor = Observation(100, 0.9, (0, 0, 9, 9)), Observation(100, 0.3, (0, 0, 9, 9))
    assert convincing_share(objects, {1: good, 2: poor, 3: poor}) == 0.5
    assert convincing_share(objects, {3: good}) is None


def test_objects_that_grow_alike_agree_and_one_that_grows_alone_does_not() -> None:
    objects = {i: tracked(100.0) for i in (1, 2, 3, 4)}
    magnified = {i: Observation(225, 0.8, (0, 0, 15, 15)) for i in objects}
    assert convincing_share(objects, magnified) == 1.0
    one = {i: Observation(225 if i == 1 else 100, 0.8, (0, 0, 15, 15)) for i in objects}
    assert convincing_share(objects, one) == 0.75
    assert convincing_share(objects, {i: Observation(1500, 0.8, (0, 0, 40, 40)) for i in objects}) == 0.0
    assert convincing_share(objects, {i: Observation(0, 0.0, (0, 0, 0, 0)) for i in objects}) == 0.0


def test_a_movie_that_is_magnified_in_the_middle_goes_on() -> None:
    frame, labels = field(0, HERE)
    where = {"matrix": np.eye(2) / 1.5, "offset": [64 * (1 - 1 / 1.5)] * 2}
    closer = ndimage.affine_transform(frame, **where, order=1, mode="nearest")
    truth = ndimage.affine_transform(labels, **where, order=0)
    rng = np.random.default_rng(2)
    frames = np.stack([frame] * 3 + [closer] * 3) + rng.normal(0, 0.02, (6, *frame.shape))
    result = nx.propagate(frames.astype(np.float32), {0: labels})
    for number in range(1, 4):
        found = result.labels[-1] == number
        assert (found & (truth == number)).sum() / (found | (truth == number)).sum() > 0.85


def test_a_look_that_is_not_counted_leaves_the_bank_as_it_is() -> None:
    bank = MemoryBank(MemoryConfig(), key_dim=2, value_dim=2)
    generator = torch.Generator().manual_seed(0)
    key, value = torch.randn(2, 6, generator=generator), torch.randn(1, 2, 6, generator=generator)
    bank.add(0, key, torch.ones(6), torch.ones(2, 6), value, (1,), positions=torch.zeros(6, 2))
    before = {name: t.clone() for name, t in bank.state_dict()["table"]["columns"].items()}
    answer = bank.read(key, torch.ones(2, 6), frame=9, count=False)
    after = bank.state_dict()["table"]["columns"]
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(answer, bank.read(key, torch.ones(2, 6), frame=9))


@pytest.mark.parametrize("kind", ["flat", "foreign"])
def test_objects_go_on_from_before_the_bad_frames(kind: str) -> None:
    frame, labels = field(0, HERE)
    rng = np.random.default_rng(2)
    frames = np.stack([np.roll(frame, t, 1) for t in range(8)]) + rng.normal(0, 0.02, (8, *frame.shape))
    frames[3:6] = 0.8 + rng.normal(0, 0.03, frames[3:6].shape) if kind == "flat" else field(7, ELSEWHERE)[0]
    result = nx.propagate(frames.astype(np.float32), {0: labels})
    assert not result.labels[3:6].any()
    assert np.isin(result.scores.confidence[3:6], [0.0]).all()
    truth = np.roll(labels, 7, 1)
    for number in range(1, 4):
        found = result.labels[-1] == number
        assert (found & (truth == number)).sum() / (found | (truth == number)).sum() > 0.85
    told = [event for event in result.events if event.kind is EventKind.BAD_FRAME]
    assert [(event.frame, event.objects, event.detail) for event in told] == [(t, (), kind) for t in (3, 4, 5)]
    rows = {event.frame for snapshot in result.memory for event in snapshot.events}
    assert not rows & {3, 4, 5}
