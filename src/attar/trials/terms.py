"""Heads on how often each term occurs in a sample."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import nn

from attar.adapt.bayes import NaiveBayes
from attar.adapt.heads import MeanOfHeads, linear_head
from attar.adapt.probe import LinearProbe
from attar.adapt.selftrain import SelfTrainedProbe
from attar.adapt.validate import Indices
from attar.data.dataset import Doubles
from attar.run import Result
from attar.trials.base import Fitted, Job, apply, writer
from attar.trials.heads import Represented, linear, remembered, self_trained, taught_by

if TYPE_CHECKING:
    from attar.represent import TfIdf

# What naive Bayes takes for the length of a sample, whose weights have length one: with that of the sample itself it
# would be sure of all long ones. On 20 sets of texts 5 and 8 were equally good.
_LENGTH = 8.0
# Samples whose weights are held at once, most of which are zero.
_PART = 1024


def heads_on_terms(job: Job, name: str, tfidf: TfIdf, folder: Path) -> Result:
    """A linear head on singular vectors, one that trains itself, and the mean of that and naive Bayes on words.

    The latter begins with what the former says of all samples. Each is linear in the weights of terms, and its file has
    a table of terms and classes alone: singular vectors are needed to learn, and not to predict.
    """
    start = time.perf_counter()
    samples = _OnTerms(job, name, tfidf.module_)
    probe = LinearProbe(random_state=job.seed).fit(samples.z, job.codes)
    trained = SelfTrainedProbe(random_state=job.seed).fit_pool(samples.pool, job.taught(job.y)[samples.pooled])
    placed, *said = samples.of_all(samples.frame.place, probe.predict_proba, trained.predict_proba)
    fits, z, left_out = _fits(samples), samples.z, {}
    alone = replace(
        self_trained(samples, trained, said[1]),
        answer=lambda parts: [head.predict_proba(z) for head in fits(parts)],
    )
    fitted = [linear(samples, probe, said[0]), alone]
    if tfidf.words_.any():
        fitted[1:] = [
            replace(alone, rank=alone.rank + 1),
            _with_words(samples, alone.rank, fits, trained, said[1], tfidf.words_),
        ]
    else:
        left_out[_named(name)] = "no word is in two samples"
    return samples.finished(fitted, probe, folder, placed, start, left_out, baseline=True)


@dataclass(frozen=True)
class _OnTerms(Represented):
    def writer(self, head: nn.Module) -> Callable[[Path], None]:
        """What exports a linear head, as one on the weights of terms."""
        return writer(self.job, self.lookup, self.of_weights(head))

    @property
    def lookup(self) -> nn.Module:
        """From raw samples to the weights of their terms."""
        (lookup, *_) = self.module.children()
        return lookup

    def of_weights(self, head: nn.Module) -> nn.Linear:
        """A linear head on singular vectors, as one on the weights themselves."""
        assert isinstance(head, nn.Linear)
        (_, *projection) = self.module.children()
        with torch.no_grad():
            rows = head.weight.double()
            for each in projection:
                rows = rows @ each.get_buffer("table").double().T
        return linear_head(rows.numpy(), head.bias.detach().numpy())


def _fits(samples: _OnTerms) -> Callable[[list[Indices]], list[SelfTrainedProbe]]:
    """Self-trained heads after parts of the labelled samples, each fitted once for the two candidates that ask."""
    job, pooled, pool = samples.job, samples.pooled, samples.pool

    @remembered
    def fits(parts: list[Indices]) -> list[SelfTrainedProbe]:
        probes = (SelfTrainedProbe(random_state=job.seed) for _ in parts)
        return [probe.fit_pool(pool, taught_by(job, part)[pooled]) for probe, part in zip(probes, parts)]

    return fits


def _with_words(
    samples: _OnTerms,
    rank: int,
    fits: Callable[[list[Indices]], list[SelfTrainedProbe]],
    trained: SelfTrainedProbe,
    everything: Doubles,
    words: npt.NDArray[np.bool_],
) -> Fitted:
    """The mean of the head that trains itself and of naive Bayes on words."""
    job, pooled, z, z_pooled = samples.job, samples.pooled, samples.z, samples.z_pooled
    counts = _counts(job, samples.lookup, words)
    of_pool, of_labelled = counts[pooled], counts[job.labelled]

    def taught(part: Indices, head: SelfTrainedProbe) -> NaiveBayes:
        return NaiveBayes(random_state=job.seed).fit(
            of_pool, taught_by(job, part)[pooled], head.predict_proba(z_pooled)
        )

    @remembered
    def answer(parts: list[Indices]) -> list[Doubles]:
        return [
            (head.predict_proba(z) + taught(part, head).predict_proba(of_labelled)) / 2
            for part, head in zip(parts, fits(parts))
        ]

    bayes = taught(np.arange(len(job.codes)), trained)
    weights = np.zeros((len(bayes.classes_), len(words)))
    weights[:, words] = _LENGTH * bayes.coef_
    both = MeanOfHeads([samples.of_weights(trained.to_module()), linear_head(weights, bayes.intercept_)])
    return Fitted(
        _named(samples.name),
        answer,
        (everything + bayes.predict_proba(counts)) / 2,
        writer(job, samples.lookup, both),
        rank=rank,
        semi_supervised=True,
    )


def _named(name: str) -> str:
    return f"{name} + self-trained and naive Bayes"


def _counts(job: Job, lookup: nn.Module, words: npt.NDArray[np.bool_]) -> sparse.csr_matrix:
    """Weights of words in all samples, times the length."""
    parts = [
        sparse.csr_matrix(apply(lookup, job.x[i : i + _PART], job.at_once)[:, words])
        for i in range(0, len(job.x), _PART)
    ]
    return _LENGTH * sparse.vstack(parts, format="csr").astype(np.float64)
