import numpy as np

from attar.data.raw import Raw, join


def test_join_keeps_parts_apart():
    joined = join(
        {"train": Raw(np.zeros((2, 1)), notes=("a",)), "test": Raw([np.ones(3)], ["x"], ids=["k"], notes=("b",))}
    )
    assert isinstance(joined.x, list)
    assert joined.y == [None, None, "x"]
    assert tuple(joined.ids) == ("train/0", "train/1", "test/k")
    assert joined.test.tolist() == [2]
    assert joined.notes == ("a", "b")
    assert join({"train": Raw(np.zeros((2, 1))), "test": Raw(np.zeros((1, 1)))}).y is None
