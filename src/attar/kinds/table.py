"""Tables of numeric and categorical columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.data.dataset import Column, Floats
from attar.errors import DataError
from attar.kinds.base import Kind, NetworkPair, Standardise, Student, moments, svg, uniform
from attar.nets.cells import Cells, Uncells
from attar.nets.mlp import MLP
from attar.nets.restorer import RowRestorer
from attar.nets.transformer import TransformerDecoder, TransformerEncoder
from attar.training.processes import mean_of, whole_batch

# Share of the cells that a view replaces: the rate of the SCARF paper's own ablation that loses nothing.
_CORRUPTION = 0.3
# Hidden units for each unit of `width`.
_HIDDEN = 4
# A drawing: size in pixels, columns that can still be told apart, and deviations that fill the height.
_DRAWN = (120, 48)
_BARS = 24
_REACH = 3.0


@dataclass(frozen=True)
class Table(Kind):
    """Rows `(features,)`: numbers, and codes of categories.

    A normalised row holds the standardised numeric columns, one indicator for each numeric column that had missing
    values in training, and one group of indicators for each categorical column, in this order. An unknown category
    or a missing one is a group of zeros.

    Arguments:
        shape: of one raw row.
        names: of the columns.
        categories: how many each column has; 0 where it is numeric.
        missing: whether each column had missing values in training.
        mean: of each numeric column; 0 for a categorical one.
        std: of each numeric column; 1 for a categorical one.
    """

    name: ClassVar[str] = "table"
    layouts: ClassVar[Mapping[int, str]] = {2: "(n, features)"}
    baselines: ClassVar[tuple[str, ...]] = ("raw", "pca", "trees", "random-features")

    names: tuple[str, ...]
    categories: tuple[int, ...]
    missing: tuple[bool, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def learn(cls, x: Floats, columns: Sequence[Column] = ()) -> Self:
        """Learn the statistics of raw rows `(n, features)`; without `columns`, all are numeric.

        Raises:
            DataError: there are not as many columns as features.
        """
        columns = columns or [Column(f"x{i}") for i in range(x.shape[1])]
        if len(columns) != x.shape[1]:
            raise DataError(f"{len(columns)} columns for rows of {x.shape[1]} features; describe each feature once")
        mean, std = moments(x, axis=1)
        numeric = [not c.categories for c in columns]
        return cls(
            tuple(x.shape[1:]),
            tuple(c.name for c in columns),
            tuple(len(c.categories) for c in columns),
            tuple(bool(np.isnan(x[:, i]).any()) for i in range(x.shape[1])),
            tuple(m if n else 0.0 for m, n in zip(mean, numeric)),
            tuple(s if n else 1.0 for s, n in zip(std, numeric)),
        )

    @property
    def numeric(self) -> tuple[int, ...]:
        """Positions of the numeric columns."""
        return tuple(i for i, n in enumerate(self.categories) if not n)

    @property
    def indicated(self) -> tuple[int, ...]:
        """Positions of the numeric columns that have an indicator for a missing value."""
        return tuple(i for i in self.numeric if self.missing[i])

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the categorical columns."""
        return tuple(i for i, n in enumerate(self.categories) if n)

    @property
    def owner(self) -> tuple[int, ...]:
        """The raw column that each value of a normalised row belongs to."""
        groups = tuple(i for i in self.categorical for _ in range(self.categories[i]))
        return self.numeric + self.indicated + groups

    @property
    def predicted(self) -> tuple[int, ...]:
        """Positions of all but indicators of missing values in a normalised row: what a hidden cell may be."""
        start = len(self.numeric)
        return (*range(start), *range(start + len(self.indicated), len(self.owner)))

    def preprocess(self) -> nn.Module:
        """Raw rows to normalised `(n, d)`."""
        return _Encode(self)

    def restore(self, x: Tensor) -> Tensor:
        """Normalised rows to raw units; a category is the code of its largest indicator, and of zeros it is missing."""
        raw = x.new_empty((len(x), *self.shape))
        numeric, _, groups = self._parts(x)
        raw[:, list(self.numeric)] = self._standardise().to(x.device).inverse(numeric)
        for column, group in zip(self.categorical, groups):
            raw[:, column] = torch.where(group.any(dim=1), group.argmax(dim=1).to(raw), torch.nan)
        return raw

    def encoder(self, dim: int, width: int = 32) -> nn.Module:
        """A perceptron with two hidden layers."""
        return MLP(len(self.owner), _HIDDEN * width, _HIDDEN * width, dim)

    def decoder(self, dim: int, width: int = 32) -> nn.Module:
        """The mirror of the encoder."""
        return MLP(dim, _HIDDEN * width, _HIDDEN * width, len(self.owner))

    def autoencoders(self) -> dict[str, NetworkPair]:
        """Fully connected, or a transformer over cells."""

        def transformer(dim: int, width: int) -> tuple[nn.Module, nn.Module]:
            output = Uncells(self.owner, width)
            return self.part_encoder(dim, width), TransformerDecoder(output, len(self.names), dim, width)

        return {
            "fully-connected": lambda dim, width: (self.encoder(dim, width), self.decoder(dim, width)),
            "transformer": transformer,
        }

    def part_encoder(self, dim: int, width: int = 64) -> nn.Module:
        """A transformer over cells that skips the hidden ones.

        References:
            Du et al., ReMasker: Imputing Tabular Data with Masked Autoencoding, 2024, https://arxiv.org/abs/2309.13793
        """
        return TransformerEncoder(Cells(self.owner, width), len(self.names), dim, width)

    def part_decoder(self, dim: int, width: int = 64) -> nn.Module:
        """A lighter transformer, with a learnt vector at hidden cells."""
        output = Uncells([self.owner[j] for j in self.predicted], width)
        return TransformerDecoder(output, len(self.names), dim, width, tokens=True)

    def present(self, x: Tensor) -> Tensor:
        """The cells that are not known to be missing."""
        _, indicators, groups = self._parts(x)
        present = torch.ones(len(x), len(self.names), dtype=torch.bool, device=x.device)
        present[:, list(self.indicated)] = indicators == 0
        for column, group in zip(self.categorical, groups):
            present[:, column] = group.any(dim=1)
        return present

    def hide(self, x: Tensor, hidden: Tensor, generator: torch.Generator) -> Tensor:
        """The rows as they are."""
        del hidden, generator
        return x

    def masked_loss(self, x_hat: Tensor, x: Tensor, hidden: Tensor) -> Tensor:
        """Mean over hidden cells of squared error (numbers) and cross-entropy (categories)."""
        numeric, _, groups = self._parts(x)
        numeric_hat, *groups_hat = torch.split(x_hat, self._sizes, dim=1)
        loss = ((numeric_hat - numeric).square() * hidden[:, list(self.numeric)]).sum()
        for column, group_hat, group in zip(self.categorical, groups_hat, groups):
            loss = loss - (hidden[:, [column]] * group * F.log_softmax(group_hat, dim=1)).sum()
        return mean_of(loss, hidden.sum())

    def fill(self, x_hat: Tensor, x: Tensor, hidden: Tensor) -> Tensor:
        """The predicted number or the likeliest category in hidden cells, and the row elsewhere."""
        numeric, *groups = torch.split(x_hat, self._sizes, dim=1)
        likeliest = [F.one_hot(group.argmax(dim=1), group.shape[1]).to(x) for group in groups]
        predicted, filled = list(self.predicted), x.clone()
        owner = [self.owner[j] for j in predicted]
        filled[:, predicted] = torch.where(hidden[:, owner], torch.cat([numeric, *likeliest], dim=1), x[:, predicted])
        return filled

    def restorer(self, width: int = 32) -> nn.Module:
        """A perceptron with two hidden layers."""
        return RowRestorer(len(self.owner), _HIDDEN * width)

    def observed(self, x: Tensor) -> Tensor:
        """All that belongs to cells which are not NaN: `(n, d)`."""
        return ~torch.isnan(x)[:, list(self.owner)]

    def noise_level(self, sigma: float) -> Tensor:
        """One of each numeric column, and 0 for what is no number: `(1, d)`."""
        level = torch.zeros(1, len(self.owner))
        level[0, : len(self.numeric)] = sigma / torch.tensor([self.std[i] for i in self.numeric])
        return level

    def holes(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Cells at a random rate."""
        cells = uniform(generator, (len(x), len(self.names)), 0, 1, x) < uniform(generator, (len(x), 1), 0, 1, x)
        return cells[:, list(self.owner)]

    def restoration_loss(self, x_hat: Tensor, x: Tensor, known: Tensor) -> Tensor:
        """Mean over known cells of squared error (numbers) and cross-entropy (categories)."""
        numeric, _, groups = self._parts(x)
        numeric_hat, _, groups_hat = self._parts(x_hat)
        count, _, known_groups = self._parts(known)
        loss = ((numeric_hat - numeric).square() * count).sum()
        for group_hat, group, known_group in zip(groups_hat, groups, known_groups):
            loss = loss - (known_group * group * F.log_softmax(group_hat, dim=1)).sum()
        return loss / (count.sum() + sum(group[:, 0].sum() for group in known_groups)).clamp(min=1)

    def view(self, x: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
        """Random cells replaced by those of other rows in the batch, a draw from each column's own distribution.

        References:
            Bahri et al., SCARF: Self-Supervised Contrastive Learning using Random Feature Corruption, 2022,
            https://arxiv.org/abs/2106.15147
        """
        cells = (len(x), len(self.names))
        replaced = torch.rand(cells, generator=generator, device=generator.device) < _CORRUPTION * strength
        others = whole_batch(x)
        rows = torch.randint(len(others), cells, generator=generator, device=generator.device)
        # Everything that belongs to a column is replaced together.
        owner = torch.tensor(self.owner, device=generator.device)
        return torch.where(replaced[:, owner].to(x.device), others.gather(0, rows[:, owner].to(x.device)), x)

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """Mean over columns of squared error (numeric) and cross-entropy (indicators, groups of indicators).

        A missing category, a group of zeros, counts nothing.
        """
        numeric, indicators, groups = self._parts(x)
        numeric_hat, indicators_hat, groups_hat = self._parts(x_hat)
        loss = (numeric_hat - numeric).square().sum()
        loss = loss + F.binary_cross_entropy_with_logits(indicators_hat, indicators, reduction="sum")
        for group_hat, group in zip(groups_hat, groups):
            loss = loss - (group * F.log_softmax(group_hat, dim=1)).sum()
        return loss / (len(x) * (len(self.names) + len(self.indicated)))

    def draw(self, sample: Floats) -> str:
        """A bar per column: deviation from the mean, or position among the categories."""
        width, height = _DRAWN
        shown = min(len(self.names), _BARS)
        step, middle, bars = width / shown, height / 2, []
        for i in range(shown):
            value = float(sample[i])
            if np.isnan(value):
                continue
            if self.categories[i]:
                z = _REACH * (2 * (value + 0.5) / self.categories[i] - 1)
            else:
                z = (value - self.mean[i]) / self.std[i]
            length = min(abs(z), _REACH) / _REACH * (middle - 1)
            bars.append(
                f'<rect x="{i * step:.1f}" y="{middle - (length if z > 0 else 0):.1f}" width="{0.8 * step:.1f}" '
                f'height="{length:.1f}" fill="{"#1f77b4" if z > 0 else "#d95f02"}">'
                f"<title>{escape(self.names[i])}: {value:.4g}</title></rect>"
            )
        return svg(width, height, f'<path d="M0 {middle:g}H{width}" stroke="#999" stroke-width="0.5"/>{"".join(bars)}')

    def students(self, n_classes: int) -> tuple[Student, ...]:
        """Perceptrons from large to tiny, and a linear map as the tiniest."""
        linear = Student.of("linear", lambda: nn.Linear(len(self.owner), n_classes))
        return (*super().students(n_classes), linear)

    def _standardise(self) -> Standardise:
        numeric = self.numeric
        return Standardise([self.mean[i] for i in numeric], [self.std[i] for i in numeric], axes=2)

    @property
    def _sizes(self) -> list[int]:
        return [len(self.numeric), *(self.categories[i] for i in self.categorical)]

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        n_numeric, *n_categories = self._sizes
        sizes = [n_numeric, len(self.indicated), *n_categories]
        numeric, indicators, *groups = torch.split(x, sizes, dim=1)
        return numeric, indicators, tuple(groups)


class _Encode(nn.Module):
    numeric: Tensor
    indicated: Tensor
    categorical: Tensor
    codes: Tensor

    def __init__(self, table: Table) -> None:
        super().__init__()
        groups = [i for i in table.categorical for _ in range(table.categories[i])]
        codes = [float(code) for i in table.categorical for code in range(table.categories[i])]
        self.standardise = table._standardise()
        self.register_buffer("numeric", torch.tensor(table.numeric, dtype=torch.long))
        self.register_buffer("indicated", torch.tensor(table.indicated, dtype=torch.long))
        self.register_buffer("categorical", torch.tensor(groups, dtype=torch.long))
        self.register_buffer("codes", torch.tensor(codes, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        # A part without columns is left out: not every runtime accepts a tensor of no columns.
        parts = []
        if len(self.numeric):
            parts.append(self.standardise(x.index_select(1, self.numeric)))
        if len(self.indicated):
            parts.append(torch.isnan(x.index_select(1, self.indicated)).to(x.dtype))
        if len(self.codes):
            # NaN equals no code, so a missing category becomes zeros without a case of its own.
            parts.append((x.index_select(1, self.categorical) == self.codes).to(x.dtype))
        return torch.cat(parts, dim=1)
