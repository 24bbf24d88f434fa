from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from attar.adapt.choice import Choice
from attar.findings import _estimated
from attar.report.facts import Step
from attar.sentences import verdict, why


@pytest.mark.parametrize(("agreement", "says_so"), [(None, False), (0.99, False), (0.66, True)])
def test_a_file_that_answers_otherwise_is_not_promised_what_the_candidate_is(agreement, says_so) -> None:
    shipped = Step(name="int8", bytes=5100, latency_ms=0.02, agreement=agreement, accuracy=None)
    choice = Choice(0, 0.96, (0.93, 0.98), 0.0)
    said = verdict(choice, None, 0, shipped, balanced=False)
    assert ("gives 34.0 % of the samples another class than the candidate chosen" in said) == says_so
    said = verdict(choice, None, 0, shipped, balanced=True)
    assert ("gives 34.0 % of the samples of a class, in the mean, another class than" in said) == says_so
    # Found on samples held out, an accuracy is that of the file itself.
    assert "another class" not in verdict(choice, 0.7, 90, shipped, balanced=False)


@pytest.mark.parametrize("balanced", [False, True])
def test_why_names_the_measure_that_chose(balanced) -> None:
    codes = np.array([0, 0, 0, 1])
    job = SimpleNamespace(balanced=balanced, together=None, counted=codes if balanced else None)
    right = np.array([[1.0, 1, 0, 0], [1, 1, 1, 0]])
    tried = [SimpleNamespace(name=name, baseline=True, members=()) for name in ("a", "b")]
    measure, share = ("balanced accuracy", "50.0") if balanced else ("accuracy", "75.0")
    said = why(tried, [_estimated(r, job)[0] for r in right], Choice(1, 0.0, (0.0, 1.0), 0.0), balanced)
    assert said == f"“b” had the highest cross-validated {measure} of 2 candidates, with {share} %."
