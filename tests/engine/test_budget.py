"""A budget in bytes, and what happens when the device refuses."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import napari_xmem as nx
from engine.simple_movies import disc_movie, tiny_network
from napari_xmem.config import PropagationConfig
from napari_xmem.engine import iter_run, prepare_run
from napari_xmem.engine.cost.budget import Budget
from napari_xmem.engine.cost.compute_limit import WorkLimit
from napari_xmem.engine.cost.forecast import forecast_run
from napari_xmem.engine.cost.memory_estimate import bank_row_bytes, elements_per_object, fit_long_term
from napari_xmem.engine.cost.network_cost import LiveBytes, network_bytes
from napari_xmem.engine.run_passes import open_scope
from napari_xmem.errors import OutOfMemoryError, is_out_of_memory
from napari_xmem.memory import MemoryBank
from napari_xmem.model import InferenceXMem

MEMORY = nx.MemoryConfig(memory_interval_frames=1, working_min_frames=2, working_max_frames=4, num_prototypes=8)


class LittleRoom(InferenceXMem):
    """A network on a device that refuses more than some objects, or some pixels of the frame, at a time."""

    def __init__(self, network, objects=10**9, pixels=10**9):
        super().__init__(network)
        self.objects, self.pixels, self.refused = objects, pixels, 0

    def _allocate(self, n, room):
        if n > room:
            self.refused += 1
            raise torch.OutOfMemoryError(f"no room for {n}")

    def encode_key(self, image):
        self._allocate(image.shape[-1] * image.shape[-2], self.pixels)
        return super().encode_key(image)

    def decode(self, context, readout, hidden, *, update_hidden):
        self._allocate(len(readout), self.objects)
        return super().decode(context, readout, hidden, update_hidden=update_hidden)

    def encode_value(self, image, masks, others, context, hidden, *, deep):
        self._allocate(len(masks), self.objects)
        return super().encode_value(image, masks, others, context, hidden, deep=deep)


@torch.inference_mode()
def test_chunks_of_objects_change_no_probability():
    from napari_xmem.engine.scopes.global_scope import GlobalScope

    network = tiny_network()
    image, masks = torch.rand(4, 64, 96), (torch.rand(5, 64, 96) > 0.8).float()
    outputs = []
    for room in (5, 2):
        scope = GlobalScope(LittleRoom(network, objects=room), MEMORY)
        scope.step(image, masks)
        outputs.append(torch.stack([scope.step(image.roll(t, 2)) for t in (1, 2, 3)]))
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5)


def run_all(network, scope, n_objects=7, **options):
    frames, labels = disc_movie(n_objects, 7, (160, 192))
    return nx.propagate(frames, {0: labels[0]}, model=network, scope=scope, memory=MEMORY, **options)


def same_up_to_rounding(found, expected):
    """Convolutions round by batch size; to an untrained network objects are nearly equal, and labels may swap."""
    np.testing.assert_allclose(found.scores.confidence[:2], expected.scores.confidence[:2], atol=2e-2)
    assert (found.labels == expected.labels).mean() > 0.98


@pytest.mark.parametrize("scope", ["local", "global"])
@pytest.mark.parametrize("room", [1, 3])
def test_out_of_memory_halves_the_chunk_and_changes_nothing(scope, room):
    network = tiny_network()
    expected = run_all(InferenceXMem(network), scope)
    little = LittleRoom(network, objects=room)
    found = run_all(little, scope)
    assert 0 < little.refused <= 8  # it learns: not on every frame again
    same_up_to_rounding(found, expected)
    for a, b in zip(found.memory, expected.memory, strict=True):
        assert a.stores == b.stores and a.totals == b.totals


def test_reads_are_counted_once_when_a_chunk_is_done_again():
    network = tiny_network()
    usage = []
    for model in (InferenceXMem(network), LittleRoom(network, objects=2)):
        frames, labels = disc_movie(6, 3, (96, 128))
        config = PropagationConfig(memory=MEMORY, scope="local")
        run = prepare_run(frames, {0: labels[0]}, model, config)
        scope = open_scope(run)
        for t in range(3):
            scope.advance(frames[t], t, labels[0] if t == 0 else None)
        usage.append([bank._state.table["life"].clone() for bank in scope.banks])
    for a, b in zip(*usage, strict=True):
        assert torch.equal(a, b)


def test_out_of_memory_on_a_frame_encodes_smaller_tiles():
    network = tiny_network()
    frames, labels = disc_movie(6, 3, (320, 384), diameter=16)
    options = {"scope": "local", "memory": MEMORY, "diameter_px": 16}
    expected = nx.propagate(frames, {0: labels[0]}, model=InferenceXMem(network), **options)
    little = LittleRoom(network, pixels=240 * 240)
    found = nx.propagate(frames, {0: labels[0]}, model=little, **options)
    assert little.refused
    assert (found.labels == expected.labels).mean() > 0.9999


@pytest.mark.parametrize("scope", ["local", "global"])
def test_nothing_left_to_halve_is_an_error_and_results_so_far_are_kept(scope):
    network = LittleRoom(tiny_network())
    frames, labels = disc_movie(3, 6)
    results = nx.iter_propagate(frames, {0: labels[0]}, model=network, scope=scope, memory=MEMORY)
    done = [next(results) for _ in range(3)]
    network.objects = 0
    with pytest.raises(OutOfMemoryError, match="one object at a time"):
        next(results)
    assert [r.frame for r in done] == [0, 1, 2] and all(r.labels.any() for r in done[:1])


@pytest.mark.parametrize("scope", ["local", "global"])
def test_propagate_out_of_memory_gives_what_was_finished(scope):
    network = tiny_network()
    frames, labels = disc_movie(3, 7)
    whole = nx.propagate(frames, {1: labels[1]}, model=InferenceXMem(network), scope=scope, memory=MEMORY)
    little = LittleRoom(network)

    def less_room(done, total):
        little.objects = 10**9 if done < 4 else 0

    with pytest.raises(OutOfMemoryError) as caught:
        nx.propagate(frames, {1: labels[1]}, model=little, scope=scope, memory=MEMORY, progress=less_room)
    partial = caught.value.partial
    assert partial.scores.frames.tolist() == [1, 2, 3, 4] and len(partial.memory) == 4
    np.testing.assert_array_equal(partial.labels[:5], whole.labels[:5])
    assert partial.labels.shape == whole.labels.shape and not partial.labels[5:].any()
    np.testing.assert_array_equal(partial.scores.area_px, whole.scores.area_px[:4])
    assert partial.recipe == whole.recipe and partial.scope == scope


def test_a_read_out_of_memory_halves_its_queries(monkeypatch):
    from napari_xmem.memory import recall as module

    torch.manual_seed(0)
    bank, other = (MemoryBank(MEMORY, key_dim=8, value_dim=8) for _ in range(2))
    key, value = torch.randn(8, 50), torch.randn(2, 8, 50)
    for b in (bank, other):
        b.add(0, key, torch.ones(50), torch.rand(8, 50, generator=torch.Generator().manual_seed(1)), value, (1, 2))
    query = torch.randn(8, 40)
    expected = bank.read(query, torch.ones(8, 40))
    similarity, asked = module.similarity, []

    def little_room(rows, queries):
        asked.append(len(queries))
        if len(queries) > 7:
            raise torch.OutOfMemoryError("no room")
        return similarity(rows, queries)

    monkeypatch.setattr(module, "similarity", little_room)
    torch.testing.assert_close(other.read(query, torch.ones(8, 40)), expected)
    assert asked[:4] == [40, 20, 10, 5] and sum(asked[3:]) == 40
    torch.testing.assert_close(other._state.table["use"], bank._state.table["use"])


def test_small_budget_gives_the_same_labels_with_less_memory():
    network = InferenceXMem(tiny_network())
    frames, labels = disc_movie(16, 3, (192, 256))
    expected = nx.forecast(frames, {0: labels[0]}, model=network, memory=MEMORY, scope="local")
    peaks, results = [], []
    for budget in (10**9, expected.least_budget_bytes):
        config = PropagationConfig(memory=MEMORY, scope="local", memory_budget_bytes=budget)
        run = prepare_run(frames, {0: labels[0]}, network, config)
        with LiveBytes() as counter:
            results.append(np.array([r.labels for r in iter_run(run)]))
        peaks.append(counter.peak)
    assert (results[0] == results[1]).mean() > 0.98
    assert peaks[1] < 0.8 * peaks[0]


@pytest.mark.parametrize("scope", ["local", "global"])
def test_a_budget_that_cannot_be_kept_is_said_and_the_run_goes_on(scope):
    network = InferenceXMem(tiny_network())
    frames, labels = disc_movie(9, 7, (160, 192))
    options = {"model": network, "scope": scope, "memory": MEMORY, "memory_budget_bytes": 1_000_000}
    expected = nx.forecast(frames, {0: labels[0]}, **options)
    least = expected.least_budget_bytes
    assert not expected.fits and not expected.keeps_budget and least > 1_000_000 and expected.budget_bytes == 1_000_000
    assert f"budget of 1 MB cannot be kept: this run needs at least {-(-least // 10**6)} MB" in expected.describe()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        short = nx.propagate(frames, {0: labels[0]}, **options)
    assert [str(w.message)[:43] for w in said] == ["The memory budget of 1 MB cannot be kept: t"]
    assert "long_term_limited_from" not in short.recipe  # the run is too short for that to matter
    assert short.recipe["memory_budget_bytes"] == 1_000_000 and short.recipe["least_budget_bytes"] == least
    free = nx.propagate(frames, {0: labels[0]}, **{**options, "memory_budget_bytes": 10**9})
    assert len(short.scores.frames) == 7 and "least_budget_bytes" not in free.recipe
    assert (short.labels[:2] == free.labels[:2]).mean() > 0.98


@pytest.mark.parametrize("scope", ["local", "global"])
@pytest.mark.parametrize("share", [1.0, 1.5])
def test_a_budget_that_can_be_kept_is_kept(scope, share):
    """Many objects and frames with small chunks: what tensors take at a time stays below the budget."""
    network = InferenceXMem(tiny_network())
    frames, labels = disc_movie(20, 12, (224, 256))
    memory = MEMORY.replace(working_max_frames=8)
    seeds = {0: labels[0], 5: labels[5], 8: labels[8]}
    least = nx.forecast(frames, seeds, model=network, scope=scope, memory=memory, diameter_px=16).least_budget_bytes
    budget = int(share * least)
    options = {"scope": scope, "memory": memory, "diameter_px": 16, "memory_budget_bytes": budget}
    run = prepare_run(frames, seeds, network, PropagationConfig(**options))
    assert forecast_run(run).keeps_budget
    with LiveBytes() as counter:
        n = sum(1 for _ in iter_run(run))
    assert n == 12 and counter.peak <= 1.35 * budget  # untrained, it loses them: regions grow


def test_few_sizes_are_powers_of_two():
    calls = []

    def compute(chunk):
        calls.append(len(chunk))
        return list(chunk)

    assert WorkLimit(1100, few_sizes=True).map(range(23), 100, compute) == list(range(23))
    assert calls == [8, 8, 4, 2, 1]


@pytest.mark.parametrize("budget", [1, 999_999, 0, -5, float("nan")])
def test_nonsense_budgets_are_refused(budget):
    with pytest.raises(nx.errors.ConfigError, match=r"memory_budget_bytes is .*, expected"):
        PropagationConfig(memory_budget_bytes=budget)


def test_a_read_compares_no_more_at_a_time_than_it_may(monkeypatch):
    from napari_xmem.memory import recall as module

    bank = MemoryBank(MEMORY, key_dim=8, value_dim=8)
    bank.add(0, torch.randn(8, 50), torch.ones(50), torch.ones(8, 50), torch.randn(1, 8, 50), (1,))
    query, similarity, sizes = torch.randn(8, 40), module.similarity, []
    expected = bank.read(query, torch.ones(8, 40))

    def noting(rows, queries):
        sizes.append(len(rows) * len(queries))
        return similarity(rows, queries)

    monkeypatch.setattr(module, "similarity", noting)
    torch.testing.assert_close(bank.read(query, torch.ones(8, 40), chunk_elements=350), expected)
    assert sizes == [350] * 5 + [250]


def test_budget_is_shared_out():
    network = InferenceXMem(tiny_network())
    need = network_bytes(network)
    rich = Budget.plan(network, need, 10**6, 10**6, memory_budget_bytes=10**12)
    poor = Budget.plan(network, need, 10**5, 10**9, memory_budget_bytes=10**7)
    assert rich.banks == 10**6 and rich.work.pixels > poor.work.pixels and rich.tile.pixels > poor.tile.pixels
    assert 5 * 10**6 <= poor.banks < 10**7 - need.kept * 10**5 and poor.similarities < rich.similarities
    assert poor.work.pixels * max(need.decode, need.value) <= 10**7
    assert poor.tile.pixels * need.key <= 10**7


def test_long_term_memory_is_limited_where_banks_would_outgrow_the_budget():
    frames, labels = disc_movie(5, 400, (64, 96))
    memory = nx.MemoryConfig(
        memory_interval_frames=1,
        working_min_frames=2,
        working_max_frames=4,
        num_prototypes=32,
        long_term_max_elements=10_000,
    )
    options = {"scope": "local", "memory": memory}
    free = prepare_run(frames, {0: labels[0]}, tiny_network(), PropagationConfig(**options))
    assert free.config.memory == memory and "long_term_limited_from" not in free.recipe
    small = PropagationConfig(**options, memory_budget_bytes=8_000_000)
    with pytest.warns(
        UserWarning, match=r"limited to \d+ elements instead of 10000 .* memory budget, 8 MB: labels can"
    ):
        run = prepare_run(frames, {0: labels[0]}, tiny_network(), small)
    assert run.recipe["long_term_limited_from"] == 10_000 and "least_budget_bytes" not in run.recipe
    assert 32 <= run.config.memory.long_term_max_elements < 10_000
    assert run.recipe["memory"]["long_term_max_elements"] == run.config.memory.long_term_max_elements
    expected = forecast_run(run)
    assert expected.fits and expected.least_budget_bytes <= 8_000_000
    assert 5_000_000 < expected.memory_bank_bytes <= 8_000_000  # no shorter than it must be


def test_fit_long_term_keeps_room_for_one_consolidation():
    memory = nx.MemoryConfig.paper()
    assert fit_long_term(memory, 256, 1000, 1e9) is memory
    assert fit_long_term(memory, 256, 1000, 1e6).long_term_max_elements == 128
    assert fit_long_term(memory, 256, 1000, 5e6).long_term_max_elements == 5000 - 10 * 256
    assert elements_per_object(memory, 1, 100) == (100, 100)
    assert bank_row_bytes(tiny_network().config, 2) > bank_row_bytes(tiny_network().config, 1)


def test_work_limit_repeats_only_what_failed():
    limit, calls = WorkLimit(8 * 100), []

    def compute(chunk):
        calls.append(list(chunk))
        if len(chunk) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return [2 * i for i in chunk]

    assert limit.map(range(9), 100, compute) == [2 * i for i in range(9)]
    assert calls == [list(range(8)), list(range(4)), [0, 1], [2, 3], [4, 5], [6, 7], [8]]
    with pytest.raises(ValueError):
        limit.map([1], 100, lambda chunk: int("x"))
    with pytest.raises(RuntimeError, match="other"):
        limit.map([1, 2], 100, lambda chunk: (_ for _ in ()).throw(RuntimeError("other")))


def test_what_counts_as_out_of_memory():
    assert is_out_of_memory(torch.OutOfMemoryError("x")) and is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert not is_out_of_memory(RuntimeError("shape mismatch")) and not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize(
    "words",
    [
        "MPS backend out of memory (MPS allocated: 17.93 GB, other allocations: 112 KB, max allowed: 18.13 GB)",
        "Invalid buffer size: 24.00 GB",
        "CUDA error: out of memory",
        "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 8.00 GiB total capacity)",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9",
        "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried to allocate 9",
        "std::bad_alloc",
    ],
)
@pytest.mark.parametrize("scope", ["local", "global"])
def test_refusals_of_every_kind_of_device_halve_the_chunk(words, scope):
    network = tiny_network()

    class Refusing(LittleRoom):
        def _allocate(self, n, room):
            if n > room:
                self.refused += 1
                raise RuntimeError(words)

    refusing = Refusing(network, objects=2)
    found = run_all(refusing, scope, n_objects=5)
    assert refusing.refused and is_out_of_memory(RuntimeError(words))
    assert found.labels.shape == (7, 160, 192)


def test_global_scope_encodes_a_frame_in_tiles_where_it_must():
    network = tiny_network()
    frames, labels = disc_movie(3, 3, (320, 384), diameter=30)
    options = {"scope": "global", "memory": MEMORY, "diameter_px": 16}
    expected = nx.propagate(frames, {0: labels[0]}, model=InferenceXMem(network), **options)
    little = LittleRoom(network, pixels=240 * 240)
    found = nx.propagate(frames, {0: labels[0]}, model=little, **options)
    assert little.refused
    assert (found.labels == expected.labels).mean() > 0.999


def test_out_of_memory_while_storing_stores_nothing_twice(monkeypatch):
    """The third bank of a chunk has no room at first: the first two are not filled again."""
    network = InferenceXMem(tiny_network())
    add, adds = MemoryBank.add_packed, []

    def little_room(bank, frame, *args, **options):
        if len(adds) == 2:
            adds.append(None)
            raise torch.OutOfMemoryError("no room")
        adds.append(frame)
        add(bank, frame, *args, **options)

    expected = run_all(network, "local", 6)
    monkeypatch.setattr(MemoryBank, "add_packed", little_room)
    found = run_all(network, "local", 6)
    assert adds[:9] == [0, 0, None, 0, 0, 0, 0, *adds[7:9]] and adds.count(0) == 6
    for a, b in zip(found.memory, expected.memory, strict=True):
        assert a.stores == b.stores
    same_up_to_rounding(found, expected)


@pytest.mark.parametrize("scope", ["local", "global"])
def test_memory_kept_in_host_memory_answers_the_same(scope):
    network = InferenceXMem(tiny_network())
    expected, found = (run_all(network, scope, 3, memory_device=where) for where in ("device", "host"))
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.recipe["memory_device"] == "host" and expected.recipe["memory_device"] == "device"
    with pytest.raises(nx.errors.ConfigError, match="memory_device"):
        run_all(network, scope, 3, memory_device="disk")


def test_memory_that_outgrows_a_device_goes_to_the_host():
    class OnGpu:
        config, device = tiny_network().config, torch.device("cuda")

    need = network_bytes(InferenceXMem(tiny_network()))
    plans = {where: Budget.plan(OnGpu(), need, 10**4, 10**7, 0, 10**7, where) for where in ("auto", "device", "host")}
    assert plans["auto"].bank_device == plans["host"].bank_device == torch.device("cpu")
    assert plans["device"].bank_device is None and 5 * 10**6 <= plans["device"].banks < 10**7
    assert plans["auto"].banks > plans["device"].banks  # as much as the host has
    assert plans["auto"].work.pixels > plans["device"].work.pixels  # and all of the device for the network
    assert Budget.plan(OnGpu(), need, 10**4, 10**6, 0, 10**7, "auto").bank_device is None


def test_a_device_that_lacks_an_operation_gives_way_to_the_cpu():
    from napari_xmem.engine.prepare import on_working_device

    class OnMps(InferenceXMem):
        missing = True

        @property
        def device(self):
            return torch.device("mps" if self.missing else "cpu")

        def to(self, device):
            self.missing = False
            return super().to(device)

    network = OnMps(tiny_network(7))
    with pytest.warns(UserWarning, match=r"does not run on MPS here .* the CPU is used instead"):
        fallen = on_working_device(network)
    assert fallen.device.type == "cpu" and network.device.type == "mps"
    assert on_working_device(fallen) is fallen
