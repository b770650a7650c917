from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_xmem.memory import affinity
from napari_xmem.memory.affinity import (
    SparseAffinity,
    augment_memory,
    augment_query,
    read_dense,
    readout,
    similarity,
    topk_affinity,
)


def formula(key, shrinkage, query, selection):
    """Similarity (q, m) by the definition, in float64."""
    difference = query.T[:, None, :] - key.T[None, :, :]
    weight = np.ones_like(query) if selection is None else selection
    return -shrinkage[None, :] * (weight.T[:, None, :] * difference**2).sum(-1) / np.sqrt(key.shape[0])


def random_case(seed, channels=6, m=9, q=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(channels, m)), 1 + rng.random(m), rng.normal(size=(channels, q)), rng.random((channels, q))


def test_similarity_on_paper():
    # one channel: S = -s e (k - q)^2
    rows = augment_memory(torch.tensor([[0.0, 2.0]]), torch.tensor([1.0, 3.0]))
    query = augment_query(torch.tensor([[1.0]]), torch.tensor([[0.5]]))
    assert similarity(rows, query).tolist() == [[-0.5, -1.5]]


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 20), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_similarity_is_the_formula(seed, channels, m, q):
    key, shrinkage, query, selection = random_case(seed, channels, m, q)
    got = similarity(
        augment_memory(torch.tensor(key), torch.tensor(shrinkage)),
        augment_query(torch.tensor(query), torch.tensor(selection)),
    )
    np.testing.assert_allclose(got.numpy(), formula(key, shrinkage, query, selection), atol=2e-5, rtol=2e-5)


def test_without_selection_the_query_term_is_left_out():
    key, shrinkage, query, _ = random_case(1)
    got = similarity(augment_memory(torch.tensor(key), torch.tensor(shrinkage)), augment_query(torch.tensor(query)))
    expected = shrinkage * (2 * query.T @ key - (key**2).sum(0)) / np.sqrt(6)
    np.testing.assert_allclose(got.numpy(), expected, atol=2e-5)


def test_shrinkage_is_optional():
    key, _, query, selection = random_case(2)
    got = similarity(augment_memory(torch.tensor(key)), augment_query(torch.tensor(query), torch.tensor(selection)))
    np.testing.assert_allclose(got.numpy(), formula(key, np.ones(9), query, selection), atol=2e-5)


def test_half_precision_input_is_computed_in_single():
    key, shrinkage, query, selection = (torch.tensor(a).half() for a in random_case(3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = similarity(augment_memory(key, shrinkage), augment_query(query, selection))
    expected = formula(*(a.double().numpy() for a in (key, shrinkage, query, selection)))
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("m", [40, affinity.BLOCKS_MIN_ELEMENTS, affinity.BLOCKS_MIN_ELEMENTS + 999])
@pytest.mark.parametrize("top_k", [1, 7, 30])
def test_topk_keeps_the_largest(m, top_k):
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(5, m)).astype(np.float32)) * 3
    got = topk_affinity(scores, top_k)
    dense = torch.zeros_like(scores).scatter_(1, got.index, got.weight)
    table = scores.double().numpy()
    kept = table >= np.sort(table, axis=1)[:, -top_k][:, None]
    expected = np.exp(table) * kept
    np.testing.assert_allclose(dense.numpy(), expected / expected.sum(1, keepdims=True), atol=1e-6)


def test_topk_is_clamped_to_memory():
    scores = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    clamped = topk_affinity(scores, 30)
    assert clamped.weight.shape == (3, 4)
    assert torch.equal(clamped.weight, torch.softmax(scores, dim=-1))
    assert torch.equal(clamped.weight, topk_affinity(scores, None).weight)


@pytest.mark.parametrize("top_k", [2, None])
def test_queries_far_from_everything_give_no_nan(top_k):
    rows = augment_memory(torch.tensor([[1e3, 2e3, 3e3]]), torch.ones(3))
    got = topk_affinity(similarity(rows, augment_query(torch.tensor([[0.0]]), torch.ones(1, 1))), top_k)
    assert got.weight.sum().item() == pytest.approx(1.0)
    best = got.index[0, got.weight[0].argmax()]
    assert best.item() == 0


def test_equal_elements_answer_the_same_in_every_run():
    scores = torch.zeros(2, 50)
    first, second = topk_affinity(scores, 5), topk_affinity(scores.clone(), 5)
    assert torch.equal(first.index, second.index)
    assert first.weight.tolist() == [[pytest.approx(0.2)] * 5] * 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
@pytest.mark.parametrize("top_k", [3, None])
def test_readout_is_the_weighted_sum(dtype, top_k):
    generator = torch.Generator().manual_seed(0)
    scores, values = torch.randn(4, 9, generator=generator), torch.randn(9, 5, generator=generator).to(dtype)
    got = topk_affinity(scores, top_k)
    dense = torch.zeros(4, 9).scatter_(1, got.index, got.weight)
    answer = readout(got, values)
    assert answer.dtype == dtype
    torch.testing.assert_close(
        answer.double(), dense.double() @ values.double(), atol=2e-3 if dtype == torch.float16 else 1e-6, rtol=0
    )


def test_mass_and_spread_sum_over_queries():
    sparse = SparseAffinity(torch.tensor([[0, 2], [2, 3]]), torch.tensor([[0.75, 0.25], [0.5, 0.5]]))
    assert sparse.mass(4).tolist() == [0.75, 0.0, 0.75, 0.5]
    assert sparse.spread(sparse.weight * torch.tensor([[1.0], [0.5]]), 4).tolist() == [0.75, 0.0, 0.5, 0.25]


def test_dense_read_equals_the_gather_and_has_gradients():
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "key": (2, 6, 20),
        "shrinkage": (2, 1, 20),
        "query": (2, 6, 5),
        "selection": (2, 6, 5),
        "value": (2, 3, 20),
    }
    x = {name: torch.rand(shape, generator=generator).requires_grad_() for name, shape in shapes.items()}
    answer = read_dense(x["key"], x["shrinkage"], x["query"], x["selection"], x["value"], top_k=4)
    assert answer.shape == (2, 3, 5)
    with torch.no_grad():
        for b in range(2):
            rows = augment_memory(x["key"][b], x["shrinkage"][b])
            sparse = topk_affinity(similarity(rows, augment_query(x["query"][b], x["selection"][b])), 4)
            torch.testing.assert_close(answer[b], readout(sparse, x["value"][b].T.contiguous()).T)
    answer.square().sum().backward()
    assert all(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in x.values())


def test_dense_read_gradients_are_right():
    generator = torch.Generator().manual_seed(1)
    key, value = (torch.rand(1, c, 6, generator=generator, dtype=torch.float32).requires_grad_() for c in (3, 2))
    query = torch.rand(1, 3, 4, generator=generator).requires_grad_()

    def loss(k, q, v):
        return read_dense(k, None, q, None, v, top_k=3).sum()

    loss(key, query, value).backward()
    step = 1e-2
    for tensor, place in ((key, (0, 1, 2)), (query, (0, 2, 1)), (value, (0, 1, 3))):
        shifted = []
        for sign in (1, -1):
            moved = tensor.detach().clone()
            moved[place] += sign * step
            inputs = [moved if other is tensor else other.detach() for other in (key, query, value)]
            shifted.append(loss(*inputs).item())
        assert tensor.grad[place].item() == pytest.approx((shifted[0] - shifted[1]) / (2 * step), abs=3e-3)


def test_dense_read_leaves_out_invalid_elements():
    key, value = torch.tensor([[[0.0, 0.1, 5.0]]]), torch.tensor([[[1.0, 2.0, 3.0]]])
    valid = torch.tensor([[False, False, True]])
    assert read_dense(key, None, torch.zeros(1, 1, 1), torch.ones(1, 1, 1), value, top_k=2, valid=valid).item() == 3.0


def test_layers_golden(shared_dir):
    golden = np.load(shared_dir / "goldens" / "layers.npz")
    flat = {name: torch.tensor(golden[name]).flatten(-2) for name in ("key0", "shrinkage0", "key2", "selection2")}
    scores = similarity(
        augment_memory(flat["key0"], flat["shrinkage0"]), augment_query(flat["key2"], flat["selection2"])
    )
    np.testing.assert_allclose(scores.numpy().T, golden["similarity"], atol=1e-4 * golden["similarity"].std())
    sparse = topk_affinity(scores, 5)
    dense = torch.zeros_like(scores).scatter_(1, sparse.index, sparse.weight)
    np.testing.assert_allclose(dense.numpy().T, golden["affinity_top5"], atol=1e-4)
    np.testing.assert_allclose(torch.softmax(scores, dim=-1).numpy().T, golden["affinity"], atol=1e-4)
    values = torch.tensor(golden["value0_ch0_63"]).flatten(-2)
    answer = torch.stack([readout(topk_affinity(scores, None), value.T).T for value in values])
    expected = golden["readout_ch0_63"].reshape(answer.shape)
    np.testing.assert_allclose(answer.numpy(), expected, atol=1e-4 * expected.std())
