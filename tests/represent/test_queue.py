import pytest
import torch

from attar.represent._queue import Queue


@pytest.mark.parametrize("length", [0, 1, 5, 8, 30])
def test_first_in_first_out_as_in_a_naive_loop(length):
    torch.manual_seed(0)
    queue = Queue(length, 3)
    naive = list(queue.vectors)
    for size in (4, 4, 7, 1, 12):
        vectors = torch.randn(size, 3)
        for vector in vectors:
            naive.append(vector)
            naive.pop(0)
        queue.push(vectors)
        assert torch.equal(queue.vectors, torch.stack(naive) if naive else torch.empty(0, 3))


def test_it_starts_with_directions_and_takes_no_gradient():
    queue = Queue(40, 6)
    torch.testing.assert_close(queue.vectors.norm(dim=1), torch.ones(40))
    queue.push(torch.randn(2, 6, requires_grad=True))
    assert not queue.vectors.requires_grad


def test_it_is_part_of_the_state():
    one, other = Queue(4, 2), Queue(4, 2)
    one.push(torch.randn(3, 2))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.vectors, other.vectors)
