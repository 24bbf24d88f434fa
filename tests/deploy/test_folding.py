import pytest
import torch
from torch import nn

from attar.deploy.folding import fold_batch_norm


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(
            nn.Conv2d(3, 6, 3, groups=3),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 4, 1, bias=False),
            nn.BatchNorm2d(4),
        ),
        nn.Sequential(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, affine=False)), nn.BatchNorm2d(6)),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)),
        nn.Sequential(
            nn.Flatten(), nn.Linear(192, 5), nn.BatchNorm1d(5), nn.Linear(5, 5), nn.BatchNorm1d(5, affine=False)
        ),
        nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)),
    ],
)
def test_folding_changes_nothing(net: nn.Sequential) -> None:
    torch.manual_seed(0)
    for _ in range(10):
        net(torch.randn(16, 3, 8, 8) * 2 + 1)
    net.eval()
    x = torch.randn(9, 3, 8, 8)
    folded = fold_batch_norm(net)
    with torch.no_grad():
        torch.testing.assert_close(folded(x), net(x), atol=1e-5, rtol=0)
    assert len(folded) == len(net)  # type: ignore[arg-type]


def test_folding_reaches_every_neighbour(image_net: nn.Module) -> None:
    kinds = {type(module) for module in fold_batch_norm(image_net).modules()}
    assert kinds.isdisjoint({nn.BatchNorm1d, nn.BatchNorm2d})


def test_folding_one_layer_used_twice() -> None:
    shared = nn.Linear(4, 4)
    net = nn.Sequential(shared, nn.BatchNorm1d(4), nn.ReLU(), shared).eval()
    with torch.no_grad():
        net[1].running_mean += 1  # type: ignore[operator]
        x = torch.randn(5, 4)
        torch.testing.assert_close(fold_batch_norm(net)(x), net(x))
