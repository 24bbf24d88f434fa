"""The frame of an `.attar` file: what it is, whether it is whole, and how large what it holds may be."""

from __future__ import annotations

import zlib
from pathlib import Path

from attar._files import write_whole
from attar.deploy.meta import COMPRESSED
from attar.errors import CompressionError, ExportError

# Bytes of a file, of its description when unpacked, numbers in all its tensors, and numbers for each byte of the file
# beyond the first million. Reading takes less than 100 bytes of memory for a number.
MOST_BYTES = 1 << 31
MOST_DESCRIPTION = 1 << 24
MOST_NUMBERS = 1 << 28
_MOST_EACH, _FREE = 1024, 1 << 20

_VERSION = 1
_FRAME = 8
# Bytes of the number that the description's length is written as.
_LONGEST = 5
RAW = -15  # deflate without a header of its own

# What descriptions hold, so that short ones need not say it; what is frequent last.
_KNOWN = b"""["gather",["index_select",["pow.Tensor_Scalar",["sqrt",["rsqrt",["exp",["log",["silu",["hardswish",\
["leaky_relu",["elu",["clamp",["hardtanh",["stack",["split.Tensor",["chunk",["expand",["squeeze.dim",["unsqueeze",\
["conv_transpose2d.input",["avg_pool2d",["max_pool1d",["layer_norm",["lstm.input",["gru.input",["embedding",\
["scaled_dot_product_attention",["matmul",["bmm",["softmax.int",["log_softmax.int",["sigmoid",["tanh",["gelu",\
["sub.Tensor",["div.Tensor",["mul.Tensor",["select.int",["slice.Tensor",0,0,9223372036854775807],["sym_size.int",\
["zeros",["transpose.int",["permute",["unflatten.int",["contiguous","%"],["view",["reshape",["getitem",["int.mul","%",\
["conv1d",["mean.dim","%",[1]],["cat",["max_pool2d","%",[2,2],[2,2]],["adaptive_avg_pool2d","%",[1,1]],\
".parametrizations.weight.original",in_proj_weight",in_proj_bias",out_proj.norm1.norm2.linear1.linear2.layers.0.\
downsample.shortcut.conv1.conv2.bn1.bn2.features.classifier.layer1.fc1.fc2.fc3.\
["add.Tensor","%","%1"],["batch_norm","%","#","#","#","#",false,0.1,1e-05,true],.running_mean",[64],"b"],\
.running_var",[64],"b"],["conv2d","%","#",null,[1,1],[1,1]],"c10"],"k16"],"c"],["relu","%"],[64,64,3,3],\
"float32",[1,28,28],[["flatten.using_ints","%",1],["linear","%","#","#"],["0.weight",[10,100],"c"],["0.bias",[10]],["""


def write(path: Path, description: str, payload: bytes) -> None:
    """Write a file, whole or not at all.

    Arguments:
        path: of the file.
        description: of what is in the payload; deflated.
        payload: the coded numbers.

    Raises:
        ExportError: it cannot be written there.
    """
    try:
        write_whole(path, packed(description, payload))
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror or error}); choose another file") from error


def packed(description: str, payload: bytes) -> bytes:
    """The bytes of a file."""
    packer = zlib.compressobj(9, zlib.DEFLATED, RAW, 9, zlib.Z_DEFAULT_STRATEGY, _KNOWN)
    short = packer.compress(description.encode()) + packer.flush()
    body = _number(len(short)) + short + payload
    return COMPRESSED + bytes([_VERSION]) + zlib.crc32(body).to_bytes(4, "little") + body


def read(path: Path) -> tuple[str, bytes]:
    """The description and the payload of a file.

    Raises:
        CompressionError: it cannot be read, is not such a file, is damaged, or larger than allowed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CompressionError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise CompressionError(f"{path}: is larger than {MOST_BYTES} bytes, the most that is read")
    return opened(data, str(path))


def opened(data: bytes, name: str) -> tuple[str, bytes]:
    """As `read`, of the bytes of a file; the name is for messages."""
    if len(data) < _FRAME or not data.startswith(COMPRESSED):
        raise CompressionError(
            f"{name}: is not an .attar file; of a network in Python, attar.compress.save(module, file, example=x[:1]) "
            "writes one"
        )
    if data[3] != _VERSION:
        raise CompressionError(f"{name}: is of version {data[3]}; this attar reads version {_VERSION}")
    body = data[_FRAME:]
    if zlib.crc32(body) != int.from_bytes(data[4:_FRAME], "little"):
        raise CompressionError(f"{name}: is damaged: its checksum does not match; copy it again")
    length, start = _read_number(body)
    if length > len(body) - start:
        raise CompressionError(f"{name}: is damaged: it ends too soon")
    unpacker = zlib.decompressobj(RAW, zdict=_KNOWN)
    try:
        text = unpacker.decompress(body[start : start + length], MOST_DESCRIPTION)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise CompressionError(f"{name}: its description is longer than {MOST_DESCRIPTION} bytes, or cut off")
        return text.decode(), body[start + length :]
    except (zlib.error, UnicodeDecodeError) as error:
        raise CompressionError(f"{name}: is damaged: its description cannot be read") from error


def allow(numbers: int, size: int, name: str) -> None:
    """Judge how many numbers a file may hold, before any memory is taken for them.

    Raises:
        CompressionError: they are too many, or too many for a file of that size.
    """
    most = min(MOST_NUMBERS, _FREE + _MOST_EACH * size)
    if numbers > most:
        raise CompressionError(f"{name}: holds {numbers} numbers; at most {most} are read from a file of {size} bytes")


def _number(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _number(value >> 7)


def _read_number(data: bytes) -> tuple[int, int]:
    """What `_number` wrote at the beginning, and in how many bytes; of damaged data, one that is too large."""
    value = 0
    for i, byte in enumerate(data[:_LONGEST]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, i + 1
    return MOST_BYTES, 0
