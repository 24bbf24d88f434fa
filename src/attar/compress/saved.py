"""Networks as `.attar` files: what they compute and their entropy-coded tensors, and no code."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from attar.compress import codec, container, fitting, floats, listing, marks
from attar.compress.checks import check_answers
from attar.compress.coder import Coder, Counter, Ints, Reader, Writer
from attar.compress.costs import evaluated
from attar.compress.given import Samples, rows, samples_for
from attar.compress.parametrizations import Codebook, Coded, frozen, store
from attar.compress.places import Place, places
from attar.compress.program import Program, hold, stored_names
from attar.compress.symbols import LARGEST
from attar.compress.tracing import traced
from attar.data.dataset import Floats
from attar.errors import CompressionError

# Numbers that are too wide for the codec are written in parts of so many bits.
_PART = 16
# Where fewer of the numbers than this are not zero, zeros lose their signs, which would take more than their places.
_SPARSE = 0.5


def save(module: nn.Module, path: str | Path, example: Samples | None = None) -> None:
    """Write a network to an `.attar` file.

    Weights that were rounded or coded are kept as integers in an entropy code, all other numbers as they are, of
    tensors with zeros the others and their places where that is smaller: `load` gives a network that says the same.

    Arguments:
        module: a batch `(n, *shape)` to a tensor or several; left as it is.
        path: written beside and renamed.
        example: at least one sample; None where the module came from `load` or `compress`, or has one in its attribute
            `example`, as what `prune`, `quantize` and `factorize` made with samples has.

    Raises:
        CompressionError: there is no example or it has missing values, or the network cannot be traced or has an
            operation that a file cannot hold, or is so large or so empty that `load` would refuse it.
        ExportError: the file cannot be written there.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> net, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.randn(5, 3)
        >>> with TemporaryDirectory() as folder:
        ...     save(net, Path(folder, "net.attar"), example=x[:1])
        ...     torch.equal(load(Path(folder, "net.attar"))(x), net(x))
        True
    """
    container.write(Path(path), *_contents(module, example, str(path)))


def size(module: nn.Module, example: Samples) -> int:
    """Bytes of the file that `save` writes of a network."""
    return len(container.packed(*_contents(module, example, type(module).__name__)))


def _contents(module: nn.Module, example: Samples | None, name: str) -> tuple[str, bytes]:
    """The description and the payload of the file of a network; the name is for messages."""
    program, writer = as_program(module, example), Writer()
    kinds = [_written(writer, program, one) for one in stored_names(program)]
    description, payload = listing.text(program, kinds), writer.data()
    # What `load` would refuse, such as a name, is not written.
    listing.read(description, name)
    container.allow(_numbers(kinds), len(description) + len(payload), name)
    return description, payload


def load(path: str | Path) -> Program:
    """Read a network from an `.attar` file.

    Nothing in the file is run, and no more memory is taken than a file of its size may ask for.

    Raises:
        CompressionError: the file cannot be read, is damaged, or holds what a file must not.
    """
    path = Path(path)
    description, payload = container.read(path)
    return opened(description, payload, str(path))


def opened(description: str, payload: bytes, name: str) -> Program:
    """The network of a description and a payload; the name is for messages."""
    if description.startswith("{"):
        raise CompressionError(f"{name}: holds an ONNX model, which `attar unpack` restores, and no network")
    program, kinds = listing.read(description, name)
    container.allow(_numbers(kinds), len(description) + len(payload), name)
    reader = Reader(payload)
    try:
        for kind in kinds:
            _read(reader, program, kind)
    except CompressionError as error:
        raise CompressionError(f"{name}: {error}") from None
    if not reader.finished():
        raise CompressionError(f"{name}: is damaged: there is more in it than it says")
    return program.eval()


def as_program(module: nn.Module, example: Samples | None = None) -> Program:
    """A network as the list of its operations, with its integers kept as such; arguments are those of `save`."""
    if isinstance(module, Program):
        return module
    if example is None:
        example = getattr(module, "example", None)
    if example is None:
        raise CompressionError(
            f"what {type(module).__name__} computes is found by an example: save(module, path, example=x[:1])"
        )
    example = samples_for(module, example)
    few = rows(example, torch.arange(min(2, len(example))))
    if not bool(few.isfinite().all()):
        # A network may take what is missing, and then answers with numbers.
        with evaluated(module):
            check_answers(marks.floats(module(few)))
    plain = frozen(module)
    coded: dict[int, tuple[Tensor, Coded | Codebook]] = {}
    for place in places(plain):
        chain = place.chain()
        if chain and isinstance(chain[-1], Coded | Codebook):
            codes = place.original()
            place.replace(place.value)
            coded[id(place.value)] = codes, chain[-1]
    program, parameters = traced(plain, few), dict(plain.named_parameters(remove_duplicate=False))
    for name in stored_names(program):
        if (kept := coded.get(id(parameters.get(name)))) is not None:
            store(_place(program, name), *kept)
    return program


def _numbers(kinds: list[listing.Kind]) -> int:
    return sum(math.prod(kind.shape) + kind.rows for kind in kinds)


def _place(program: Program, name: str) -> Place:
    prefix, _, last = name.rpartition(".")
    return Place(name, ((program.get_submodule(prefix), last),))


def _written(writer: Coder, program: Program, name: str) -> listing.Kind:
    place = _place(program, name)
    decoder = place.chain()[-1] if place.chain() else None
    if isinstance(decoder, Coded | Codebook):
        return _written_codes(writer, name, place.original(), decoder)
    trained = isinstance(place.value, nn.Parameter)
    return _written_numbers(writer, name, place.value.detach(), "parameter" if trained else "buffer")


def _written_codes(writer: Coder, name: str, codes: Tensor, decoder: Coded | Codebook) -> listing.Kind:
    values = decoder.scale if isinstance(decoder, Coded) else decoder.values
    if values.dtype != torch.float32:
        raise CompressionError(f"{name} is decoded to {values.dtype}, and a file to torch.float32: save model.float()")
    fitting.encode(writer, _whole(codes))
    floats.encode(writer, _floats(values))
    form = "codebook" if isinstance(decoder, Codebook) else "coded"
    if isinstance(decoder, Coded) and decoder.zero is not None:
        floats.encode(writer, _floats(decoder.zero))
        form = "coded, with zero"
    return listing.Kind(name, tuple(codes.shape), form, len(values))


def _written_numbers(writer: Coder, name: str, value: Tensor, form: str) -> listing.Kind:
    dtype = str(value.dtype).removeprefix("torch.")
    if value.dtype in (torch.float32, torch.float16, torch.bfloat16):
        if _is_smaller_sparse(value):
            form = "sparse " + form
            _sparse(writer, value)
        else:
            floats.encode(writer, _floats(value))
    elif _small(value):
        fitting.encode(writer, _whole(value))
    elif value.dtype in (torch.int32, torch.int64, torch.float64):
        form = "wide " + form
        _wide(writer, value)
    else:
        raise CompressionError(f"{name} is a tensor of {dtype}, which an .attar file does not hold")
    return listing.Kind(name, tuple(value.shape), form, 0, dtype)


def _wide(writer: Coder, value: Tensor) -> None:
    """The bits of each number, whatever they stand for."""
    whole = value.contiguous().view(torch.int64) if value.is_floating_point() else value
    bits = _whole(whole).reshape(-1)
    for shift in range(0, 64, _PART):
        writer.uniform(1 << _PART, bits.size, bits >> shift & (1 << _PART) - 1)


def _is_smaller_sparse(value: Tensor) -> bool:
    """Whether numbers that are not zero, and where they are, take fewer bits than all."""
    if bool(value.all()):
        return False
    if _mostly_zero(value):
        return True
    sparse, dense = Counter(), Counter()
    _sparse(sparse, value)
    floats.encode(dense, _floats(value))
    return sparse.bits < dense.bits


def _mostly_zero(value: Tensor) -> bool:
    return int(value.count_nonzero()) < _SPARSE * value.numel()


def _sparse(writer: Coder, value: Tensor) -> None:
    """Where a number is 0, 1 otherwise, -1 where it is -0; and all others."""
    kept = value != 0
    places = kept.to(torch.int8)
    if not _mostly_zero(value):
        places -= (~kept & value.signbit()).to(torch.int8)
    fitting.encode(writer, _whole(places))
    floats.encode(writer, _floats(value[kept]))


def _small(value: Tensor) -> bool:
    """Whether a tensor holds integers that the codec takes."""
    if value.is_floating_point() or value.is_complex():
        return False
    whole = value.long()
    return not value.numel() or (int(whole.max()) <= LARGEST and int(whole.min()) >= -LARGEST)


def _read(reader: Reader, program: Program, kind: listing.Kind) -> None:
    if kind.is_coded:
        _read_codes(reader, program, kind)
        return
    value = _read_numbers(reader, kind)
    trained = kind.form.endswith("parameter")
    hold(program, kind.name, nn.Parameter(value, value.is_floating_point()) if trained else value)


def _read_codes(reader: Reader, program: Program, kind: listing.Kind) -> None:
    codes = torch.from_numpy(codec.decode(reader, kind.shape))
    values = _read_floats(reader, kind.rows)
    decoder: Coded | Codebook
    if kind.form == "codebook":
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < kind.rows:
            raise CompressionError(f"is damaged: {kind.name} asks for values that are not in its codebook")
        decoder = Codebook(values)
    else:
        decoder = Coded(values, _read_floats(reader, kind.rows) if kind.form == "coded, with zero" else None)
    hold(program, kind.name, torch.zeros(()))
    try:
        store(_place(program, kind.name), codes, decoder)
    except AssertionError:
        raise CompressionError(f"is damaged: no codes can be called {kind.name}") from None


def _read_numbers(reader: Reader, kind: listing.Kind) -> Tensor:
    dtype = getattr(torch, kind.dtype)
    if kind.form.startswith("wide"):
        return _read_wide(reader, kind.shape, dtype)
    if kind.form.startswith("sparse"):
        return _read_sparse(reader, kind, dtype)
    if dtype.is_floating_point:
        return _read_floats(reader, math.prod(kind.shape)).to(dtype).reshape(kind.shape)
    return torch.from_numpy(codec.decode(reader, kind.shape)).to(dtype)


def _read_wide(reader: Reader, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    bits = np.zeros(math.prod(shape), np.int64)
    for shift in range(0, 64, _PART):
        bits |= reader.uniform(1 << _PART, bits.size) << shift
    whole = torch.from_numpy(bits).reshape(shape)
    return whole.view(dtype) if dtype.is_floating_point else whole.to(dtype)


def _read_sparse(reader: Reader, kind: listing.Kind, dtype: torch.dtype) -> Tensor:
    mask = codec.decode(reader, kind.shape)
    if not np.isin(mask, (-1, 0, 1)).all():
        raise CompressionError(f"is damaged: {kind.name} does not say which of its numbers are zero")
    places = torch.from_numpy(mask)
    kept, value = places > 0, torch.zeros(kind.shape, dtype=dtype)
    value[places < 0] = -0.0
    value[kept] = _read_floats(reader, int(kept.sum())).to(dtype)
    return value


def _read_floats(reader: Reader, n: int) -> Tensor:
    return torch.from_numpy(floats.decode(reader, n).copy())


def _whole(values: Tensor) -> Ints:
    return values.detach().cpu().to(torch.int64).numpy()


def _floats(values: Tensor) -> Floats:
    return values.detach().cpu().float().numpy()
