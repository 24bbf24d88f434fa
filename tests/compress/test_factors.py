from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attar.compress.factors import sites


@pytest.mark.parametrize("wide", [16, 28, 32])
def test_patches_are_of_all_places_of_a_picture(wide) -> None:
    x = torch.ones(128, 1, wide, wide)
    (site,), _ = sites(nn.Conv2d(1, 1, 3, padding=1), x)
    everywhere = F.unfold(F.pad(x[:1], (1, 1, 1, 1)), 3).double()[0]
    torch.testing.assert_close(site.seen.seen_mean, everywhere.mean(1), rtol=0, atol=0.005)
    torch.testing.assert_close(site.seen.seen_covariance, torch.cov(everywhere, correction=0), rtol=0, atol=0.005)


def test_rows_are_of_all_places_of_a_sequence() -> None:
    x = torch.eye(128).expand(128, 128, 128)
    (site,), _ = sites(nn.Linear(128, 2), x)
    torch.testing.assert_close(site.seen.seen_mean, torch.full((128,), 1 / 128, dtype=torch.float64), rtol=0.1, atol=0)


@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_covariance_is_that_of_all_samples_whatever_the_mean(mean) -> None:
    x = mean + torch.randn(1000, 8, generator=torch.Generator().manual_seed(0)).double()
    (site,), _ = sites(nn.Linear(8, 3).double(), x)
    torch.testing.assert_close(site.seen.seen_mean, x.mean(0))
    torch.testing.assert_close(site.seen.seen_covariance, torch.cov(x.T, correction=0), rtol=1e-4, atol=1e-5)


def test_what_is_seen_of_many_samples_is_of_all_however_they_are_sorted() -> None:
    x = torch.arange(6000.0)[:, None] / 6000
    (site,), _ = sites(nn.Linear(1, 3), x)
    torch.testing.assert_close(site.seen.seen_mean, x.double().mean(0), rtol=0, atol=0.02)


def test_rows_are_told_apart_by_their_samples_wherever_these_are() -> None:
    class Steps(nn.Module):
        """Steps first, as in transformers, and samples and steps on one axis."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.joined, self.twice = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            return self.first(x.transpose(0, 1)), self.joined(x.flatten(0, 1)), self.twice(x), self.twice(x)

    x = torch.randn(6, 5, 1).expand(6, 5, 3)
    found, _ = sites(Steps(), x.mean(1, keepdim=True).expand(6, 5, 3))
    for site in found:
        assert site.seen.samples == 6
        torch.testing.assert_close(site.seen.covariance, found[0].seen.covariance)
