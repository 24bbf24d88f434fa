import numpy as np

from attar.data.raw import Raw, join


def test_join_keeps_parts_apart():
    joined = join(Raw(np.zeros((2, 1)), notes=("a",)), Raw([np.ones(3)], ["x"], ids=["k"], notes=("b",)))
    assert isinstance(joined.x, list)
    assert joined.y == [None, None, "x"]
    assert joined.ids == ("train/0", "train/1", "test/k")
    assert joined.test.tolist() == [2]
    assert joined.notes == ("a", "b")
    assert join(Raw(np.zeros((2, 1))), Raw(np.zeros((1, 1)))).y is None
