from __future__ import annotations

import pytest
import torch
from torch import nn

from attar.errors import DataError
from attar.nets.beside import Beside


def test_equals_what_each_part_says() -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    parts = [nn.Linear(3, 2), nn.Linear(3, 4)]
    z = Beside(parts, [0.5, 3.0])(x)
    torch.testing.assert_close(z[:, :2], 0.5 * parts[0](x))
    torch.testing.assert_close(z[:, 2:], 3.0 * parts[1](x))


def test_a_scale_is_missing() -> None:
    with pytest.raises(DataError, match=r"^2 parts but 1 scales; give one for each$"):
        Beside([nn.Identity(), nn.Identity()], [1.0])
