from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from torch import nn

from attar.errors import RunError
from attar.training.checkpoint import Plan, Position, read, write

PLAN = Plan(n=10, steps=20, batch_size=5, lr=0.1, weight_decay=0.0, seed=0)


def _state(n_out: int = 3):
    module = nn.Sequential(nn.Linear(4, n_out), nn.BatchNorm1d(n_out))
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    return module, optimizer, torch.Generator().manual_seed(7)


def _trained():
    module, optimizer, generator = _state()
    for _ in range(3):
        optimizer.zero_grad()
        module(torch.randn(6, 4, generator=generator)).square().sum().backward()
        optimizer.step()
    return module, optimizer, generator


def test_everything_comes_back(tmp_path):
    path = tmp_path / "deep" / "checkpoint"
    module, optimizer, generator = _trained()
    with torch.random.fork_rng():
        torch.manual_seed(11)
        write(path, PLAN, Position(3, [1.5, 0.1, 1 / 3]), module, optimizer, generator)
        following = torch.rand(3)
    other = _state()
    with torch.random.fork_rng():
        assert read(path, PLAN, *other) == Position(3, [1.5, 0.1, 1 / 3])
        assert torch.equal(torch.rand(3), following)
    for name, value in module.state_dict().items():
        assert torch.equal(other[0].state_dict()[name], value)
    old, new = optimizer.state_dict()["state"], other[1].state_dict()["state"]
    assert all(torch.equal(old[i][k], new[i][k]) for i in old for k in old[i])
    assert torch.equal(torch.rand(5, generator=generator), torch.rand(5, generator=other[2]))


def test_nothing_there_changes_nothing(tmp_path):
    state = _state()
    before = {k: v.clone() for k, v in state[0].state_dict().items()}
    assert read(tmp_path / "none", PLAN, *state) == Position(0, [])
    assert all(torch.equal(before[k], v) for k, v in state[0].state_dict().items())


def test_tied_weights_are_kept(tmp_path):
    module = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    module[1].weight = module[0].weight
    optimizer = torch.optim.AdamW(module.parameters())
    write(tmp_path / "c", PLAN, Position(0, []), module, optimizer, torch.Generator())
    assert read(tmp_path / "c", PLAN, module, optimizer, torch.Generator()) == Position(0, [])


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, 0.99])
def test_a_truncated_file_is_named_with_the_remedy(keep, tmp_path):
    path = tmp_path / "checkpoint"
    write(path, PLAN, Position(1, [1.0]), *_trained())
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(RunError, match=r"checkpoint .*/checkpoint is corrupt .* delete .*/checkpoint to start over"):
        read(path, PLAN, *_state())


@pytest.mark.parametrize("content", [b"\x80\x04K\x01.", b"{}", b"PK\x03\x04" + b"\0" * 100])
def test_a_file_of_another_kind_is_refused(content, tmp_path):
    path = tmp_path / "checkpoint"
    path.write_bytes(content)
    with pytest.raises(RunError, match="is corrupt"):
        read(path, PLAN, *_state())


@pytest.mark.parametrize(("old", "new"), [(b'\\"plan\\"', b'\\"plam\\"'), (b"0.exp_avg_sq", b"0.exp_avg_sp")])
def test_a_name_that_was_damaged_is_noticed(old, new, tmp_path):
    path = tmp_path / "checkpoint"
    write(path, PLAN, Position(1, [1.0]), *_trained())
    whole = path.read_bytes()
    assert whole.count(old) == 1
    path.write_bytes(whole.replace(old, new))
    with pytest.raises(RunError, match=r"delete .*/checkpoint to start over"):
        read(path, PLAN, *_state())


def test_another_plan_and_another_network_are_refused(tmp_path):
    path = tmp_path / "checkpoint"
    write(path, PLAN, Position(1, [1.0]), *_trained())
    with pytest.raises(RunError, match="other settings"):
        read(path, Plan(10, 20, 5, 0.1, 0.0, seed=1), *_state())
    with pytest.raises(RunError, match="other settings or samples"):
        read(path, replace(PLAN, asked="others"), *_state())
    with pytest.raises(RunError, match="another network"):
        read(path, PLAN, *_state(n_out=5))


@pytest.mark.parametrize("place", [0.5, -1])
def test_a_flipped_bit_among_the_numbers_is_noticed(place, tmp_path):
    path = tmp_path / "checkpoint"
    write(path, PLAN, Position(1, [1.0]), *_trained())
    data = bytearray(path.read_bytes())
    data[int(place * len(data)) if place > 0 else place] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunError, match=r"is corrupt \(its checksum is that of other bytes\); delete"):
        read(path, PLAN, *_state())


def test_one_of_before_there_were_fingerprints_is_gone_on_from(tmp_path):
    path = tmp_path / "checkpoint"
    write(path, PLAN, Position(1, [1.0]), *_trained())
    data, words = path.read_bytes(), rb", \"asked\": \"\""
    assert words in data
    # Nor had it a checksum.
    path.write_bytes(data.replace(words, b" " * len(words)).replace(b"checksum", b"no_check"))
    assert read(path, replace(PLAN, asked="these"), *_state()).step == 1


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint"
    write(path, PLAN, Position(1, [1.0]), *_trained())
    before = path.read_bytes()

    def full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr("attar._files.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write(path, PLAN, Position(2, [1.0, 2.0]), *_trained())
    assert path.read_bytes() == before


def test_the_file_is_plain_safetensors(tmp_path):
    path = tmp_path / "checkpoint"
    write(path, PLAN, Position(1, [1.0]), *_trained())
    with safe_open(path, framework="np") as file:
        assert "module.0.weight" in file.keys()  # noqa: SIM118
