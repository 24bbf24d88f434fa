import torch

from attar.nets.cells import Cells, Uncells

OWNER = (1, 3, 1, 0, 0, 0, 2, 2)


def test_a_cell_is_the_sum_of_its_values_vectors():
    cells, x = Cells(OWNER, 5), torch.randn(3, 8)
    vectors, present = cells(x)
    assert present is None
    expected = torch.zeros(3, 4, 5)
    for n in range(3):
        for j, column in enumerate(OWNER):
            expected[n, column] += x[n, j] * cells.vectors[j].detach()
    torch.testing.assert_close(vectors, expected)


def test_values_are_read_from_their_own_cell():
    uncells, h = Uncells(OWNER, 5), torch.randn(3, 4, 5)
    x = uncells(h)
    for j, column in enumerate(OWNER):
        torch.testing.assert_close(x[:, j], h[:, column] @ uncells.vectors[j] + uncells.bias[j])


def test_which_value_belongs_where_is_no_weight():
    assert set(Cells(OWNER, 5).state_dict()) == {"vectors"}
    assert set(Uncells(OWNER, 5).state_dict()) == {"vectors", "bias"}
