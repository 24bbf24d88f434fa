"""Normalising flows."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_random_state

from attar._settings import check_counts, check_positive
from attar.data.dataset import Doubles
from attar.density.base import Density, RandomState
from attar.density.gaussian import factor, whitened
from attar.errors import MissingExtraError
from attar.training.modes import seeded, usual_defaults

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

# Noise on whitened samples while they are learnt from: values that repeat, as counts do, would have no finite density.
_NOISE = 0.01
_HELD_OUT = 0.1
# How often in training the held-out samples are looked at.
_LOOKS = 20
_BATCH = 4096
# Samples that are drawn at once: the way back goes through the network once for each column, and keeps them all.
_DRAWN = 256


class Flow(Density):
    r"""A normalising flow: the density of what an invertible network turns into normally distributed noise.

    .. math:: \log p(x) = \log N(f(x); 0, I) + \log \left| \det \frac{\partial f}{\partial x} \right|

    f whitens, and then applies autoregressive rational-quadratic splines, which are straight lines before training: the
    normal density of the samples. Of all weights that training came through, these among them, those are kept that a
    held-out tenth of the samples is likeliest under.

    References:
        Durkan et al., Neural Spline Flows, 2019, https://arxiv.org/abs/1906.04032
        Papamakarios et al., Normalizing Flows for Probabilistic Modeling and Inference, 2021,
        https://arxiv.org/abs/1912.02762

    Arguments:
        transforms: how many autoregressive layers.
        width: of the two hidden layers in each.
        steps: of training, however few the samples: some 10 ms each.
        batch_size: samples in a batch.
        lr: highest learning rate.
        random_state: seed of weights, noise, the held-out samples and the order of the others.

    Attributes:
        flow_: the network on whitened samples, a `zuko.lazy.Flow`.
        held_out_curve_: mean log-likelihood of the held-out samples at each look, in nats, on whitened samples; first
            that of the normal density.

    Example:
        >>> angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 500)
        >>> ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        >>> flow = Flow(transforms=2, width=16, steps=100, lr=1e-2, random_state=0).fit(ring)
        >>> flow.score(ring) > flow.score([[0.0, 0.0]])
        True
    """

    flow_: nn.Module
    held_out_curve_: list[float]

    def __init__(
        self,
        transforms: int = 3,
        *,
        width: int = 64,
        steps: int = 2000,
        batch_size: int = 256,
        lr: float = 2e-3,
        random_state: RandomState = None,
    ) -> None:
        self.transforms = transforms
        self.width = width
        self.steps = steps
        self.batch_size = batch_size
        self.lr = lr
        self.random_state = random_state

    @usual_defaults()
    def _fit(self, u: Doubles) -> None:
        import torch

        from attar.training.loop import train

        check_counts(self, "transforms", "width", "steps", "batch_size")
        check_positive(self, "lr")
        random = check_random_state(self.random_state)
        seed = int(random.randint(2**31 - 1))
        self._factor, self._log_det = factor(u.T @ u / len(u))
        order = random.permutation(len(u))
        x = torch.from_numpy(whitened(u, self._factor)[order]).float()
        held_out = x[: max(1, round(_HELD_OUT * len(x)))]
        x = x[len(held_out) :]
        with seeded(seed):
            self.flow_ = _network(u.shape[1], self.transforms, self.width)
        noise = torch.randn(held_out.shape, generator=torch.Generator().manual_seed(seed))
        judge = _Judge(self.flow_, held_out + _NOISE * noise)
        steps, every = count(), max(1, self.steps // _LOOKS)

        def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
            if next(steps) % every == 0:
                judge.look()
            noisy = x[batch] + _NOISE * torch.randn((len(batch), x.shape[1]), generator=generator)
            mean: Tensor = -self.flow_().log_prob(noisy).mean()
            return mean

        train(
            self.flow_,
            loss,
            len(x),
            epochs=1,
            steps=self.steps,
            batch_size=self.batch_size,
            lr=self.lr,
            weight_decay=0.0,
            seed=seed,
            name="flow",
        )
        judge.look()
        self.held_out_curve_ = judge.curve
        self.flow_.load_state_dict(judge.best)
        # In float64 the answer for a sample does not depend on those beside it.
        self.flow_.double().requires_grad_(False)

    @usual_defaults()
    def _score(self, u: Doubles) -> Doubles:
        import torch

        x = torch.from_numpy(whitened(u, self._factor))
        with torch.inference_mode():
            log_q: Doubles = torch.cat([self.flow_().log_prob(part) for part in torch.split(x, _BATCH)]).numpy()
        return log_q - self._log_det

    @usual_defaults()
    def _sample(self, n: int, random: np.random.RandomState) -> Doubles:
        import torch

        with torch.inference_mode(), seeded(int(random.randint(2**31 - 1))):
            flow = self.flow_()
            parts = torch.split(flow.base.rsample((n,)), _DRAWN)
            x: Doubles = torch.cat([flow.transform.inv(part) for part in parts]).numpy()
        drawn: Doubles = x @ self._factor.T
        return drawn


class _Judge:
    """Held-out samples, and the weights of a flow that they were likeliest under when they were looked at."""

    def __init__(self, flow: nn.Module, x: Tensor) -> None:
        self.flow, self.x = flow, x
        self.curve: list[float] = []
        self.best = self._weights()

    def look(self) -> None:
        """Add the mean log-likelihood to the curve."""
        import torch

        with torch.no_grad():
            value = float(torch.cat([self.flow().log_prob(part) for part in torch.split(self.x, _BATCH)]).mean())
        if value > max(self.curve, default=-np.inf):
            self.best = self._weights()
        self.curve.append(value)

    def _weights(self) -> dict[str, Tensor]:
        return {name: t.clone() for name, t in self.flow.state_dict().items()}


def _network(features: int, transforms: int, width: int) -> nn.Module:
    try:
        from zuko.flows import NSF
    except ImportError:
        raise MissingExtraError("Flow needs the package zuko; pip install 'attar[density]'") from None
    network: nn.Module = NSF(features, transforms=transforms, hidden_features=(width, width))
    _straighten(network)
    return network


def _straighten(network: nn.Module) -> None:
    """Make each spline the identity, by zeros for all that it is made of.

    As zuko draws them, splines bend any normal samples: of one column, which has no other to depend on, by so much that
    hundreds of steps go into undoing it.
    """
    import torch

    with torch.no_grad():
        for transform in network.transform.transforms:  # type: ignore[union-attr]
            # What is put out for each column: by a network of the columns before it, or of one column as it is.
            last = list(transform.hyper)[-1].parameters() if hasattr(transform, "hyper") else transform.parameters()
            for p in last:
                p.zero_()
