"""Networks on token ids, where 0 is padding: more of it changes no output."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_KERNEL = 3
_INITIAL = 0.1  # standard deviation of a fresh vector: small, so that the sum over a text starts small


class Tokens(nn.Module):
    """A learnt vector for each token, and which tokens are there.

    Arguments:
        vocabulary: number of ids.
        width: length of each vector.

    Example:
        >>> vectors, present = Tokens(10, 4)(torch.tensor([[3.0, 2.0, 0.0]]))
        >>> vectors.shape, present
        (torch.Size([1, 3, 4]), tensor([[ True,  True, False]]))
    """

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.table.weight, std=_INITIAL)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map ids `(n, length)`, of any type, to `(n, length, width)` and bool `(n, length)`."""
        present = x != 0
        return self.table(x.long()) * present.unsqueeze(2), present


class TokenConvNet(nn.Module):
    """Token vectors and what a convolution makes of each with its neighbours, pooled over the text.

    h = ReLU(conv(e)),  z = W [mean e, mean h, max h]

    References:
        Kim, Convolutional Neural Networks for Sentence Classification, 2014, https://arxiv.org/abs/1408.5882

    Arguments:
        vocabulary: number of ids.
        dim: length of z.
        width: length of a token's vector e, half that of h.

    Example:
        >>> TokenConvNet(100, dim=16)(torch.zeros(5, 12)).shape
        torch.Size([5, 16])
    """

    def __init__(self, vocabulary: int, dim: int, width: int = 32) -> None:
        super().__init__()
        self.tokens = Tokens(vocabulary, width)
        self.conv = nn.Conv1d(width, 2 * width, _KERNEL, padding=_KERNEL // 2)
        self.last = nn.Linear(5 * width, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ids `(n, length)` to `(n, dim)`."""
        vectors, present = self.tokens(x)
        vectors, there = vectors.transpose(1, 2), present.unsqueeze(1).to(vectors.dtype)
        h = torch.relu(self.conv(vectors)) * there
        count = there.sum(dim=2).clamp(min=1)
        z: Tensor = self.last(torch.cat([vectors.sum(dim=2) / count, h.sum(dim=2) / count, h.amax(dim=2)], dim=1))
        return z


class TokenBag(nn.Module):
    """A vector for each token, and their mean: z = 1/n Σᵢ W[xᵢ].

    References:
        Joulin et al., Bag of Tricks for Efficient Text Classification, 2017, https://arxiv.org/abs/1607.01759

    Arguments:
        vocabulary: number of ids.
        dim: length of z.

    Example:
        >>> TokenBag(100, 6)(torch.zeros(5, 12)).shape
        torch.Size([5, 6])
    """

    def __init__(self, vocabulary: int, dim: int) -> None:
        super().__init__()
        self.tokens = Tokens(vocabulary, dim)
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Encode ids `(n, length)` to `(n, dim)`."""
        vectors, present = self.tokens(x)
        z: Tensor = vectors.sum(dim=1) / present.sum(dim=1, keepdim=True).clamp(min=1) + self.bias
        return z


class TokenDecoder(nn.Module):
    """From a representation back to a text: scores of each token at each place.

    Arguments:
        vocabulary: number of ids.
        length: of a text.
        dim: of the representation.
        width: length of the vector at each place.

    Example:
        >>> TokenDecoder(100, 12, dim=16)(torch.zeros(5, 16)).shape
        torch.Size([5, 12, 100])
    """

    def __init__(self, vocabulary: int, length: int, dim: int, width: int = 32) -> None:
        super().__init__()
        self.length = length
        self.places = nn.Linear(dim, length * width)
        self.scores = nn.Sequential(nn.GELU(), nn.Linear(width, vocabulary))

    def forward(self, z: Tensor) -> Tensor:
        """Decode `(n, dim)` to `(n, length, vocabulary)`."""
        x_hat: Tensor = self.scores(self.places(z).unflatten(1, (self.length, -1)))
        return x_hat


class HiddenTokens(nn.Module):
    """Scores of each token at hidden places, and only there: they are few, and a vocabulary is large.

    Arguments:
        vocabulary: number of ids.
        dim: length of the vector at each place.
        width: of the layer between.

    Example:
        >>> hidden = torch.tensor([[True, False], [True, True]])
        >>> HiddenTokens(100, 8, 16)(torch.zeros(2, 2, 8), hidden).shape
        torch.Size([3, 100])
    """

    def __init__(self, vocabulary: int, dim: int, width: int) -> None:
        super().__init__()
        self.scores = nn.Sequential(nn.Linear(dim, width), nn.GELU(), nn.LayerNorm(width), nn.Linear(width, vocabulary))

    def forward(self, z: Tensor, hidden: Tensor, x: Tensor | None = None) -> Tensor:
        """Decode `(n, length, dim)` to `(hidden places, vocabulary)`, in the order of the samples and their places."""
        del x
        x_hat: Tensor = self.scores(z[hidden])
        return x_hat
