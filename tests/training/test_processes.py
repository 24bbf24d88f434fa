"""Two processes, started by torchrun, against one that holds the whole batch; this file is also what they run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from attar.data.nodes import links
from attar.errors import AttarError
from attar.kinds import of
from attar.represent import BYOL, CCASSG, TSTCC, Autoencoder, Masked, MoCo, SimCLR
from attar.training import processes
from attar.training.loop import train


def texts(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Token ids of texts that differ in length, as much as their hidden tokens differ in number."""
    ids = rng.integers(3, 20, size=(70, 12)).astype(np.float32)
    ids[np.arange(12) >= rng.integers(3, 13, size=(70, 1))] = np.nan
    return ids


def nodes(rng: np.random.Generator) -> Any:
    """A ring of nodes with some chords."""
    ends = np.arange(70)
    return links(
        rng.normal(size=(70, 6)), np.stack([np.r_[ends, ends[::3]], np.r_[ends + 1, ends[::3] + 5] % 70])
    ).all()


RNG = np.random.default_rng(0)
SAMPLES: dict[str, Any] = {
    "image": load_digits().images[:70].astype(np.float32),
    "series": RNG.normal(size=(70, 2, 30)).astype(np.float32),
    "table": RNG.normal(size=(70, 5)).astype(np.float32),
    "text": texts(RNG),
    "graph": nodes(RNG),
}
# Of different lengths, and rows with a missing value: their hidden parts differ in number from process to process.
SAMPLES["series"][::3, :, 20:] = np.nan
SAMPLES["table"][::4, 1] = np.nan
OPTIONS: dict[str, Any] = {"dim": 8, "width": 4, "epochs": 2, "batch_size": 32}
PRETEXTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "simclr": (SimCLR, {"projection": 8}),
    "autoencoder": (Autoencoder, {"noise": 0.2}),
    "moco": (MoCo, {"projection": 8, "queue": 48}),
    # At its own rate, three times as high, steps that are rounding noise go further than what is compared here.
    "byol": (BYOL, {"projection": 8, "hidden": 16, "lr": 2e-3}),
    "masked": (Masked, {}),
    "cca-ssg": (CCASSG, {}),
    "ts-tcc": (TSTCC, {"context": 8}),
}
KINDS = {name: of(name).learn(x) for name, x in SAMPLES.items()}
FITS = [(pretext, kind) for kind in KINDS for pretext in PRETEXTS if pretext in KINDS[kind].possible]
NORMS = [(shape, affine) for shape in ((6, 3), (6, 3, 4), (6, 3, 4, 5)) for affine in (True, False)]


def drawn() -> dict[str, Tensor]:
    """What is drawn for a batch of eight, by each process for its own part."""
    own = processes.own_part(torch.arange(8))
    rows, generator = len(own), torch.Generator().manual_seed(0)
    with torch.random.fork_rng(), processes.sharing(rows):
        torch.manual_seed(0)
        return {
            "a tuple": torch.rand((rows, 3), generator=generator),
            "numbers": torch.randn(rows, 2, generator=generator),
            "integers": torch.randint(100, size=(rows, 2), generator=generator),
            "dropout": F.dropout(torch.ones(rows, 5), 0.4),
            "after all that": torch.rand(rows, generator=generator),
            "samples": own,
        }


def normalised(shape: tuple[int, ...], affine: bool) -> list[Tensor]:
    """Of a batch normalisation far from zero, in float64: what belongs to samples, then what belongs to all."""
    generator = torch.Generator().manual_seed(1)
    x, target = torch.randn(2, *shape, generator=generator, dtype=torch.float64) + 100
    own = processes.own_part(torch.arange(len(x)))
    x = x[own].requires_grad_()
    norm = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[1], affine=affine).double()
    for k, p in enumerate(norm.parameters()):
        nn.init.constant_(p, 1.5 + k)
    with processes.sharing(len(own)):
        y = norm(x)
    gradients = torch.autograd.grad((y - target[own] + 100).pow(3).mean(), [x, *norm.parameters()])
    processes.average(gradients[1:])
    return [y.detach(), gradients[0] / processes.processes(), *gradients[1:], *norm.buffers()]


def compared() -> list[Tensor]:
    """Of a loss that looks at all pairs of a batch: its value, and what each sample and the weight receive."""
    generator = torch.Generator().manual_seed(2)
    x, w = torch.randn(8, 3, generator=generator, dtype=torch.float64), torch.randn(3, 2, generator=generator).double()
    own = processes.own_part(torch.arange(8))
    x, w = x[own].requires_grad_(), w.requires_grad_()
    with processes.sharing(len(own)):
        z = x @ w
        # Each process adds what belongs to its own rows.
        loss = torch.cdist(torch.cat([z, 2 * z]), processes.whole_batch(torch.cat([z, 2 * z]))).pow(3).mean()
    gradients = torch.autograd.grad(loss, [x, w])
    value = loss.detach()
    processes.average([value, gradients[1]])
    return [gradients[0] / processes.processes(), value, gradients[1]]


def mean(rank: int) -> Tensor:
    """Over processes, of the terms 1 and 2 here and of 6 there, where none is there."""
    terms = [torch.tensor([1.0, 2.0]), torch.tensor([6.0])][rank]
    with processes.sharing(2):
        shares = [processes.mean_of(t.sum(), torch.tensor(len(t))) for t in (terms, terms[:0])]
    processes.average(shares)
    return torch.stack(shares)


def fitted(pretext: str, kind: str, **options: Any) -> np.ndarray[Any, Any]:
    """Codes of the samples and losses, of a pretext trained for four steps."""
    make, own_options = PRETEXTS[pretext]
    # Noise suits no token ids.
    without = {"noise": 0.0} if (pretext, kind) == ("autoencoder", "text") else {}
    settings = OPTIONS | own_options | without | {"random_state": 0} | options
    model = make(kind=KINDS[kind], **settings).fit(SAMPLES[kind])
    z = model.transform(SAMPLES[kind])
    # A bias that batch normalisation takes away again has no gradient but rounding noise, which Adam scales up.
    return np.concatenate([(z - z.mean(axis=0)).ravel(), model.loss_curve_])


class _Killed(Exception):
    pass


def resumed(path: Path | None = None, kill_at: int | None = None) -> dict[str, Tensor]:
    """Weights of a small network with dropout, killed at a step or not."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(5, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))
    x, calls = torch.from_numpy(np.nan_to_num(SAMPLES["table"])), []

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        calls.append(batch)
        if len(calls) == kill_at:
            raise _Killed
        return (network(x[batch] + torch.randn(len(batch), 5, generator=generator)) - 1).square().mean()

    train(network, loss, len(x), epochs=3, batch_size=16, checkpoint=path, interval=0.0)
    return network.state_dict()


def said(n: int = 8, batch_size: int = 8) -> list[str]:
    """What is reported, or the complaint."""
    names, layer = [], nn.Linear(1, 1)

    class Reporter:
        @contextmanager
        def task(self, name, total):
            names.append(f"{name} {total}")
            yield self

        def advance(self, steps=1):
            names.append(str(steps))

    try:
        train(layer, lambda b, _: layer(b[:, None] / 8).sum(), n, epochs=1, batch_size=batch_size, progress=Reporter())
    except AttarError as error:
        return [str(error)]
    return names


def work(folder: Path) -> None:
    """What each of the two processes does."""
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    results: dict[str, Any] = {"fits": {cell: fitted(*cell) for cell in FITS}}
    # From here on: on being imported, Fabric and torch set variables of their own.
    environment = dict(os.environ)
    results["unseeded"] = fitted("simclr", "image", random_state=None)
    results["in half precision"] = fitted("simclr", "image", precision="bf16-mixed")
    results["uninterrupted"] = resumed()
    for kill_at in (3, 6):
        with pytest.raises(_Killed):
            resumed(folder / "checkpoint", kill_at)
    if rank == 0:
        shutil.copy(folder / "checkpoint", folder / "half way")
    results["resumed"] = resumed(folder / "checkpoint")
    with pytest.raises(AttarError, match="is not there for all processes") as error:
        resumed(folder / ("checkpoint" if rank == 0 else "elsewhere"))
    results["apart"] = str(error.value)
    results["unlike"] = []
    for x in (SAMPLES["table"] + rank, SAMPLES["table"][rank:]):
        with pytest.raises(AttarError) as error:
            SimCLR(**OPTIONS, kind="table").fit(x)
        results["unlike"].append(str(error.value))
    results["left"] = (dist.is_initialized(), set(os.environ.items()) ^ set(environment.items()))
    results["said"], results["too few"] = said(), said(8, 1)
    with processes.process_group():
        results["drawn"], results["normalised"] = drawn(), [normalised(*norm) for norm in NORMS]
        own = torch.arange(8.0).chunk(2)[rank][:, None]
        with processes.sharing(4):
            results["whole batch"] = processes.whole_batch(torch.cat([own, 10 + own]))
        results["compared"], results["mean"] = compared(), mean(rank)
    torch.save(results, folder / f"{rank}.pt")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", __file__]
    subprocess.run([*command, str(folder)], check=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert sorted(file.name for file in folder.iterdir()) == ["0.pt", "1.pt", "checkpoint", "half way"]
    return [{"folder": folder} | torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("cell", FITS, ids="-".join)
def test_a_pretext_arrives_where_one_process_does(cell, two):
    np.testing.assert_array_equal(two[0]["fits"][cell], two[1]["fits"][cell])
    # A weight whose gradient is rounding noise moves as far in a step of Adam as any other.
    np.testing.assert_allclose(two[0]["fits"][cell], fitted(*cell), rtol=1e-3, atol=3e-4)


def test_without_a_seed_they_still_train_one_module(two):
    np.testing.assert_array_equal(two[0]["unseeded"], two[1]["unseeded"])


def test_they_train_in_mixed_precision_too(two):
    np.testing.assert_array_equal(two[0]["in half precision"], two[1]["in half precision"])
    alone = fitted("simclr", "image", precision="bf16-mixed")
    # The losses.
    np.testing.assert_allclose(two[0]["in half precision"][-2:], alone[-2:], rtol=1e-2)


def test_resumed_equals_uninterrupted_bit_for_bit(two):
    for found in two:
        for name, weights in two[0]["uninterrupted"].items():
            assert torch.equal(weights, found["uninterrupted"][name])
            assert torch.equal(weights, found["resumed"][name])


def test_one_process_goes_on_where_two_were_and_arrives_where_they_do(two):
    alone = resumed(two[0]["folder"] / "half way")
    for name, weights in resumed().items():
        torch.testing.assert_close(two[0]["resumed"][name], weights, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(alone[name], weights, rtol=1e-3, atol=1e-5)


def test_a_checkpoint_that_only_some_can_read_is_refused(two):
    assert [found["apart"].endswith("name one that all can read") for found in two] == [True, True]


def test_different_samples_are_refused_by_all(two):
    expected = "processes hold different samples; give all of them the same, of which each takes a part"
    assert [found["unlike"] for found in two] == [[expected] * 2] * 2


def test_nothing_is_left_behind(two):
    assert [found["left"] for found in two] == [(False, set())] * 2


def test_only_the_first_process_reports(two):
    assert two[0]["said"] == said()
    assert two[1]["said"] == []


def test_more_processes_than_samples_are_refused(two):
    expected = "a batch of 1 cannot be split over 2 processes; start at most 1"
    assert [found["too few"] for found in two] == [[expected]] * 2


@pytest.mark.parametrize("name", drawn())
def test_together_they_draw_what_one_process_draws(name, two):
    assert torch.equal(torch.cat([found["drawn"][name] for found in two]), drawn()[name])


@pytest.mark.parametrize("norm", range(len(NORMS)), ids=lambda k: str(NORMS[k]))
def test_batch_normalisation_is_that_of_the_whole_batch(norm, two):
    parts = [found["normalised"][norm] for found in two]
    for k, expected in enumerate(normalised(*NORMS[norm])):
        found = torch.cat([part[k] for part in parts]) if k < 2 else parts[0][k]
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        assert k < 2 or torch.equal(parts[0][k], parts[1][k])


def test_copies_of_a_batch_are_gathered_in_the_order_of_one_process(two):
    expected = torch.cat([torch.arange(8.0), 10 + torch.arange(8.0)])[:, None]
    assert [torch.equal(found["whole batch"], expected) for found in two] == [True, True]


def test_a_loss_over_all_pairs_gives_the_gradients_of_one_process(two):
    for k, expected in enumerate(compared()):
        parts = [found["compared"][k] for found in two]
        torch.testing.assert_close(torch.cat(parts) if k == 0 else parts[0], expected, rtol=1e-9, atol=1e-9)
        assert k == 0 or torch.equal(*parts)


def test_a_mean_counts_the_terms_of_all_processes(two):
    assert [found["mean"].tolist() for found in two] == [[3.0, 0.0]] * 2


if __name__ == "__main__":
    work(Path(sys.argv[1]))
