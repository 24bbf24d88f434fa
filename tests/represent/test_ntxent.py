"""NT-Xent against algorithm 1 of the paper, closed forms, laws, and two processes against one."""

from __future__ import annotations

import itertools
import math
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from attar.errors import AttarError, DataError
from attar.represent import ntxent
from attar.represent._fused import Fused
from attar.represent.ntxent import nt_xent


def algorithm_1(z_i: Tensor, z_j: Tensor, temperature: float) -> Tensor:
    """Chen et al. (2020), algorithm 1, as it is written: views 2k − 1 and 2k of sample k, a loop over both indices."""
    z = torch.stack([z_i, z_j], dim=1).flatten(0, 1)
    n = len(z)
    s = [[z[a] @ z[b] / (z[a].norm() * z[b].norm()) for b in range(n)] for a in range(n)]

    def term(a: int, b: int) -> Tensor:
        denominator = torch.stack([torch.exp(s[a][k] / temperature) for k in range(n) if k != a]).sum()
        return -torch.log(torch.exp(s[a][b] / temperature) / denominator)

    return sum((term(2 * k, 2 * k + 1) + term(2 * k + 1, 2 * k) for k in range(n // 2)), torch.zeros(())) / n


def pair(batch: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z_i, z_j = torch.randn(2, batch, dim, generator=generator, dtype=torch.float64).to(dtype)
    return z_i.requires_grad_(), z_j.requires_grad_()


def value_and_gradients(z_i: Tensor, z_j: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    loss = nt_xent(z_i, z_j, temperature)
    return loss.detach(), *torch.autograd.grad(loss, (z_i, z_j))


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 9),
    dim=st.integers(1, 6),
    temperature=st.sampled_from([0.05, 0.3, 0.5, 4.0]),
    block=st.tuples(st.sampled_from([1, 2, 5, 512]), st.sampled_from([0, 1, 4])),
    seed=st.integers(0, 99),
)
def test_equals_algorithm_1(batch: int, dim: int, temperature: float, block: tuple[int, int], seed: int) -> None:
    z = pair(batch, dim, seed)
    expected = algorithm_1(*z, temperature)
    gradients = torch.autograd.grad(expected, z)
    expected = expected.detach()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ntxent, "BLOCK_CPU", (block[0], sum(block)))
        loss, *ours = value_and_gradients(*z, temperature)
    assert abs(float(loss - expected)) < 1e-10
    for a, b in zip(ours, gradients):
        assert float((a - b).abs().max()) < 1e-10


@pytest.mark.parametrize("batch", [1, 6])
def test_a_temperature_that_is_learnt_has_the_gradient_of_algorithm_1(batch: int) -> None:
    z = pair(batch, 4)
    log_t = torch.tensor(-1.2, dtype=torch.float64, requires_grad=True)
    ours = torch.autograd.grad(nt_xent(*z, log_t.exp()), (*z, log_t))
    naive = torch.autograd.grad(algorithm_1(*z, log_t.exp()), (*z, log_t))
    for one, other in zip(ours, naive):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)
    held = nt_xent(*z, math.exp(-1.2))
    torch.testing.assert_close(nt_xent(*z, log_t.exp()), held, atol=1e-14, rtol=0)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of what torch itself looks at
def test_a_compiled_step_has_the_same_loss_and_gradient() -> None:
    net, x = torch.nn.Linear(8, 4), torch.randn(16, 8, generator=torch.Generator().manual_seed(0))

    def step(x: Tensor) -> Tensor:
        return nt_xent(net(x), net(x + 0.1))

    expected = torch.autograd.grad(step(x), net.parameters())
    # Without a compiler of C++: the graph is traced and run as it is.
    found = torch.autograd.grad(torch.compile(step, backend="aot_eager")(x), net.parameters())
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("temperature", [1.0, 0.002, 1e-6])
def test_gradient_is_that_of_finite_differences(temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntxent, "BLOCK_CPU", (3, 5))
    # Where the loss is steep, the step has to be short against the temperature.
    step = min(1e-6, temperature * 1e-4)
    assert torch.autograd.gradcheck(
        lambda a, b: temperature * nt_xent(a, b, temperature), pair(4, 3), eps=step, atol=1e-4
    )


class TestClosedForms:
    @pytest.mark.parametrize("batch", [1, 2, 37])
    def test_all_equal(self, batch: int) -> None:
        same = torch.ones(batch, 5, dtype=torch.float64)
        assert float(nt_xent(same, same)) == pytest.approx(math.log(2 * batch - 1), abs=1e-12)

    @pytest.mark.parametrize("temperature", [0.5, 0.1, 0.001])
    def test_orthogonal_samples_with_equal_views(self, temperature: float) -> None:
        z = torch.eye(16, dtype=torch.float64)
        expected = math.log1p(30 * math.exp(-1 / temperature))
        assert float(nt_xent(z, z, temperature)) == pytest.approx(expected, abs=1e-12)

    def test_two_opposite_samples(self) -> None:
        z = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
        assert float(nt_xent(z, z, 0.5)) == pytest.approx(math.log1p(2 * math.exp(-4)), abs=1e-12)

    def test_one_pair_has_nothing_to_contrast(self) -> None:
        loss, *gradients = value_and_gradients(*pair(1, 4), 0.2)
        assert float(loss) == pytest.approx(0, abs=1e-12)
        assert all(float(g.abs().max()) < 1e-12 for g in gradients)

    @pytest.mark.parametrize("temperature", [1e-3, 1e-6, 1e-30])
    def test_tiny_temperature_in_float32(self, temperature: float) -> None:
        # The positive at cosine −1 and one negative at +1: the loss is the largest there is, 2/T per row.
        z_i, z_j = torch.tensor([[1.0], [-1.0]]), torch.tensor([[-1.0], [1.0]])
        assert float(nt_xent(z_i, z_j, temperature)) == pytest.approx(2 / temperature, rel=1e-5)


class TestLaws:
    def test_the_views_are_exchangeable(self) -> None:
        z_i, z_j = pair(11, 4)
        assert torch.allclose(nt_xent(z_i, z_j), nt_xent(z_j, z_i), atol=1e-12)

    def test_order_rotation_and_length_do_not_matter(self) -> None:
        z_i, z_j = pair(11, 4)
        order = torch.randperm(11)
        rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))[0]
        lengths = 10 ** torch.linspace(-200, 200, 11, dtype=torch.float64)[:, None]
        expected = nt_xent(z_i, z_j)
        for other in (
            nt_xent(z_i[order], z_j[order]),
            nt_xent(z_i @ rotation, z_j @ rotation),
            nt_xent(z_i * lengths, z_j),
        ):
            assert torch.allclose(other, expected, atol=1e-12)

    def test_gradient_is_perpendicular_to_each_vector(self) -> None:
        z_i, z_j = pair(11, 4)
        _, g_i, g_j = value_and_gradients(z_i, z_j, 0.5)
        assert float((g_i * z_i.detach()).sum(1).abs().max()) < 1e-12
        assert float((g_j * z_j.detach()).sum(1).abs().max()) < 1e-12

    def test_upstream_gradient_scales(self) -> None:
        z = pair(6, 3)
        once = torch.autograd.grad(nt_xent(*z), z)
        thrice = torch.autograd.grad(3 * nt_xent(*z), z)
        assert all(torch.allclose(3 * a, b) for a, b in zip(once, thrice))


class TestPrecision:
    @pytest.mark.parametrize(
        ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2), (torch.float16, 1e-3)]
    )
    def test_close_to_float64(self, dtype: torch.dtype, tolerance: float) -> None:
        z = pair(600, 16, dtype=dtype)
        loss, *gradients = value_and_gradients(*z, 0.1)
        expected, *exact = value_and_gradients(*[v.detach().double().requires_grad_() for v in z], 0.1)
        assert loss.dtype == torch.float32
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        for a, b in zip(gradients, exact):
            assert a.dtype == dtype
            assert float((a.double() - b).norm() / b.norm()) < tolerance

    def test_autocast_does_not_lower_it(self) -> None:
        z = pair(64, 8, dtype=torch.float32)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = nt_xent(*z)
        assert torch.equal(inside, nt_xent(*z))


class TestHostileInput:
    def test_zero_vector_has_cosine_zero_and_no_gradient(self) -> None:
        z_i, z_j = pair(5, 3)
        z_i = torch.cat([torch.zeros(1, 3, dtype=torch.float64), z_i[1:].detach()]).requires_grad_()
        loss, g_i, g_j = value_and_gradients(z_i, z_j, 0.5)
        unit = F.normalize(torch.cat([z_i, z_j]).detach(), dim=1)
        scores = (unit @ unit.T / 0.5).fill_diagonal_(-math.inf)
        assert float(loss) == pytest.approx(float(F.cross_entropy(scores, torch.arange(10).roll(5))), abs=1e-12)
        assert torch.equal(g_i[0], torch.zeros(3, dtype=torch.float64))
        assert torch.isfinite(g_i).all()
        assert torch.isfinite(g_j).all()

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    @pytest.mark.parametrize("temperature", [0.5, 1e-4])
    def test_nan_and_infinity_are_not_hidden(self, bad: float, temperature: float) -> None:
        z_i, z_j = (z.detach() for z in pair(5, 3))
        z_i[2, 1] = bad
        assert math.isnan(float(nt_xent(z_i, z_j, temperature)))

    @pytest.mark.parametrize(
        "shapes", [((4, 3), (5, 3)), ((4, 3), (4, 2)), ((4,), (4,)), ((2, 4, 3), (2, 4, 3)), ((0, 3), (0, 3))]
    )
    def test_shapes_are_named(self, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
        with pytest.raises(DataError) as error:
            nt_xent(torch.ones(shapes[0]), torch.ones(shapes[1]))
        assert str(shapes[0]) in str(error.value)
        assert str(shapes[1]) in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf, torch.ones(2)])
    def test_temperature_is_one_above_zero(self, temperature: float | Tensor) -> None:
        with pytest.raises(DataError, match="temperature"):
            nt_xent(torch.ones(2, 2), torch.ones(2, 2), temperature)

    def test_integers_are_refused(self) -> None:
        with pytest.raises(DataError, match="floating-point"):
            nt_xent(torch.ones(2, 2, dtype=torch.int64), torch.ones(2, 2))

    def test_arrays_are_refused(self) -> None:
        with pytest.raises(DataError, match=r"tensors of torch; got Tensor and ndarray, .*torch\.as_tensor"):
            nt_xent(torch.ones(2, 2), np.ones((2, 2)))  # type: ignore[arg-type]

    def test_second_derivatives_are_refused(self) -> None:
        z = pair(3, 2)
        with pytest.raises(AttarError, match="second derivative"):
            torch.autograd.grad(nt_xent(*z), z, create_graph=True)


def by_cross_entropy(z_i: Tensor, z_j: Tensor, temperature: float) -> Tensor:
    """From all scores at once, in logarithms: where the exponentials of the paper are beyond float64."""
    z = F.normalize(torch.cat([z_i, z_j]), dim=1)
    scores = (z @ z.T / temperature).masked_fill(torch.eye(len(z), dtype=torch.bool), -math.inf)
    return F.cross_entropy(scores, torch.arange(len(z)).roll(len(z_i)))


def equals_reference(device: str, batch: int, temperature: float) -> None:
    z = pair(batch, 4)
    expected = (algorithm_1 if temperature > 0.01 else by_cross_entropy)(*z, temperature)
    gradients = torch.autograd.grad(expected, z)
    loss, *ours = value_and_gradients(*[v.detach().to(device).requires_grad_() for v in z], temperature)
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-12)
    for a, b in zip(ours, gradients):
        assert float((a.cpu() - b).abs().max()) < 1e-12 * max(1.0, 1 / temperature)


# What torch's compiler says to torch.
COMPILER_WARNS = "ignore::Warning:torch.*"


@pytest.mark.filterwarnings(COMPILER_WARNS)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand")
class TestOnAGPU:
    @pytest.mark.parametrize(("batch", "temperature"), [(1, 0.5), (2, 0.5), (17, 0.2), (17, 1e-4)])
    def test_equals_the_reference(self, batch: int, temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ntxent, "BLOCK_GPU", (7, 11))
        equals_reference("cuda", batch, temperature)

    def test_equals_cpu(self) -> None:
        z = pair(5000, 32)
        there = value_and_gradients(*[v.detach().cuda().requires_grad_() for v in z], 0.1)
        for a, b in zip(there, value_and_gradients(*z, 0.1)):
            assert torch.allclose(a.cpu(), b, atol=1e-10)


@pytest.mark.slow
@pytest.mark.filterwarnings(COMPILER_WARNS)
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler at hand")
def test_blocks_compiled_as_for_a_gpu_equal_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of 34 rows, blocks on the diagonal and beside it, and smaller ones at the end; and one block for all.
    monkeypatch.setattr(Fused, "__call__", lambda self, *arguments: self.compiled(*arguments))
    monkeypatch.setattr(torch._inductor.config, "compile_threads", 1)
    for block, temperature in (((7, 11), 0.2), ((7, 11), 1e-4), ((512, 8192), 0.2)):
        monkeypatch.setattr(ntxent, "BLOCK_CPU", block)
        equals_reference("cpu", 17, temperature)


def test_without_a_compiler_for_the_device_it_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*arguments: object, **options: object) -> None:
        asked.append(arguments)
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", refuse)
    doubled = Fused(lambda block: block.mul_(2))
    for _ in range(2):
        assert doubled(torch.ones(3, device="meta")).shape == (3,)
    assert len(asked) == 1
    assert torch.equal(doubled(torch.ones(2)), torch.full((2,), 2.0))


MEMORY = """
import re, pathlib, torch
from attar.represent.ntxent import nt_xent
torch.set_num_threads(1)
def peak():  # in bytes, of this process alone: ru_maxrss counts that of the one which started it
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
def step(batch):
    nt_xent(*[torch.randn(batch, 16, requires_grad=True) for _ in range(2)]).backward()
step(64)
before = peak()
step(8192)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_memory_is_linear_in_the_batch() -> None:
    # The scores alone of 8 192 pairs are 1 GB in float32.
    extra = int(subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True).stdout)
    assert 1e6 < extra < 200e6


PROCESS = """
import sys, datetime, torch, torch.distributed as dist
from attar.represent.ntxent import nt_xent
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2,
                        timeout=datetime.timedelta(seconds=60))
z = torch.load(f"{folder}/z.pt")
results = {}
for first in (5, 3):
    own = [v[slice(first, None) if rank else slice(first)].clone().requires_grad_() for v in z]
    for temperature in (0.2, 1e-4):
        loss = nt_xent(*own, temperature=temperature)
        results[first, temperature] = [loss.detach(), *torch.autograd.grad(loss, own)]
torch.save(results, f"{folder}/{rank}.pt")
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path) -> None:
    z = pair(10, 4)
    torch.save([v.detach() for v in z], tmp_path / "z.pt")
    command = [sys.executable, "-c", PROCESS]
    processes = [subprocess.Popen([*command, str(rank), str(tmp_path)]) for rank in range(2)]
    assert [p.wait(timeout=120) for p in processes] == [0, 0]
    results = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    # The first process has half of the pairs, or fewer.
    for first, temperature in itertools.product((5, 3), (0.2, 1e-4)):
        loss, *gradients = value_and_gradients(*z, temperature)
        here, there = (result[first, temperature] for result in results)
        assert [float(here[0]), float(there[0])] == pytest.approx([float(loss)] * 2, rel=1e-12)
        assert [len(here[1]), len(there[1])] == [first, 10 - first]
        for view, expected in enumerate(gradients, start=1):
            # DistributedDataParallel averages over processes what each of them holds.
            found = torch.cat([here[view], there[view]]) / 2
            assert float((found - expected).abs().max()) < 1e-10 * max(1.0, float(expected.abs().max()))
