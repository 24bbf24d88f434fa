"""Term frequency times inverse document frequency, and its leading singular directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from torch import Tensor, nn

from attar._settings import check_counts
from attar.errors import DataError
from attar.kinds import kind_of
from attar.represent._parts import FloatArray
from attar.represent.base import Representation
from attar.training.modes import usual_defaults

if TYPE_CHECKING:
    from attar.kinds.base import Kind

IntArray = npt.NDArray[np.int64]

# Samples that are counted at once.
_CHUNK = 1024
# The term of samples that have none, as lines of punctuation: no code is as high.
_NEVER = 2**62
# A term that one sample alone has says nothing about others.
_RAREST = 2


class TfIdf(Representation):
    """How often each term occurs in a sample, weighted by how few samples have it (latent semantic analysis with dim).

    wₜ = (1 + ln tf(t, x)) · (ln((1 + n) / (1 + df(t))) + 1) where tf(t, x) > 0,  u = w / ‖w‖,  z = Vᵀ u

    V holds the right singular vectors of all u, of the largest singular values. It equals scikit-learn's
    `TfidfVectorizer` (with sublinear_tf) and `TruncatedSVD` on the same terms. Terms are what the kind counts: of a
    text words, pairs of neighbouring words, and a few letters in a row. Those that one sample alone has are left out,
    and the rarest of too many.

    References:
        Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988,
        https://doi.org/10.1016/0306-4573(88)90021-0
        Deerwester et al., Indexing by latent semantic analysis, 1990,
        https://doi.org/10.1002/(SICI)1097-4571(199009)41:6%3C391::AID-ASI1%3E3.0.CO;2-9

    Arguments:
        dim: number of singular vectors; None: z = u. At most as many as there are samples or terms less one.
        terms: at most so many are counted, those of the most samples.
        kind: whose normalised samples have terms; "text", to which each token is a term, or a kind that has learnt
            with a tokenizer, as below.
        random_state: seed of the randomised decomposition.

    Attributes:
        terms_: code of each term that is counted, sorted `(terms,)`.
        idf_: its weight `(terms,)`.
        words_: which of them the kind takes for words, bool `(terms,)`.

    Example:
        >>> from attar import kinds
        >>> from attar.data.arrays import from_arrays
        >>> texts = from_arrays(["the dog ran", "the cat ran", "a dog sat", "a cat sat down"])
        >>> kind = kinds.of("text").learn(texts.x, texts.columns)
        >>> TfIdf(2, kind=kind, random_state=0).fit_transform(texts.x).shape
        (4, 2)
    """

    def __init__(
        self,
        dim: int | None = 256,
        *,
        terms: int = 16384,
        kind: str | Kind = "text",
        random_state: int | None = None,
    ) -> None:
        self.dim = dim
        self.terms = terms
        self.kind = kind
        self.random_state = random_state

    @usual_defaults()
    def _fit(self, X: FloatArray) -> None:
        check_counts(self, "terms", *(() if self.dim is None else ("dim",)))
        kind = kind_of(self.kind, X)
        to_codes = nn.Sequential(kind.preprocess(), kind.terms()).eval()
        rows, codes, often = _counted(to_codes, X)
        terms, place, frequency = np.unique(codes, return_inverse=True, return_counts=True)
        kept = np.sort(_most_frequent(frequency, self.terms))
        self.terms_ = terms[kept] if len(kept) else np.array([_NEVER])
        self.words_ = kind.words(self.terms_)
        found = frequency[kept] if len(kept) else np.zeros(1)
        self.idf_ = np.log((1 + len(X)) / (1 + found)) + 1
        lookup = _Frequencies(to_codes, self.terms_, self.idf_)
        if self.dim is None or len(kept) < 2:
            self.dim_ = len(self.terms_)
            self._module = nn.Sequential(lookup).eval()
            return
        column = np.full(len(terms), -1)
        column[kept] = np.arange(len(kept))
        counts = column[place] >= 0
        rows, columns = rows[counts], column[place[counts]]
        weights = (1 + np.log(often[counts])) * self.idf_[columns]
        w = sparse.csr_matrix((weights, (rows, columns)), shape=(len(X), len(kept)))
        lengths = np.sqrt(np.asarray(w.multiply(w).sum(axis=1)).ravel())
        u = sparse.diags(1 / np.maximum(lengths, np.finfo(float).tiny)) @ w
        self.dim_ = max(1, min(self.dim, len(X) - 1, len(kept) - 1))
        # It divides by the variance, which of samples that are all the same is none; that share is not asked for.
        with np.errstate(invalid="ignore", divide="ignore"):
            components = TruncatedSVD(self.dim_, random_state=self.random_state).fit(u).components_
        self._module = nn.Sequential(lookup, _Projection(components)).eval()


def _counted(to_codes: nn.Module, X: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Each sample that has a term, the code of the term, and how often it occurs there; three of `(pairs,)`."""
    parts = []
    for start in range(0, len(X), _CHUNK):
        with torch.no_grad():
            codes = to_codes(torch.tensor(X[start : start + _CHUNK])).numpy()
        if codes.ndim != 2 or (codes < 0).any() or (codes != np.rint(codes)).any():
            raise DataError("the samples are no rows of codes; use TF-IDF on texts")
        # Where the next code of a sample begins, of its codes in ascending order; the first are the zeros of none.
        codes = np.sort(codes, axis=1)
        rows, places = np.nonzero(np.diff(codes, axis=1, prepend=-1))
        often = np.diff(rows * codes.shape[1] + places, append=codes.size)
        terms = codes[rows, places].astype(np.int64)
        parts.append(np.stack([rows + start, terms, often])[:, terms > 0])
    rows, codes, often = np.concatenate(parts, axis=1)
    return rows, codes, often


def _most_frequent(frequency: IntArray, most: int) -> IntArray:
    """Indices of the terms that are kept; all of them where each is in one sample alone."""
    order = np.argsort(-frequency, kind="stable")[:most]
    shared = order[frequency[order] >= _RAREST]
    return shared if len(shared) else order


class _Frequencies(nn.Module):
    """Raw samples to u `(n, terms)`."""

    terms: Tensor
    idf: Tensor

    def __init__(self, to_codes: nn.Module, terms: IntArray, idf: FloatArray) -> None:
        super().__init__()
        self.to_codes = to_codes
        # The last entry is no term: it counts all codes that are none of these.
        self.register_buffer("terms", torch.tensor([*terms.tolist(), 0]))
        self.register_buffer("idf", torch.tensor(idf, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        codes = self.to_codes(x).long()
        size = len(self.idf)
        # Binary search for the last term that is not above the code: ONNX has none of its own.
        place = torch.zeros_like(codes)
        for step in reversed(range(size.bit_length())):
            further = place + 2**step
            ahead = further.clamp(max=size)
            place = torch.where((further < size) & (self.terms[ahead] <= codes), further, place)
        place = torch.where(self.terms[place] == codes, place, size)
        zeros = torch.zeros(1, size + 1, dtype=torch.float32, device=x.device).expand(x.shape[0], -1)
        often = zeros.scatter_add(1, place, torch.ones_like(place, dtype=torch.float32))[:, :-1]
        w = torch.where(often > 0, 1 + often.clamp(min=1).log(), 0.0) * self.idf
        u: Tensor = w / w.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return u


class _Projection(nn.Module):
    table: Tensor

    def __init__(self, components: FloatArray) -> None:
        super().__init__()
        self.register_buffer("table", torch.tensor(components.T.copy(), dtype=torch.float32))

    def forward(self, u: Tensor) -> Tensor:
        return u @ self.table
