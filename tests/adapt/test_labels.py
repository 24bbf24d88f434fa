"""Labels of which only some are known."""

from __future__ import annotations

import numpy as np
import pytest

from attar.adapt.labels import known_classes
from attar.adapt.propagate import LabelPropagation
from attar.adapt.selftrain import SelfTrainedProbe
from attar.errors import LabelError


@pytest.mark.parametrize(
    ("y", "classes"),
    [([2, -1, 7, 2], [2, 7]), ([1.0, 0.0, -1.0], [0, 1]), ([True, False], [False, True])],
)
def test_whole_numbers_and_booleans_are_labels(y, classes):
    assert known_classes(np.array(y)).tolist() == classes


@pytest.mark.parametrize("model", [SelfTrainedProbe(), LabelPropagation()], ids=["self-trained", "propagation"])
def test_labels_that_are_no_whole_numbers_are_refused(model):
    z = np.random.default_rng(0).standard_normal((4, 2))
    for y in (["a", "b", "", ""], np.array(["a", "b", -1, -1], dtype=object)):
        with pytest.raises(LabelError, match="number the classes from 0"):
            model.fit(z, y)
    with pytest.raises(LabelError, match="continuous"):
        model.fit(z, [4.3, 4.4, -1, -1])
