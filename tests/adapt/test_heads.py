from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from attar.adapt.heads import MeanOfHeads, NeighbourHead
from attar.data.dataset import Column
from attar.deploy.check import check
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export


def neighbour_head(n=20, d=5, k=3, n_neighbors=6, seed=0):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((d, d)))[0][:, :k].astype(np.float32)
    points = rng.standard_normal((n, k)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    distributions = rng.dirichlet(np.ones(4), n)
    mean = rng.standard_normal(d).astype(np.float32)
    return NeighbourHead(mean, axes, points, distributions, 0.3, n_neighbors, 1e-4).eval()


def naive(head, z):
    """The formula of the docstring, sample by sample."""
    mean, axes, points = (t.double().numpy() for t in (head.mean, head.axes, head.points.T))
    answers = []
    for sample in z.astype(np.float64):
        place = (sample - mean) @ axes
        cosine = points @ place / np.linalg.norm(place)
        near = np.argsort(-cosine)[: head.n_neighbors]
        c = cosine[near]
        weights = np.exp((c - c[0]) / head.scale) * (c - c[-1] + head.nearer)
        answers.append(weights @ head.distributions.double().numpy()[near] / weights.sum())
    return np.stack(answers)


@pytest.mark.parametrize("n_neighbors", [1, 6, 20, 50])
def test_neighbour_head_equals_the_formula(n_neighbors) -> None:
    head = neighbour_head(n_neighbors=n_neighbors)
    z = np.random.default_rng(1).standard_normal((30, 5)).astype(np.float32)
    with torch.no_grad():
        p = head(torch.tensor(z)).exp().numpy()
    np.testing.assert_allclose(p, naive(head, z), atol=1e-5)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)


def test_a_sample_in_the_middle_has_no_direction_and_still_an_answer() -> None:
    head = neighbour_head()
    with torch.no_grad():
        logits = head(head.mean[None])
    assert torch.isfinite(logits).all()
    assert float(logits.exp().sum()) == pytest.approx(1, abs=1e-5)


def test_answers_do_not_jump_where_the_last_neighbour_changes() -> None:
    head = neighbour_head(k=2)
    angle = torch.linspace(0, 2 * torch.pi, 20_001)
    z = head.mean + torch.stack([angle.cos(), angle.sin()], dim=1) @ head.axes.T
    with torch.no_grad():
        p = head(z).exp()
    assert float((p[1:] - p[:-1]).abs().max()) < 0.01


def test_mean_of_heads() -> None:
    torch.manual_seed(0)
    heads = [nn.Linear(5, 4), nn.Linear(5, 4), neighbour_head()]
    z = torch.randn(7, 5)
    with torch.no_grad():
        both = torch.softmax(MeanOfHeads(heads)(z), dim=1)
        mean = sum(torch.softmax(head(z), dim=1) for head in heads) / 3
    torch.testing.assert_close(both, mean)


def test_export(tmp_path) -> None:
    whole = nn.Sequential(MeanOfHeads([neighbour_head(), nn.Linear(5, 4)]), nn.Softmax(dim=1)).eval()
    x = np.random.default_rng(0).standard_normal((9, 5)).astype(np.float32)
    columns = tuple(Column(f"x{i}") for i in range(5))
    export(whole, torch.tensor(x), tmp_path / "m.onnx", ModelMeta("table", (5,), ("a", "b", "c", "d"), columns))
    with torch.no_grad():
        assert check(tmp_path / "m.onnx", x, whole(torch.tensor(x)).numpy(), 1e-5) < 1e-5
