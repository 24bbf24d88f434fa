"""The scores together: one number for how odd a sample is, learnt without a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from attar.density._normal_scores import NormalScores
from attar.density._scores import Isolation, Mahalanobis, MixtureScore, Neighbours, Residual, Score, Tails, principal
from attar.density.base import AnyFloats

# Samples thought normal, as a share. The half is also what a covariance of highest breakdown rests on.
CORE = 0.5
NEAREST = 5
# Beyond so many columns, as many principal components stand for them, of few samples half as many as these, and the
# length of what is left.
WIDEST = 128
# Of a standardised value; its square, summed over the columns, stays far from the largest float.
FARTHEST = 1e6
# A column that varies by less than this, as a share of its size, is constant up to rounding.
CONSTANT = 1e-12
# In a column of one value, what differs from it by more than this share of its size is more than rounding of float32,
# and counts as at least so many standard deviations.
ROUNDING, OUT = 1e-6, 3.0


@dataclass(frozen=True)
class Scaling:
    """Columns with mean 0 and standard deviation 1; a missing value is the column's median.

    In a column that has one value, any other is put `OUT` standard deviations farther out.
    """

    median: AnyFloats
    size: AnyFloats
    mean: AnyFloats
    deviation: AnyFloats
    # What is added to every deviation from the mean: 0 where the column varies.
    least: AnyFloats

    @classmethod
    def learn(cls, x: AnyFloats) -> Self:
        """From samples `(n, d)`, NaN where a value is missing."""
        missing = np.isnan(x)
        filled = np.where(missing.all(axis=0), 0.0, x)
        median = np.nanmedian(filled, axis=0)
        filled = np.where(np.isnan(filled), median, filled)
        # First to size 1, since squares of what is to be scaled may be too large or too small for a float.
        size = np.abs(filled).max(axis=0)
        size = np.where(size > 0, size, 1.0)
        scaled = filled / size
        deviation = scaled.std(axis=0)
        varies = deviation > CONSTANT
        least = np.where(varies, 0.0, OUT)
        return cls(median, size, scaled.mean(axis=0), np.where(varies, deviation, 1.0), least)

    def __call__(self, x: AnyFloats) -> AnyFloats:
        """`(n, d)`, finite."""
        filled = np.where(np.isnan(x), self.median, x)
        with np.errstate(over="ignore"):
            z = (filled / self.size - self.mean) / self.deviation
        z = np.where(self.least > 0, (z + self.least * np.sign(z)) * (np.abs(z) > ROUNDING), z)
        return np.clip(z, -FARTHEST, FARTHEST)


@dataclass(frozen=True)
class Narrowing:
    """Many columns as their leading principal components, and the distance of a sample from what these span."""

    mean: AnyFloats
    directions: AnyFloats

    @classmethod
    def learn(cls, x: AnyFloats) -> Self:
        """From samples `(n, d)`."""
        mean = x.mean(axis=0)
        few = len(x) < x.shape[1]
        directions = np.linalg.svd(x - mean, full_matrices=False)[2][::-1].T if few else principal(x)[2]
        # With as many directions as samples, nothing would be left of these, and much of any new one.
        return cls(mean, directions[:, -min(WIDEST, len(x) // 2) :])

    def __call__(self, x: AnyFloats) -> AnyFloats:
        """`(n, k + 1)` for k directions."""
        centred = x - self.mean
        z = centred @ self.directions
        left = np.sqrt(np.maximum(np.square(centred).sum(1) - np.square(z).sum(1), 0))
        return np.column_stack([z, left])


@dataclass(frozen=True)
class Views:
    """The same samples thrice: standardised columns, few columns, and these by ranks."""

    scaling: Scaling
    narrowing: Narrowing | None
    ranks: tuple[NormalScores, ...]

    @classmethod
    def learn(cls, x: AnyFloats) -> Self:
        """From samples `(n, d)`."""
        scaling = Scaling.learn(x)
        z = scaling(x)
        narrowing = Narrowing.learn(z) if z.shape[1] > WIDEST else None
        return cls(scaling, narrowing, tuple(map(NormalScores.learn, (narrowing(z) if narrowing else z).T)))

    def __call__(self, x: AnyFloats) -> dict[str, AnyFloats]:
        """Each `(n, ...)`, by name."""
        wide = self.scaling(x)
        narrow = self.narrowing(wide) if self.narrowing else wide
        ranks = np.column_stack([scores(column) for scores, column in zip(self.ranks, narrow.T, strict=True)])
        return {"wide": wide, "narrow": narrow, "ranks": ranks}


@dataclass(frozen=True)
class Group:
    """Scores of one family as one: the normal score of the mean of their normal scores."""

    scores: tuple[tuple[Score, str, NormalScores], ...]
    to_normal: NormalScores

    @classmethod
    def learn(cls, scores: list[tuple[Score, str]], views: dict[str, AnyFloats]) -> tuple[Self, AnyFloats]:
        """From scores and the name of the view of each; with the value of the samples themselves `(n,)`."""
        values = [score(views[view]) for score, view in scores]
        maps = [NormalScores.learn(value) for value in values]
        mean = np.mean([to_normal(value) for to_normal, value in zip(maps, values, strict=True)], axis=0)
        whole = NormalScores.learn(mean)
        return cls(tuple((*score, each) for score, each in zip(scores, maps, strict=True)), whole), whole(mean)

    def __call__(self, views: dict[str, AnyFloats]) -> AnyFloats:
        """`(n,)`."""
        return self.to_normal(np.mean([each(score(views[view])) for score, view, each in self.scores], axis=0))


@dataclass(frozen=True)
class Ensemble:
    r"""How odd a sample is: three families of scores, most of which know only the more normal half of the samples.

    Unlabelled samples hold the odd ones that are looked for, and those stretch a covariance, are each other's
    neighbours and get a component of a mixture. So there are two rounds. In the first, scores learn from all
    samples; in the second, all but isolation learn from the half that was least odd in the first:

    ===========  ===================================================================
    columns      isolation forest; tail probabilities of each column
    neighbours   mean distance to the 5 nearest, standardised; the same among ranks
    all at once  mixture of normals; Mahalanobis distance among ranks; squared error
                 of reconstruction from the principal components
    ===========  ===================================================================

    Families speak with the same weight, and so do the scores in one, each as the normal quantile of its rank.

    References:
        A fast algorithm for the minimum covariance determinant estimator (Rousseeuw, Van Driessen, 1999).
        Theoretical Foundations and Algorithms for Outlier Ensembles (Aggarwal, Sathe, 2015).
        https://doi.org/10.1145/2830544.2830549
    """

    views: Views
    families: tuple[Group, ...]

    @classmethod
    def learn(cls, x: AnyFloats, seed: int) -> Self:
        """From samples `(n, d)`, at least four."""
        learnt = Views.learn(x)
        views = learnt(x)
        narrow, ranks = views["narrow"], views["ranks"]
        isolation = Isolation.learn(views["wide"], seed)
        near = int(np.sqrt(len(x)))
        _, first = Group.learn(
            [
                (Neighbours.learn(narrow, near), "narrow"),
                (Neighbours.learn(ranks, near), "ranks"),
                (Mahalanobis.learn(narrow), "narrow"),
                (MixtureScore.learn(narrow, seed), "narrow"),
                (isolation, "wide"),
                (Tails.learn(views["wide"]), "wide"),
            ],
            views,
        )
        core = np.argsort(first, kind="stable")[: max(2, int(np.ceil(CORE * len(x))))]
        families: list[list[tuple[Score, str]]] = [
            [(isolation, "wide"), (Tails.learn(views["wide"][core]), "wide")],
            [
                (Neighbours.learn(narrow[core], NEAREST), "narrow"),
                (Neighbours.learn(ranks[core], NEAREST), "ranks"),
            ],
            [
                (MixtureScore.learn(narrow[core], seed), "narrow"),
                (Mahalanobis.learn(ranks[core]), "ranks"),
                (Residual.learn(narrow[core]), "narrow"),
            ],
        ]
        return cls(learnt, tuple(Group.learn(family, views)[0] for family in families))

    def __call__(self, x: AnyFloats) -> AnyFloats:
        """`(n,)`, larger for odder samples `(n, d)`."""
        views = self.views(x)
        mean: AnyFloats = np.mean([family(views) for family in self.families], axis=0)
        return mean
