"""Files that nobody wrote: a network or a CompressionError is what may come of them, in little memory and time.

    python benchmarks/fuzz.py --inputs 1000000

Small files of many kinds of networks are changed at random: bits, bytes, lengths, parts of others put in, numbers in
the description; of most, the checksum is made to match again, so that what lies behind it is reached.
"""

from __future__ import annotations

import argparse
import collections
import random
import re
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from attar.compress import container, prune
from attar.compress.parametrizations import Codebook, Coded, store
from attar.compress.places import places
from attar.compress.saved import opened, save
from attar.errors import CompressionError

FRAME = 8
NUMBERS = ("0", "1", "-1", "7", "65536", "99999999", "9" * 30, "null", "1e999", "[]", '"#"', '"%"')


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.LSTM(3, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.head(self.layer(x)[0][:, -1])
        return answer


class Residual(nn.Module):
    steps: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.BatchNorm2d(4)
        self.register_buffer("steps", torch.arange(2**40, 2**40 + 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x + self.norm(self.conv(x)).relu(), x * self.steps.view(1, 4, 1, 1)], 1).mean((2, 3))


def coded(net: nn.Module, book: bool = False) -> nn.Module:
    for place in places(net):
        if place.value.ndim > 1:
            step = place.value.detach().abs().max() / 7
            codes = (place.value.detach() / step).round()
            if book:
                store(place, codes - codes.min(), Codebook(torch.arange(float(codes.max() - codes.min() + 1))))
            else:
                store(place, codes, Coded(step.expand(len(codes)).clone()))
    return net


def written() -> list[bytes]:
    """Whole files."""
    torch.manual_seed(0)
    x = torch.rand(1, 4, 5, 5)
    nets = [
        (nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(1, 6)),
        (coded(nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 2))), torch.rand(1, 20)),
        (coded(nn.Sequential(nn.Flatten(), nn.Linear(36, 8)), book=True), torch.rand(1, 6, 6)),
        (prune(nn.Sequential(nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 2)), 0.8), torch.rand(1, 20)),
        (Recurrent(), torch.rand(1, 4, 3)),
        (coded(Residual()), x),
        (coded(nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(72, 2))), x),
    ]
    files = []
    with tempfile.TemporaryDirectory() as folder:
        for net, example in nets:
            save(net, Path(folder, "net.attar"), example)
            files.append(Path(folder, "net.attar").read_bytes())
    return files


def bits(data: bytes, other: bytes, chance: random.Random) -> bytes:
    del other
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def noise(data: bytes, _: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    length = chance.choice((1, 2, 4, 16, 64))
    filling = chance.choice((chance.randbytes(length), b"\0" * length, b"\xff" * length))
    return data[:start] + filling + data[start + length :]


def cut(data: bytes, _: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def splice(data: bytes, other: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    part = other[chance.randrange(len(other)) :][: chance.choice((4, 32, 1000))]
    return data[:start] + part + data[start + chance.choice((0, 4, 32)) :]


def retold(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Another description for the same payload, or the same with something changed in it."""
    text, payload = container.opened(data, "whole")
    if chance.random() < 0.1:
        text = container.opened(other, "whole")[0]
    for _ in range(chance.choice((1, 1, 2, 4))):
        numbers = list(re.finditer(r"-?\d+", text))
        kind = chance.randrange(4)
        if kind == 0 and numbers:
            one = chance.choice(numbers)
            new = chance.choice(NUMBERS)
            text = text[: one.start()] + new + text[one.end() :]
        elif kind == 1:
            start = chance.randrange(len(text))
            text = text[:start] + chance.choice("[]{}\",:%#~'0azé\\") + text[start + chance.randrange(2) :]
        elif kind == 2:
            start, end = sorted(chance.randrange(len(text)) for _ in range(2))
            text = text[:start] + text[end:]
        else:
            start, end = sorted(chance.randrange(len(text)) for _ in range(2))
            text = text[:end] + text[start:]
    return container.packed(text, payload)


def again(data: bytes) -> bytes:
    """With a checksum that matches."""
    return data[:4] + zlib.crc32(data[FRAME:]).to_bytes(4, "little") + data[FRAME:]


CHANGES: tuple[Callable[[bytes, bytes, random.Random], bytes], ...] = (bits, noise, cut, splice, retold, retold)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files, chance = written(), random.Random(options.seed)
    outcomes: collections.Counter[str] = collections.Counter()
    slowest, before = 0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    for i in range(options.inputs):
        data, change = chance.choice(files), chance.choice(CHANGES)
        given = change(data, chance.choice(files), chance)
        if len(given) > FRAME and chance.random() < 0.9:
            given = again(given)
        start = time.process_time()
        try:
            opened(*container.opened(given, "file"), "file")
            outcomes[f"{change.__name__}: a network"] += 1
        except CompressionError:
            outcomes[f"{change.__name__}: refused"] += 1
        except BaseException:
            Path(f"fuzz-{i}.attar").write_bytes(given)
            print(f"input {i} ({change.__name__}) is in fuzz-{i}.attar")
            raise
        slowest = max(slowest, time.process_time() - start)
        if sys.stderr.isatty() and i % 1000 == 0:
            print(f"\r{i} of {options.inputs}", end="", file=sys.stderr)
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    spent = time.process_time() - began
    print(f"{options.inputs} inputs in {spent:.0f} s, the slowest in {slowest:.2f} s; {used:.0f} MB more")
    for outcome, n in sorted(outcomes.items()):
        print(f"{n:8d}  {outcome}")


if __name__ == "__main__":
    main()
