"""What a damaged sample probably was: noise taken off, gaps filled, resolution doubled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from attar._fitted import unchanged_on_failure
from attar._settings import check_amounts, check_counts, check_positive, is_amount
from attar.data.dataset import Floats
from attar.errors import DataError
from attar.kinds import kind_of
from attar.kinds.samples import as_features, as_floats, hold_alone, hold_shape
from attar.training.modes import seeded, usual_defaults

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from attar.kinds.base import Kind
    from attar.training.progress import Progress


DAMAGES = ("noise", "holes", "blocks")
BATCH = 512
# Passes over the samples, and of few of them as many more as make so many steps.
_EPOCHS, _STEPS = 20, 1000
# Samples set aside to judge the network by, as a share and at most.
_ASIDE, _MOST_ASIDE = 0.1, 1000


class Restorer(BaseEstimator):  # type: ignore[misc]
    r"""The posterior mean of a sample given a damaged one, learnt from clean samples without labels.

    .. math:: f = \arg\min_f E \|f(y, s, \sigma) - x\|^2 \Rightarrow f(y, s, \sigma) = E[x \mid y], \qquad
        y = s \odot x + \sigma \varepsilon

    Damage is drawn anew for each sample of each batch: noise of a random strength, missing values, or the mean of each
    block in place of its values. The network corrects a first estimate, that of a normal distribution: the Wiener
    filter for noise, linear regression for gaps. How far it is followed is chosen on a tenth of the samples, at most
    1,000, which nothing learns from, so that a network that has seen too few does no harm. For noise alone the
    posterior mean is a step up the density of noisy samples,
    :math:`E[x \mid y] = y + \sigma^2 \nabla \log p_\sigma(y)`, so that what is learnt is p(x), blurred.

    References:
        Efron, Tweedie's Formula and Selection Bias, 2011, https://doi.org/10.1198/jasa.2011.tm11181
        Vincent, A Connection Between Score Matching and Denoising Autoencoders, 2011,
        https://doi.org/10.1162/NECO_a_00142
        Wiener, Extrapolation, Interpolation, and Smoothing of Stationary Time Series, 1949

    Arguments:
        damages: which to learn to repair, among "noise", "holes" and "blocks" (without those in a table, which has no
            resolution); None: all. One alone is learnt sooner.
        noise: largest standard deviation of noise, in standard deviations of the samples.
        width: channels of the network's first layer.
        epochs: passes over the samples; None: 20, and of few samples as many more as make 1,000 steps.
        batch_size: samples in a batch.
        lr: highest learning rate.
        precision: of training: "32-true", "bf16-mixed" (products in bfloat16), or "auto", the faster (`precision_of`).
        kind: "image", "series", "table", or a fitted kind. None: two axes are a table, three a series unless a
            sample is square, four an image.
        random_state: seed of weights, damage and the order of samples.

    Attributes:
        kind_: what was learnt about the kind of data.
        first_: the estimate of a normal distribution, of normalised samples.
        network_: f on normalised samples, from there.
        trust_: of each damage how far f is followed from the first estimate, 0 to 1; of noise at five strengths.
        varies_: which columns or channels of normalised samples are not the same in all, `(1, channels, 1, …)`.
        shape_: of one sample.
        loss_curve_: mean loss of each epoch.
        n_features_in_: number of values in one sample.

    Example:
        >>> images = np.random.default_rng(0).random((64, 8, 8), dtype=np.float32)
        >>> restorer = Restorer(width=4, epochs=2, random_state=0).fit(images)
        >>> restorer.denoise(images, sigma=0.1).shape, restorer.upscale(images[:, :4, :4]).shape
        ((64, 8, 8), (64, 8, 8))
    """

    def __init__(
        self,
        *,
        damages: tuple[str, ...] | None = None,
        noise: float = 1.0,
        width: int = 32,
        epochs: int | None = None,
        batch_size: int = 128,
        lr: float = 3e-3,
        precision: str = "auto",
        kind: str | Kind | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.damages = damages
        self.noise = noise
        self.width = width
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.precision = precision
        self.kind = kind
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Learn what samples look like.

        Arguments:
            X: clean samples `(n, features)`, `(n, channels, steps)`, `(n, h, w)` or `(n, h, w, c)`; NaN is missing.
            y: not used; for pipelines.

        Returns:
            The estimator itself.

        Raises:
            ValueError: X is empty, not numeric or infinite, or `damages` has an unknown one or one that the kind lacks.
            TrainingError: the loss became NaN or infinite.
        """
        with unchanged_on_failure(self):
            self._fit(self._checked(X, reset=True))
        return self

    @usual_defaults()
    def denoise(self, X: npt.ArrayLike, sigma: float) -> Floats:
        """Take Gaussian noise off, and fill what is missing.

        Arguments:
            X: noisy samples `(n, *shape_)`; NaN is missing.
            sigma: standard deviation of the noise, in the units of the samples.

        Returns:
            Samples `(n, *shape_)`, float32.

        Raises:
            ValueError: X is not like the samples of `fit`, or sigma is negative or beyond what was learnt.
        """
        self._ready("noise")
        x = self._checked(X, reset=False)
        if not is_amount(sigma):
            raise DataError(f"denoise needs sigma to be a finite number from 0; got sigma={sigma!r}")
        level = self.kind_.noise_level(float(sigma)) * self.varies_
        if (most := float(level.max())) > self.noise * (1 + 1e-6):
            raise DataError(
                f"sigma={sigma:g} is {most:.3g} standard deviations of the samples, and noise={self.noise:g} was "
                f"learnt; fit a Restorer with noise={most:.2g}"
            )
        return self._restored(x, self._observed, level, "noise")

    @usual_defaults()
    def inpaint(self, X: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> Floats:
        """Fill what is missing, and leave the rest as it is.

        Arguments:
            X: samples `(n, *shape_)`; NaN is missing.
            mask: true where a value is missing as well, whatever it is: `(n, *shape_)`, or what broadcasts to it.

        Returns:
            Samples `(n, *shape_)`, float32, without NaN.

        Raises:
            ValueError: X is not like the samples of `fit`, or the mask does not suit it.
        """
        self._ready("holes")
        x = self._checked(X, reset=False)
        if mask is not None:
            missing = np.asarray(mask)
            if missing.dtype != bool or not _broadcasts(missing.shape, x.shape):
                raise DataError(
                    f"inpaint needs mask to be bool and to suit X of shape {x.shape}; "
                    f"got {missing.dtype} of shape {missing.shape}"
                )
            x = np.where(missing, np.float32(np.nan), x)
        filled = self._restored(x, self._observed, self.kind_.noise_level(0.0) * self.varies_, "holes")
        return np.where(np.isnan(x), filled, x)

    @usual_defaults()
    def upscale(self, X: npt.ArrayLike) -> Floats:
        """Double the resolution of images or series, each value of which is the mean of a block.

        Arguments:
            X: `(n, ⌈h / 2⌉, ⌈w / 2⌉)`, the same with channels, or `(n, channels, ⌈steps / 2⌉)`; NaN is missing.

        Returns:
            Samples `(n, *shape_)`, float32.

        Raises:
            ValueError: X is not of half the resolution of the samples of `fit`, or the kind has no resolution.
        """
        import torch

        self._ready("blocks")
        kind = self.kind_
        half = tuple(kind.restore(kind.halved(kind.preprocess()(torch.zeros(1, *self.shape_)))).shape[1:])
        x: Floats = as_floats(self, X, dtype=np.float32, ensure_all_finite="allow-nan")
        hold_alone(x, half)
        if x.shape[1:] != half:
            raise DataError(f"X has samples of shape {x.shape[1:]}; upscale to {self.shape_} needs {half}")

        def spread(raw: Tensor) -> tuple[Tensor, Tensor]:
            y, share = self._observed(raw)
            return kind.spread(y), 0.5 * kind.spread(share)

        return self._restored(x, spread, torch.zeros(1), "blocks")

    @usual_defaults()
    def _fit(self, X: Floats, checkpoint: Path | None = None, progress: Progress | None = None) -> None:
        """Learn from checked samples; arguments as of `attar.training.loop.train`."""
        import torch

        from attar.density._conditional import MOST, Conditional
        from attar.density._damage import damaged, trust
        from attar.training.devices import precision_of
        from attar.training.loop import train

        check_counts(self, "width", "batch_size")
        if self.epochs is not None:
            check_counts(self, "epochs", least=0)
        check_amounts(self, "lr")
        self.kind_ = kind = kind_of(self.kind, X)
        damages = self._damages(kind)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with seeded(seed):
            network = kind.restorer(self.width)
        preprocess = kind.preprocess()
        order = np.random.default_rng(seed).permutation(len(X))
        aside = max(1, min(round(_ASIDE * len(X)), _MOST_ASIDE))
        judged, learnt = X[order[:aside]], X[order[aside:] if len(X) > 1 else order]
        first = Conditional.learn(preprocess(torch.from_numpy(learnt[:MOST])))
        per_epoch = max(1, len(learnt) // self.batch_size)
        epochs = max(_EPOCHS, -(-_STEPS // per_epoch)) if self.epochs is None else self.epochs

        def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
            raw = torch.from_numpy(learnt[batch.numpy()])
            x, known = preprocess(raw), kind.observed(raw)
            seen = damaged(kind, x, known, damages, self.noise, generator)
            return kind.restoration_loss(network(*seen, first(kind, *seen)), x, known)

        history = train(
            network,
            loss,
            len(learnt),
            epochs=epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            seed=seed,
            checkpoint=checkpoint,
            progress=progress,
            precision=precision_of(self.precision, network, X.size, "cpu"),
            name="restorer",
        )
        self.network_, self.first_ = network, first
        self.trust_ = {damage: trust(network, first, kind, judged, damage, self.noise, seed) for damage in damages}
        self.varies_ = _varying(kind, X)
        self.damages_ = damages
        self.loss_curve_ = list(history.losses)

    def _damages(self, kind: Kind) -> tuple[str, ...]:
        suited = DAMAGES if kind.resolutions else DAMAGES[:-1]
        damages = suited if self.damages is None else tuple(self.damages)
        if not damages or not set(damages) <= set(suited):
            raise DataError(
                f"damages={self.damages!r}; of kind {kind.name} some of {', '.join(suited)} can be repaired"
            )
        check_positive(self, "noise")
        return damages

    def _ready(self, damage: str) -> None:
        check_is_fitted(self)
        if damage not in self.damages_:
            raise DataError(f"only {', '.join(self.damages_)} was learnt; fit a Restorer with {damage!r} among damages")

    def _observed(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Raw samples as normalised ones, and which of their values are known: 1 or 0."""
        return self.kind_.preprocess()(raw), self.kind_.observed(raw).float()

    def _restored(
        self, X: Floats, observe: Callable[[Tensor], tuple[Tensor, Tensor]], level: Tensor, damage: str
    ) -> Floats:
        """Raw damaged samples to repaired ones `(n, *shape_)`.

        Arguments:
            X: what was given.
            observe: from raw samples to normalised ones, and what is known of each value.
            level: how noisy each value is.
            damage: what is trusted in repairing it.
        """
        import torch

        out = np.empty((len(X), *self.shape_), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(X), BATCH):
                y, share = observe(torch.tensor(X[start : start + BATCH]))
                out[start : start + BATCH] = self._repaired(y, share, level, damage).numpy()
        return out

    def _repaired(self, y: Tensor, share: Tensor, level: Tensor, damage: str) -> Tensor:
        """Normalised samples, as far as they are known, to repaired raw ones."""
        import torch

        from attar.density._damage import LEVELS

        # No noise was learnt on what never varied, but its value is known: 0, once normalised. Not that of a category
        # which no sample has: its 0 would compete with the scores of the others.
        constant = (self.varies_ == 0) & (self.kind_.noise_level(1.0) > 0)
        y = y * (share > 0) * self.varies_
        first = self.first_(self.kind_, y, share, level)
        # What is missing as well is a hole, where these were learnt.
        seen, missing = self.trust_[damage], self.trust_.get("holes", self.trust_[damage])
        place = torch.bucketize(level / self.noise, torch.tensor(LEVELS)).clamp(max=len(seen) - 1)
        trust = torch.where(share > 0, seen[place], missing[-1])
        repaired = torch.lerp(first, self.network_(y, share, level, first), trust)
        return self.kind_.restore(torch.where(constant, 0.0, repaired))

    def _checked(self, X: npt.ArrayLike, *, reset: bool) -> Floats:
        x: Floats = as_features(self, X, reset=reset, dtype=np.float32, ensure_all_finite="allow-nan")
        hold_shape(self, x, reset=reset)
        return x

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _varying(kind: Kind, X: Floats) -> Tensor:
    """Which columns or channels of normalised samples are not constant: float, 1 or 0."""
    import torch

    preprocess, largest = kind.preprocess(), torch.zeros(1)
    for start in range(0, len(X), BATCH):
        x = preprocess(torch.tensor(X[start : start + BATCH])).abs()
        largest = torch.maximum(largest, x.amax(dim=(0, *range(2, x.ndim)), keepdim=True))
    # The largest of standardised values is at least 1, and of a constant's 0, both up to rounding.
    return (largest > 0.5).float()
