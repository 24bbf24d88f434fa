from __future__ import annotations

import numpy as np
import pytest

from attar.candidates import candidates
from attar.committee import committee, predicted
from attar.deploy.session import load


@pytest.fixture
def tried(images):
    job, run = images.reopen()
    with run:
        return job, list(candidates(job, run))


def test_it_says_the_mean_of_what_its_members_say(tried) -> None:
    job, found = tried
    members = found[1:4]
    one = committee(members, members[0])
    np.testing.assert_allclose(one.everything, np.mean([m.everything for m in members], axis=0))
    np.testing.assert_allclose(one.everything.sum(1), 1, atol=1e-6)
    assert one.held_out.shape == (1, len(job.labelled), len(job.meta.classes))
    np.testing.assert_allclose(one.held_out[0], np.mean([m.held_out.mean(0) for m in members], axis=0))


def test_its_files_say_the_same_as_their_mean(tried) -> None:
    job, found = tried
    members = found[1:4]
    x = job.x[:9]
    said = [load(member.path).predict_proba(x) for member in members]
    np.testing.assert_allclose(predicted(committee(members, members[0]), x), np.mean(said, axis=0), atol=1e-6)
    np.testing.assert_allclose(predicted(members[1], x), said[1])


def test_it_costs_what_its_members_cost_together_and_one_alone_is_itself(tried) -> None:
    _, found = tried
    one = committee(found[1:4], found[2])
    assert one.bytes == sum(member.bytes for member in found[1:4])
    assert one.latency_ms == pytest.approx(sum(member.latency_ms for member in found[1:4]))
    assert one.name == "committee of 3"
    assert committee(found[1:2], found[1]) is found[1]


def test_a_sample_that_is_never_held_out_stays_unknown(tried) -> None:
    from dataclasses import replace

    _, found = tried
    blind = found[1].held_out.copy()
    blind[:, 0] = np.nan
    members = [replace(member, held_out=blind) for member in found[1:3]]
    held_out = committee(members, members[0]).held_out
    assert np.isnan(held_out[:, 0]).all()
    assert np.isfinite(held_out[:, 1:]).all()
