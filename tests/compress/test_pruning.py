from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from attar.compress.parametrizations import Coded, Masked, frozen, store
from attar.compress.places import places
from attar.compress.pruning import prune
from attar.errors import CompressionError
from attar.training.loop import train
from tests.compress.zoo import SHAPES, zoo


def weights(net):
    return {place.name: place.value.detach() for place in places(net) if place.value.ndim > 1}


@pytest.mark.parametrize("name", SHAPES)
def test_the_smallest_of_the_whole_network_go(name) -> None:
    net, x = zoo(name)
    before, answer = weights(net), net(x)
    after = weights(prune(net, 0.7))
    flat = torch.cat([w.flatten().abs() for w in before.values()])
    kept = torch.cat([w.flatten() != 0 for w in after.values()])
    assert int((~kept).sum()) == round(0.7 * len(flat))
    assert flat[kept].min() >= flat[~kept].max()
    assert all(torch.equal(after[key][after[key] != 0], before[key][after[key] != 0]) for key in before)
    assert torch.equal(net(x), answer)


def test_within_each_layer_a_threshold_and_a_pattern() -> None:
    net, _ = zoo("mnist")
    for key, w in weights(prune(net, 0.6, scope="layer")).items():
        assert int((w == 0).sum()) == round(0.6 * w.numel()), key
    for key, w in weights(prune(net, threshold=0.1)).items():
        assert torch.equal(w != 0, weights(net)[key].abs() >= 0.1)
    for key, w in weights(prune(net, structure=(2, 4))).items():
        rows, old = w.flatten(1), weights(net)[key].flatten(1).abs()
        for i in range(len(rows)):
            for j in range(0, rows.shape[1] // 4 * 4, 4):
                here = rows[i, j : j + 4] != 0
                assert int(here.sum()) == 2
                assert old[i, j : j + 4][here].min() >= old[i, j : j + 4][~here].max()
            assert bool((rows[i, rows.shape[1] // 4 * 4 :] != 0).all())


def test_equal_weights_do_not_change_how_many_go() -> None:
    net = nn.Linear(10, 10, bias=False)
    nn.init.ones_(net.weight)
    assert int((prune(net, 0.33).weight == 0).sum()) == 33


def test_a_shared_weight_has_one_mask() -> None:
    net, _ = zoo("tied")
    pruned = prune(net, 0.5)
    assert torch.equal(pruned.b.weight, pruned.c.weight)
    assert len([m for m in pruned.modules() if isinstance(m, Masked)]) > 0


def test_taylor_keeps_what_the_loss_reads() -> None:
    """Large weights from an input that is always 0 go before small ones from others."""
    torch.manual_seed(0)
    net, x = nn.Linear(4, 3, bias=False), torch.randn(50, 4)
    x[:, 1] = 0
    net.weight.data[:, 1] = 100
    assert not prune(net, 0.25, x=x, criterion="taylor").weight[:, 1].any()
    assert prune(net, 0.25).weight[:, 1].all()


def test_by_taylor_a_head_that_is_for_training_alone_goes_first() -> None:
    class Auxiliary(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last, self.other = nn.Linear(6, 8), nn.Linear(8, 3), nn.Linear(8, 9)

        def forward(self, x):
            hidden = self.first(x).relu()
            return (self.last(hidden), self.other(hidden)) if self.training else self.last(hidden)

    torch.manual_seed(0)
    net, x = Auxiliary().eval(), torch.randn(50, 6)
    pruned = prune(net, 0.5, x=x, criterion="taylor")
    assert int((pruned.other.weight == 0).sum()) == 72
    torch.testing.assert_close(pruned(x), net(x))


@pytest.mark.parametrize("gradual", [False, True])
def test_masks_hold_in_training(gradual) -> None:
    net, x = zoo("mnist", 300)
    pruned = prune(net, 0.8, x=x, epochs=3, gradual=gradual)
    total = sum(w.numel() for w in weights(pruned).values())
    assert sum(int((w == 0).sum()) for w in weights(pruned).values()) == round(0.8 * total)
    assert not any(torch.equal(w, weights(net)[key]) for key, w in weights(pruned).items())
    again = prune(net, 0.8, x=x, epochs=3, gradual=gradual)
    assert all(torch.equal(w, weights(again)[key]) for key, w in weights(pruned).items())
    assert torch.equal(frozen(pruned)(x), pruned(x))


def test_gradual_zeros_grow_as_the_cubic_says(monkeypatch) -> None:
    from attar.compress import masks

    shares = []
    thin = masks.Thinning.thin

    def watched(self, part=1.0):
        thin(self, part)
        kept = [mask.mask for mask in self.masks.values()]
        shares.append((int(self.step), float(1 - sum(m.sum() for m in kept) / sum(m.numel() for m in kept))))

    monkeypatch.setattr(masks.Thinning, "thin", watched)
    net, x = zoo("mnist", 256)
    prune(net, 0.9, x=x, epochs=10, gradual=True)
    assert [step for step, _ in shares] == list(range(16))
    for step, share in shares:
        assert share == pytest.approx(0.9 * (1 - (1 - step / 15) ** 3), abs=1e-3)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_gradual_zeros_are_all_there_after_few_steps(epochs) -> None:
    net, x = nn.Linear(10, 20), torch.randn(50, 10)
    assert int((prune(net, 0.8, x=x, epochs=epochs, gradual=True).weight == 0).sum()) == 160


class Killed(Exception):
    pass


def test_a_killed_gradual_pruning_goes_on_to_the_same_weights(tmp_path, monkeypatch) -> None:
    from attar.compress import distillation, masks

    net, x = zoo("mnist", 256)
    net.dropout1.p = net.dropout2.p = 0.0

    def thinning():
        model = zoo("mnist")[0]
        model.dropout1.p = model.dropout2.p = 0.0
        return masks.Thinning(model, amount=0.8, steps=16)

    settings = {"epochs": 8, "batch_size": 128, "seed": 1}
    whole = thinning()
    distillation.distill(whole, net, x, **settings)
    monkeypatch.setattr(distillation, "train", lambda *args, **kwargs: train(*args, **kwargs, interval=0.0))
    half, calls = thinning(), 0

    def fail(*_):
        nonlocal calls
        calls += 1
        if calls == 9:
            raise Killed

    half.register_forward_pre_hook(fail)
    with pytest.raises(Killed):
        distillation.distill(half, net, x, **settings, checkpoint=tmp_path / "c")
    resumed = thinning()
    distillation.distill(resumed, net, x, **settings, checkpoint=tmp_path / "c")
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values()))


def test_more_can_go_later_and_integers_come_last() -> None:
    net, _ = zoo("mnist")
    twice, once = weights(prune(prune(net, 0.5), 0.8)), weights(prune(net, 0.8))
    assert all(torch.equal(w, once[key]) for key, w in twice.items())
    store(places(net)[0], torch.ones(8, 1, 3, 3), Coded(torch.tensor([0.1])))
    with pytest.raises(CompressionError, match=r"conv1\.weight is kept in integers"):
        prune(net, 0.5)


def test_tables_of_whole_numbers_are_no_weights() -> None:
    net = nn.Linear(9, 9)
    net.order = nn.Parameter(torch.arange(8).reshape(2, 4), requires_grad=False)
    net.known = nn.Parameter(torch.ones(2, 4, dtype=torch.bool), requires_grad=False)
    thin = prune(net, 0.5)
    assert int((thin.weight == 0).sum()) == 40
    assert torch.equal(thin.order, net.order)
    assert torch.equal(thin.known, net.known)


@pytest.mark.parametrize(
    "settings",
    [
        {"amount": 0.3},
        {"threshold": 1e-4},
        {"structure": (2, 4)},
        {"amount": 0.3, "epochs": 2, "gradual": True},
    ],
)
def test_what_was_pruned_before_stays_zero(settings) -> None:
    net, x = zoo("mnist")
    before = prune(net, 0.8)
    after = prune(before, x=x if "epochs" in settings else None, **settings)
    assert all(bool((weight[weights(before)[name] == 0] == 0).all()) for name, weight in weights(after).items())
    if "amount" in settings:
        count = sum(int((weight == 0).sum()) for weight in weights(after).values())
        assert count == sum(int((weight == 0).sum()) for weight in weights(before).values())


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"amount": 1.0},
        {"amount": -0.1},
        {"amount": float("nan")},
        {"amount": "0.5"},
        {"amount": torch.tensor(0.5)},
        {"threshold": "0.5"},
        {"amount": 0.5, "threshold": 0.1},
        {"amount": 0.5, "structure": (2, 4)},
        {"threshold": -1.0},
        {"structure": (5, 4)},
        {"structure": (0, 4)},
        {"amount": 0.5, "structure": "channels"},
        {"amount": 0.5, "criterion": "taylor"},
        {"amount": 0.5, "criterion": "scale"},
        {"threshold": 0.5, "criterion": "taylor", "x": np.zeros((2, 4), np.float32)},
        {"amount": 0.5, "epochs": 2},
        {"amount": 0.5, "gradual": True},
        {"threshold": 0.5, "structure": "channels", "x": np.zeros((2, 4), np.float32)},
    ],
)
def test_wrong_arguments_are_refused(wrong) -> None:
    with pytest.raises(CompressionError) as error:
        prune(nn.Linear(4, 4), **wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"criterion": "xx"}, "magnitude, taylor, scale"),
        ({"scope": "xx"}, "global, layer"),
        ({"structure": "filters"}, "'channels' or"),
    ],
)
def test_a_word_that_is_unknown_is_refused_with_those_that_are_known(wrong, words) -> None:
    with pytest.raises(CompressionError, match=rf"is unknown: take (one of )?{words}"):
        prune(nn.Linear(4, 4), 0.5, **wrong)


def test_channels_go_and_are_recovered() -> None:
    net, x = zoo("mnist", 300)
    less = prune(net, 0.5, x=x.numpy(), structure="channels", epochs=1)
    assert less.fc1.out_features < 32
    assert not any(isinstance(layer, Masked) for layer in less.modules())


def test_computed_weights_are_pruned_as_what_they_are() -> None:
    net = nn.Sequential(weight_norm(nn.Linear(8, 16)), nn.ReLU(), nn.Linear(16, 3))
    pruned = prune(net, 0.5)
    assert sum(int((layer.weight == 0).sum()) for layer in pruned[::2]) == (8 * 16 + 16 * 3) // 2
    assert hasattr(net[0].parametrizations.weight, "original1")


def test_a_recurrent_network_is_pruned_and_copied_again() -> None:
    net, x = nn.LSTM(3, 4, batch_first=True), torch.randn(8, 5, 3)
    pruned = prune(net, 0.5)
    pruned(x)
    assert (copy.deepcopy(prune(pruned, 0.7)).weight_ih_l0 == 0).float().mean() > 0.5


def test_nothing_to_prune() -> None:
    with pytest.raises(CompressionError, match="no weight of two axes"):
        prune(nn.ReLU(), 0.5, x=torch.randn(8, 3), epochs=1)
