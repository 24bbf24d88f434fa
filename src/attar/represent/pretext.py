"""What every representation has in common that is learnt by a pretext task, on any kind."""

from __future__ import annotations

import math
import warnings
import zlib
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from attar._settings import check_amounts, check_counts, check_positive
from attar.errors import CollapseWarning
from attar.kinds import kind_of
from attar.represent._parts import FloatArray
from attar.represent.base import BATCH, Representation
from attar.training.modes import seeded, usual_defaults

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from attar.kinds.base import Kind
    from attar.training.progress import Progress


class Pretext(Representation):
    """An encoder trained on labels that are invented from the data itself.

    A subclass writes `__init__` (which only stores `dim`, `width`, `epochs`, `batch_size`, `lr`, `kind`,
    `random_state` and what else it needs), `_networks` and `_loss`.

    Attributes:
        kind_: what was learnt about the kind of data.
        encoder_: from normalised samples to `(n, dim)`.
        loss_curve_: mean loss of each epoch.
        n_samples_: how many were learnt from; known before the networks are made, as `dim_` is.
        collapsed_: a sentence on what went wrong where the encoder no longer keeps samples apart, or the loss broke
            away; empty where nothing did.
    """

    dim: int
    width: int
    encoder: nn.Module | None = None
    epochs: int
    batch_size: int
    lr: float
    precision: str = "auto"
    device: str = "cpu"
    kind: str | Kind | None
    random_state: int | np.random.RandomState | None

    kind_: Kind
    encoder_: nn.Module
    loss_curve_: list[float]
    n_samples_: int
    collapsed_: str

    # The copy that is trained of the network that was given.
    _own: nn.Module
    # Settings that are whole numbers from 1, finite numbers from 0, and finite numbers above 0.
    _counts: ClassVar[tuple[str, ...]] = ("dim", "width")
    _amounts: ClassVar[tuple[str, ...]] = ("lr",)
    _positive: ClassVar[tuple[str, ...]] = ()
    # Samples that a batch needs: two where they are compared with each other.
    _least_batch: ClassVar[int] = 1

    @abstractmethod
    def _networks(self, kind: Kind) -> nn.ModuleDict:
        """Everything that is trained, with fresh weights; "encoder" is what remains."""

    @abstractmethod
    def _loss(self, networks: nn.ModuleDict, kind: Kind, x: Tensor, generator: torch.Generator) -> Tensor:
        """The loss on a batch of normalised samples; what is random is drawn from `generator`."""

    def _encoder(self, kind: Kind) -> nn.Module:
        """The encoder among the networks: with fresh weights, or a copy of the one that was given."""
        return kind.encoder(self.dim, self.width) if self.encoder is None else self._own

    @property
    @usual_defaults()
    def module_(self) -> nn.Module:
        """Preprocessing and encoder, in evaluation mode: raw float32 `(n, *shape_)` to float32 `(n, dim_)`."""
        from torch import nn

        check_is_fitted(self)
        return nn.Sequential(self.kind_.preprocess(), self.encoder_).eval()

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Learn the representation without labels.

        Arguments:
            X: samples `(n, features)`, `(n, channels, steps)`, `(n, h, w)` or `(n, h, w, c)`; with `kind="series"`, two
                axes are series of one channel.
            y: not used; for pipelines.

        Returns:
            The estimator itself; with a `CollapseWarning` where `collapsed_` says something.

        Raises:
            ValueError: X is empty, not numeric, or infinite; or a setting is out of its range.
            TrainingError: the loss became NaN or infinite.
        """
        super().fit(X, y)
        if self.collapsed_:
            warnings.warn(f"{type(self).__name__}: {self.collapsed_}", CollapseWarning, stacklevel=2)
        return self

    @usual_defaults()
    def _fit(
        self,
        X: FloatArray,
        kind: Kind | None = None,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
        share: float = 1.0,
    ) -> None:
        """Learn from raw samples.

        Arguments:
            X: float32 `(n, *shape)`.
            kind: fitted; else what `__init__` was given decides.
            checkpoint: file to keep the state of training in, and to go on from where it exists.
            progress: where each step is reported.
            share: of the training; with less than all of it, the checkpoint is where it goes on.
        """
        import torch

        from attar.represent._own import own_copy
        from attar.represent._watch import PROBED, Watch
        from attar.training.devices import precision_of
        from attar.training.loop import train

        self._check_settings()
        self.shape_, self.n_samples_ = tuple(X.shape[1:]), len(X)
        self.kind_ = kind = kind or kind_of(self.kind, X)
        self._at_once = kind.batch(BATCH)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        preprocess = kind.preprocess()
        self.dim_ = self.dim
        if self.encoder is not None:
            self._own, z = own_copy("encoder", self.encoder, preprocess(torch.tensor(X[:2])), trained=self.epochs > 0)
            self.dim_ = z.shape[1]
        with seeded(seed):
            networks = self._networks(kind)
        steps = self.epochs * max(1, len(X) // self.batch_size)
        networks["watch"] = watch = Watch(preprocess(torch.tensor(X[:: -(-len(X) // PROBED)])), steps)

        def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
            watch.before_step(networks["encoder"])
            x = preprocess(torch.from_numpy(X[batch.numpy()])).to(generator.device)
            return self._loss(networks, kind, x, generator)

        history = train(
            networks,
            loss,
            len(X),
            epochs=self.epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            seed=seed,
            checkpoint=checkpoint,
            until=None if share >= 1 else math.ceil(share * steps),
            progress=progress,
            precision=precision_of(self.precision, networks, X.size, self.device),
            device=self.device,
            checksum=lambda: zlib.crc32(np.ascontiguousarray(X).data),
            name=type(self).__name__.lower(),
        )
        self._keep(networks)
        self.loss_curve_ = list(history.losses)
        self.collapsed_ = watch.verdict(self.encoder_, self.loss_curve_)

    def _check_settings(self) -> None:
        """Refuse settings that are out of their range."""
        check_counts(self, *self._counts)
        check_counts(self, "batch_size", least=self._least_batch)
        # None, for an encoder as it was before it learnt anything.
        check_counts(self, "epochs", least=0)
        check_amounts(self, *self._amounts)
        check_positive(self, *self._positive)

    def _keep(self, networks: nn.ModuleDict) -> None:
        """Remember what is needed after training."""
        self.encoder_ = networks["encoder"]
