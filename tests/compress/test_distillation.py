from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from attar.compress.distillation import distill, distillation_loss
from attar.compress.features import Guides
from attar.errors import CompressionError, RunError
from attar.training.loop import train


def logits(n=7, k=4, seed=0):
    return 3 * torch.randn(n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(student, teacher, labelled, labels, temperature, alpha):
    def softmax(z):
        powers = np.exp(z - z.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    s, t, m = (z.detach().numpy() for z in (student, teacher, labelled))
    p, q = softmax(t / temperature), softmax(s / temperature)
    divergence = np.mean([sum(pk * np.log(pk / qk) for pk, qk in zip(pi, qi)) for pi, qi in zip(p, q)])
    loss = alpha * temperature**2 * divergence
    if len(labels):
        own = softmax(m)
        loss += (1 - alpha) * np.mean([-np.log(own[i, c]) for i, c in enumerate(labels.tolist())])
    return loss


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 8.0])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("m", [0, 3])
def test_loss_and_gradient_equal_the_formula(temperature, alpha, m) -> None:
    student, teacher, labelled = logits(seed=0), logits(seed=1), logits(m, seed=2)
    labels = torch.arange(m) % 4
    student.requires_grad_()
    loss = distillation_loss(student, teacher, labelled, labels, temperature, alpha)
    expected = by_hand(student, teacher, labelled, labels, temperature, alpha)
    assert loss.item() == pytest.approx(expected, rel=1e-12, abs=1e-15)
    loss.backward()
    # ∂L/∂z_s = α T (softmax(z_s / T) − softmax(z_t / T)) / n, Hinton et al., eq. 2.
    difference = torch.softmax(student / temperature, 1) - torch.softmax(teacher / temperature, 1)
    torch.testing.assert_close(student.grad, (alpha * temperature * difference / 7).detach())


def test_gradcheck() -> None:
    labels = torch.tensor([0, 3, 1])
    inputs = (logits(seed=0).requires_grad_(), logits(3, seed=2).requires_grad_())
    assert torch.autograd.gradcheck(lambda s, m: distillation_loss(s, logits(seed=1), m, labels, 3.0, 0.6), inputs)


def test_at_high_temperature_it_is_the_squared_difference_of_logits() -> None:
    student, teacher = logits(seed=0), logits(seed=1)
    loss = distillation_loss(student, teacher, logits(0), torch.empty(0, dtype=torch.long), 1e4, 1.0)
    centred = (student - student.mean(1, keepdim=True)) - (teacher - teacher.mean(1, keepdim=True))
    assert loss.item() == pytest.approx(centred.square().sum(1).mean().item() / (2 * 4), rel=1e-3)


def test_at_low_temperature_it_asks_for_the_teachers_class() -> None:
    student, teacher = logits(seed=0), logits(seed=1)
    t = 1e-3
    loss = distillation_loss(student, teacher, logits(0), torch.empty(0, dtype=torch.long), t, 1.0) / t
    best = teacher.argmax(1)
    short = (student.max(1).values - student[torch.arange(7), best]).mean()
    assert loss.item() == pytest.approx(short.item(), rel=1e-2)


def test_a_student_that_agrees_has_nothing_to_learn_and_shifts_do_not_matter() -> None:
    z = logits()
    nothing = torch.empty(0, dtype=torch.long)
    assert distillation_loss(z + 5, z, logits(0), nothing, 2.0, 0.9).item() == pytest.approx(0, abs=1e-14)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    return (rng.standard_normal((60, 4)) + 3 * np.eye(3, 4)[y]).astype(np.float32), y


def told(y):
    return torch.tensor(np.log(np.maximum(np.eye(3)[y], 1e-6)), dtype=torch.float32)


def jittered(x, generator):
    return x + 0.1 * torch.randn(x.shape, generator=generator)


def student_of(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(4, 3)


def test_a_student_learns_from_the_teacher_where_there_are_few_labels(rows) -> None:
    x, y = rows
    student = student_of()
    labels = np.where(np.arange(60) < 3, y, -1)
    distill(student, told(y), x, labels, epochs=20, batch_size=20, lr=5e-2)
    with torch.no_grad():
        assert (student(torch.tensor(x)).argmax(1).numpy() == y).mean() > 0.9


@pytest.mark.parametrize("labels", ["none", "one"])
def test_no_label_or_one(rows, labels) -> None:
    x, y = rows
    known = np.where(np.arange(60) < (labels == "one"), y, -1)
    history = distill(student_of(), told(y), x, known, epochs=1)
    assert np.isfinite(history.losses).all()


@pytest.mark.parametrize("n", [1, 60])
def test_one_number_a_sample_is_learnt_too(n) -> None:
    torch.manual_seed(0)
    x, teacher, student = torch.randn(n, 4), nn.Linear(4, 1), nn.Linear(4, 1)
    distill(student, teacher, x, epochs=60, batch_size=10, lr=5e-2)
    with torch.no_grad():
        torch.testing.assert_close(student(x), teacher(x), rtol=0, atol=0.1)


class Killed(Exception):
    pass


def test_a_killed_distillation_goes_on_to_the_same_weights(rows, tmp_path, monkeypatch) -> None:
    x, y = rows
    settings = {"epochs": 4, "batch_size": 20, "seed": 3}
    whole = student_of()
    distill(whole, told(y), x, y, view=jittered, **settings)

    def always(*args, **kwargs):
        return train(*args, **kwargs, interval=0.0)

    monkeypatch.setattr("attar.compress.distillation.train", always)
    steps = 0

    def fail(*_):
        nonlocal steps
        steps += 1
        if steps == 6:
            raise Killed

    half = student_of()
    handle = half.register_forward_pre_hook(fail)
    with pytest.raises(Killed):
        distill(half, told(y), x, y, view=jittered, **settings, checkpoint=tmp_path / "c")
    handle.remove()
    resumed = student_of(9)
    distill(resumed, told(y), x, y, view=jittered, **settings, checkpoint=tmp_path / "c")
    for a, b in zip(whole.parameters(), resumed.parameters()):
        assert torch.equal(a, b)


@pytest.mark.parametrize("other", ["teacher", "x", "alpha"])
def test_a_checkpoint_of_another_lesson_is_refused(other, rows, tmp_path) -> None:
    x, y = rows
    given = {"teacher": told(y), "x": x, "alpha": 0.9}
    changed = {"teacher": -told(y), "x": x + 1, "alpha": 0.5}
    distill(student_of(), **given, epochs=1, checkpoint=tmp_path / "c")
    distill(student_of(), **given, epochs=1, checkpoint=str(tmp_path / "c"))
    with pytest.raises(RunError, match="other settings or samples"):
        distill(student_of(), **{**given, other: changed[other]}, epochs=1, checkpoint=tmp_path / "c")


def thin_and_wide():
    torch.manual_seed(0)
    wide = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.Flatten(), nn.Linear(96, 3))
    thin = nn.Sequential(
        nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1), nn.Flatten(), nn.Linear(54, 3)
    )
    return thin, wide.eval(), torch.randn(40, 1, 8, 8)


def test_the_loss_of_features_is_the_formula() -> None:
    thin, wide, x = thin_and_wide()
    guides = Guides(thin, wide, {"1": "1", "2": "2"}, x[:2])
    assert isinstance(guides.maps[1], nn.Identity)
    with guides.watched() as seen, torch.no_grad():
        thin(x)
        wide(x)
        loss = guides(seen)
    total = 0.0
    with torch.no_grad():
        for i, (own, other) in enumerate(((thin[:2], wide[:2]), (thin[:3], wide[:3]))):
            f_s, f_t = own(x).double(), nn.functional.adaptive_avg_pool2d(other(x), 3).double()
            if i == 0:
                weight, bias = guides.maps[0].weight.double(), guides.maps[0].bias.double()
                f_s = torch.einsum("oc,nchw->nohw", weight, f_s) + bias[:, None, None]
            total += (f_s - f_t).square().mean() / (f_t - f_t.mean(0)).square().mean()
    assert loss.item() == pytest.approx(total.item() / 2, rel=1e-5)


def test_features_without_spread_are_in_units_of_their_own() -> None:
    thin, wide, x = thin_and_wide()
    guides = Guides(thin, wide, {"2": "2"}, x[:2])
    with guides.watched() as seen, torch.no_grad():
        thin(x[:1])
        wide(x[:1])
        f_s, f_t = thin[:3](x[:1]), nn.functional.adaptive_avg_pool2d(wide[:3](x[:1]), 3)
        torch.testing.assert_close(guides(seen), (f_s - f_t).square().mean())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"beta": "1"}, "beta='1': it must be a finite number"),
        ({"beta": float("nan")}, "beta=nan: it must be a finite number"),
        ({"features": ["1"]}, r"features=\['1'\]: give a dict"),
    ],
)
def test_features_and_their_weight_are_told_where_they_are_none(given, message) -> None:
    thin, wide, x = thin_and_wide()
    with pytest.raises(CompressionError, match=message):
        distill(thin, wide, x, epochs=1, **{"features": {"1": "1"}, **given})


def test_features_lead_a_student_and_leave_no_trace() -> None:
    thin, wide, x = thin_and_wide()
    names, before = set(thin.state_dict()), [value.clone() for value in wide.state_dict().values()]
    how = {"epochs": 30, "batch_size": 20, "lr": 1e-2}
    first = distill(thin, wide, x, **how, features={"1": "1"})
    assert set(thin.state_dict()) == names
    assert not any(layer._forward_hooks for net in (thin, wide) for layer in net.modules())
    assert all(torch.equal(a, b) for a, b in zip(before, wide.state_dict().values()))
    again, _, _ = thin_and_wide()
    assert distill(again, wide, x, **how, features={"1": "1"}).losses == first.losses


@pytest.mark.parametrize("pairs", [{"nowhere": "1"}, {"1": "nowhere"}, {"1": "4"}, {"": "1"}])
def test_features_that_do_not_go_together(pairs) -> None:
    thin, wide, x = thin_and_wide()
    with pytest.raises(CompressionError):
        distill(thin, wide, x, epochs=1, features=pairs)
    with pytest.raises(CompressionError, match="itself"):
        distill(thin, wide(x).detach(), x, epochs=1, features={"1": "1"})


def test_layers_that_give_no_tensor_are_refused() -> None:
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.cells, self.head, self.unused = nn.GRU(4, 4, batch_first=True), nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.cells(x)[0][:, -1])

    for pairs in ({"cells": "cells"}, {"unused": "head"}, {"head": "unused"}):
        with pytest.raises(CompressionError, match="gives no tensor"):
            distill(Recurrent(), Recurrent(), torch.randn(8, 5, 4), epochs=1, features=pairs)


@pytest.mark.parametrize("features", [None, {"0": "0"}])
@pytest.mark.parametrize("change", [lambda z: (z, z), lambda z: z.reshape(-1, 1)], ids=["a tuple", "other rows"])
def test_a_student_that_does_not_give_a_row_for_each_sample_is_refused(change, features) -> None:
    class Student(nn.Sequential):
        def forward(self, x):
            return change(super().forward(x))

    with pytest.raises(CompressionError, match="does not give one tensor with a row for each sample"):
        distill(
            Student(nn.Linear(4, 2)), nn.Sequential(nn.Linear(4, 1)), torch.randn(8, 4), epochs=1, features=features
        )


@pytest.mark.parametrize("features", [None, {"0": "0"}])
def test_a_teacher_in_a_mixed_mode_is_left_as_it_is(features) -> None:
    teacher = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()).train()
    teacher[1].eval()
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    distill(nn.Sequential(nn.Linear(4, 4)), teacher, torch.randn(8, 4), epochs=1, features=features)
    assert [layer.training for layer in teacher] == [True, False, True]
    teacher.train()
    distill(nn.Sequential(nn.Linear(4, 4)), teacher, torch.randn(8, 4), epochs=1, features=features)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


@pytest.mark.parametrize("wrong", [{"temperature": "2"}, {"temperature": 0}, {"alpha": "1"}, {"alpha": 1.5}])
def test_a_temperature_and_a_share_that_are_none_are_refused(wrong) -> None:
    thin, wide, x = thin_and_wide()
    with pytest.raises(CompressionError, match="give one above 0, and one from 0 to 1"):
        distill(thin, wide, x, epochs=1, **wrong)
