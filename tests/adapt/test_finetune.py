from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from attar import kinds
from attar.adapt.finetune import fine_tune, train_from_scratch
from attar.deploy.folding import fold_batch_norm
from attar.errors import DataError, LabelError


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    y = np.arange(24) % 3
    return (rng.standard_normal((24, 5)) + 3 * np.eye(3, 5)[y]).astype(np.float32), y


def parts(kind):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind.encoder(8, 8).eval(), nn.Linear(8, 3)


def test_fine_tuning_learns_and_leaves_its_arguments_alone(rows) -> None:
    x, y = rows
    kind = kinds.of("table").learn(x)
    encoder, head = parts(kind)
    before = copy.deepcopy((encoder.state_dict(), head.state_dict()))
    tuned = fine_tune(encoder, head, kind, x, y, steps=60, lr=1e-2)
    assert not tuned.training
    with torch.no_grad():
        assert (tuned(kind.preprocess()(torch.tensor(x))).argmax(1).numpy() == y).mean() > 0.9
    for was, module in zip(before, (encoder, head)):
        for name, value in module.state_dict().items():
            torch.testing.assert_close(value, was[name], rtol=0, atol=0)


def test_it_starts_from_the_folded_encoder_and_the_head(rows) -> None:
    x, y = rows
    kind = kinds.of("table").learn(x)
    encoder, head = parts(kind)
    tuned = fine_tune(encoder, head, kind, x, y, steps=1, lr=0.0)
    z = kind.preprocess()(torch.tensor(x))
    with torch.no_grad():
        torch.testing.assert_close(tuned(z), head(fold_batch_norm(encoder, z)(z)))
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in tuned.modules())


@pytest.mark.parametrize("shape", [(8, 8), (2, 24), (5,)])
def test_from_scratch_repeats_and_keeps_global_state(shape) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, *shape)).astype(np.float32), np.arange(6) % 2
    kind = kinds.of({2: "image" if shape[0] == 8 else "series", 1: "table"}[len(shape)]).learn(x)
    state = torch.get_rng_state()
    one, same, other = (train_from_scratch(kind, 2, x, y, dim=8, width=8, steps=2, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    z = kind.preprocess()(torch.tensor(x))
    with torch.no_grad():
        assert torch.equal(one(z), same(z))
        assert not torch.equal(one(z), other(z))
        assert one(z).shape == (6, 2)


def test_two_labels_suffice(rows) -> None:
    x, y = rows
    kind = kinds.of("table").learn(x)
    scratch = train_from_scratch(kind, 3, x[:2], y[:2], dim=8, width=8, steps=2)
    tuned = fine_tune(*parts(kind), kind, x[:1], y[:1], steps=2)
    with torch.no_grad():
        for module in (scratch, tuned):
            assert torch.isfinite(module(kind.preprocess()(torch.tensor(x)))).all()


@pytest.mark.parametrize(("shape", "strength"), [((4, 4), 1.0), ((5,), 0.5)])
def test_views_are_as_strong_as_suits_the_kind(shape, strength) -> None:
    x = np.random.default_rng(0).standard_normal((12, *shape)).astype(np.float32)
    kind = kinds.of("image" if len(shape) == 2 else "table").learn(x)

    def weights(**options):
        module = train_from_scratch(kind, 2, x, np.arange(12) % 2, dim=8, width=8, steps=2, **options)
        return torch.nn.utils.parameters_to_vector(module.parameters())

    assert torch.equal(weights(), weights(strength=strength))
    assert not torch.equal(weights(), weights(strength=strength / 2))


@pytest.mark.parametrize(
    "held",
    [
        lambda x, y: (x.astype(np.float64)[::-1], y.astype(np.int32)[::-1]),
        lambda x, y: (x[::-1].tolist(), y[::-1].astype(float)),
        lambda x, y: (torch.tensor(x[::-1].copy(), requires_grad=True), torch.tensor(y[::-1].copy())),
    ],
    ids=["doubles", "lists", "tensors"],
)
def test_samples_and_codes_may_be_held_in_any_way(rows, held) -> None:
    x, y = rows
    kind = kinds.of("table").learn(x)

    def weights(x, y):
        made = (
            train_from_scratch(kind, 3, x, y, dim=4, width=4, steps=2),
            fine_tune(*parts(kind), kind, x, y, steps=2),
        )
        return [torch.nn.utils.parameters_to_vector(one.parameters()) for one in made]

    for one, same in zip(weights(*held(x, y)), weights(x[::-1].copy(), y[::-1].copy())):
        assert torch.equal(one, same)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda x, y: (x, y - 1), LabelError, "labelled samples alone"),
        (lambda x, y: (x, y + 0.5), LabelError, "whole numbers from 0"),
        (lambda x, y: (x, y.astype(str)), LabelError, "whole numbers from 0"),
        (lambda x, y: (x, np.where(y > 0, np.inf, 0)), LabelError, "whole numbers from 0"),
        (lambda x, y: (x, np.where(y > 0, 1e19, 0)), LabelError, "whole numbers from 0"),
        (lambda x, y: (x, y + 4), LabelError, "y has a class 6, and the network tells 3 apart"),
        (lambda x, y: (x[:9], y), LabelError, "9 samples but labels of shape"),
        (lambda x, y: (x, y[:, None]), LabelError, "give one for each"),
        (lambda x, y: (x[:0], y[:0]), DataError, "no samples"),
        (lambda x, y: ([["a"], ["b"]], y[:2]), DataError, "not one array of numbers"),
        (lambda x, y: ([[1], [10**400]], y[:2]), DataError, "one of float32"),
        (lambda x, y: (x * 1e60, y), DataError, "too large for float32"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(rows, change, error, said) -> None:
    x, y = rows
    kind = kinds.of("table").learn(x)
    given = change(x.astype(np.float64), y)
    with pytest.raises(error, match=said):
        train_from_scratch(kind, 3, *given, dim=4, width=4, steps=1)
    with pytest.raises(error, match=said):
        fine_tune(*parts(kind), kind, *given, steps=1)


@pytest.mark.parametrize(("name", "value"), [("steps", -1), ("dim", 0), ("width", 2.0), ("n_classes", True)])
def test_sizes_are_whole_numbers(rows, name, value) -> None:
    x, y = rows
    with pytest.raises(DataError, match=name):
        train_from_scratch(kinds.of("table").learn(x), **{"n_classes": 3, "x": x, "y": y, name: value})
