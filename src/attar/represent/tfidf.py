"""Term frequency times inverse document frequency, and its leading singular directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from torch import Tensor, nn

from attar.errors import DataError
from attar.kinds import kind_of
from attar.represent.base import FloatArray, Representation

if TYPE_CHECKING:
    from attar.kinds.base import Kind

# Multipliers of a hash of pairs.
_PRIMES = (7919, 104729)


class TfIdf(Representation):
    """How often each token occurs in a sample, weighted by how few samples have it (latent semantic analysis with dim).

    wₜ = tf(t, x) · (ln((1 + n) / (1 + df(t))) + 1),  u = w / ‖w‖,  z = Vᵀ u

    With `buckets`, each pair of neighbouring tokens counts as one more token; pairs are told apart up to a hash.

    V holds the right singular vectors of all u, of the largest singular values. It equals scikit-learn's
    `TfidfVectorizer` and `TruncatedSVD` on the same tokens.

    References:
        Deerwester et al., Indexing by latent semantic analysis, 1990,
        https://doi.org/10.1002/(SICI)1097-4571(199009)41:6%3C391::AID-ASI1%3E3.0.CO;2-9
        Weinberger et al., Feature Hashing for Large Scale Multitask Learning, 2009, https://arxiv.org/abs/0902.2206

    Arguments:
        dim: number of singular vectors; None: z = u. At most as many as there are samples or tokens less one.
        buckets: that pairs of neighbours are hashed into; 0: tokens count alone.
        kind: whose normalised samples are rows of codes, 0 for none; "text", or a kind that has already learnt.
        random_state: seed of the randomised decomposition.

    Attributes:
        idf_: weight of each code `(codes,)`, 0 for a code that no sample has.

    Example:
        >>> X = np.array([[5, 6, 6], [6, 7, np.nan], [5, 5, 7], [7, 5, 6]], dtype=np.float32)
        >>> TfIdf(2, random_state=0).fit_transform(X).shape
        (4, 2)
    """

    def __init__(
        self,
        dim: int | None = 128,
        *,
        buckets: int = 0,
        kind: str | Kind = "text",
        random_state: int | None = None,
    ) -> None:
        self.dim = dim
        self.buckets = buckets
        self.kind = kind
        self.random_state = random_state

    def _fit(self, X: FloatArray) -> None:
        preprocess = kind_of(self.kind, X).preprocess()
        with torch.no_grad():
            codes = preprocess(torch.tensor(X)).numpy()
        if codes.ndim != 2 or (codes < 0).any() or (codes != np.rint(codes)).any():
            raise DataError("the samples are no rows of codes; use TF-IDF on texts")
        if self.buckets:
            pairs = _Pairs(int(codes.max()) + 1, self.buckets)
            preprocess = nn.Sequential(preprocess, pairs)
            codes = pairs(torch.from_numpy(codes)).numpy()
        count = _counts(codes.astype(np.int64))
        document_frequency = np.bincount(count.indices, minlength=count.shape[1])
        self.idf_ = np.where(document_frequency > 0, np.log((1 + len(X)) / (1 + document_frequency)) + 1, 0.0)
        if self.dim is None:
            self.dim_ = count.shape[1]
            self._module = nn.Sequential(preprocess, _Weighted(self.idf_)).eval()
            return
        u = count.multiply(self.idf_).tocsr()
        lengths = np.sqrt(np.asarray(u.multiply(u).sum(axis=1)).ravel())
        u = sparse.diags(1 / np.maximum(lengths, np.finfo(float).tiny)) @ u
        self.dim_ = max(1, min(self.dim, len(X) - 1, count.shape[1] - 1))
        components = TruncatedSVD(self.dim_, random_state=self.random_state).fit(u).components_
        self._module = nn.Sequential(preprocess, _Projected(self.idf_, components)).eval()

    @property
    def module_(self) -> nn.Module:
        """From raw samples `(n, length)` to `(n, dim_)`."""
        return self._module


def _counts(codes: np.ndarray) -> sparse.csr_matrix:
    """How often each code but 0 occurs in each sample `(n, codes)`."""
    rows, places = np.nonzero(codes)
    found = codes[rows, places]
    counts = sparse.csr_matrix((np.ones(len(found)), (rows, found)), shape=(len(codes), max(int(codes.max()), 1) + 1))
    counts.sum_duplicates()
    return counts


class _Pairs(nn.Module):
    """Codes, and after them a code for each pair of neighbours that both are there."""

    def __init__(self, first: int, buckets: int) -> None:
        super().__init__()
        self.first, self.buckets = first, buckets

    def forward(self, x: Tensor) -> Tensor:
        # A code that no training sample had must not be taken for a pair.
        x = torch.where(x < self.first, x, 0.0)
        left, right = x[:, :-1].long(), x[:, 1:].long()
        pairs = self.first + (left * _PRIMES[0] + right * _PRIMES[1]) % self.buckets
        return torch.cat([x, torch.where((left != 0) & (right != 0), pairs, 0).to(x.dtype)], dim=1)


class _Codes(nn.Module):
    """Codes as integers, those that no training sample had as 0."""

    idf: Tensor

    def __init__(self, idf: FloatArray) -> None:
        super().__init__()
        self.register_buffer("idf", torch.tensor(idf, dtype=torch.float32))

    def codes(self, x: Tensor) -> Tensor:
        return torch.where(x < len(self.idf), x, 0.0).long()


class _Weighted(_Codes):
    def forward(self, x: Tensor) -> Tensor:
        codes = self.codes(x)
        zeros = torch.zeros(1, len(self.idf), dtype=x.dtype, device=x.device).expand(x.shape[0], -1)
        w = zeros.scatter_add(1, codes, self.idf[codes])
        z: Tensor = w / w.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return z


class _Projected(_Codes):
    table: Tensor

    def __init__(self, idf: FloatArray, components: FloatArray) -> None:
        super().__init__(idf)
        self.register_buffer("table", torch.tensor((components * idf).T.copy(), dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        codes = self.codes(x)
        weight = self.idf[codes]
        # ‖w‖² = Σₜ (tf · idf)² = Σᵢ idf(xᵢ)² tf(xᵢ), without the long vector w.
        often = (codes.unsqueeze(2) == codes.unsqueeze(1)).to(x.dtype).sum(dim=2)
        length = (weight * weight * often).sum(dim=1, keepdim=True).sqrt()
        z: Tensor = self.table[codes].sum(dim=1) / length.clamp(min=1e-12)
        return z
