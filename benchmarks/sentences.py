"""A sentence encoder in eight and four bits by attar, onnxruntime's own quantiser, NNCF and torchao, side by side.

    pip install --target PEERS --no-deps nncf torchao onnx-ir tabulate natsort pydot openvino-telemetry rustworkx
    ATTAR_PEERS=PEERS python benchmarks/sentences.py MODEL [ag_news_part sms_spam trec sst2]

MODEL is a folder as `transformers` has it, such as all-MiniLM-L6-v2. Logistic regressions learn from its vectors of
1,500 texts of each set, and then read those of the compressed encoder on 500 others (of the test part, where there is
one); a change is the mean over the sets. Ranges are learnt from 256 of the first. What is not installed is left out.
Columns are those of `quantisers.py`; beside each row, the cosine between vectors and those in float32.
"""

from __future__ import annotations

import argparse
import copy
import functools
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
import torch
from quantisers import CALIBRATION, Feed, answers, begin, shown, tools
from runs import data
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer
from torch import Tensor, nn

from attar.compress import quantize_dynamic, quantize_linear

_LENGTH, _TRAIN, _TEST = 64, 1500, 500


def main() -> None:
    """Print a row for each tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("sets", nargs="*", default=["ag_news_part", "sms_spam"])
    asked = parser.parse_args()
    begin()
    with tempfile.TemporaryDirectory() as folder:
        sentences(asked.model, asked.sets, Path(folder))


def sentences(model: Path, names_of_sets: list[str], folder: Path) -> None:
    """Rows of a sentence encoder."""
    # The whole of it: where `training` is left as it is, the export turns the dropout of all parts on.
    encode, encoder = Encode(model), Encoder(model).eval()
    sets = [texts_of(name) for name in names_of_sets]
    some = [text for texts, *_ in sets for text in texts[: CALIBRATION // len(sets)]]
    file, two = folder / "sentences.onnx", encode(some[:2])
    axes = {key: {0: "n", 1: "length"} for key in two} | {"y": {0: "n"}}
    tensors = tuple(map(torch.tensor, two.values()))
    names: Any = {"input_names": list(two), "output_names": ["y"], "dynamic_axes": axes}
    torch.onnx.export(encoder, tensors, str(file), opset_version=17, dynamo=False, **names)

    def vectors(run: Any, texts: list[str]) -> Any:
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        parts = [order[i : i + 32] for i in range(0, len(order), 32)]
        said = np.concatenate(list(answers(run, [encode([texts[i] for i in part]) for part in parts])))
        return said[np.argsort(order)]

    heads = [LogisticRegression(C=10, max_iter=1000).fit(vectors(file, texts), labels) for texts, labels, *_ in sets]
    before = [vectors(file, texts) for _, _, texts, _ in sets]

    def accuracy(run: Any) -> float:
        after = [vectors(run, texts) for _, _, texts, _ in sets]
        same = np.mean([(one * other).sum(1).mean() for one, other in zip(before, after)])
        print(f"  [cosine to float32 {same:.4f}]", file=sys.stderr)
        return float(np.mean([100 * head.score(z, one[3]) for head, z, one in zip(heads, after, sets)]))

    show = functools.partial(shown, "sentences", accuracy, (encode(some[:1]), encode(some[:64])))
    reference = show("float32", lambda out: out.write_bytes(file.read_bytes()), 0.0)
    feeds = [encode([text]) for text in some]
    show("attar, quantize_dynamic", lambda out: quantize_dynamic(file, out), reference)
    show("attar, quantize_dynamic with samples", lambda out: quantize_dynamic(file, out, feeds), reference)
    for rest in tools(file, feeds, transformer=True):
        show(*rest, reference)
    show("attar, quantize_linear, 4 bits", lambda out: quantize_linear(file, out), reference)
    try:
        peer_four = import_module("onnxruntime.quantization.matmul_nbits_quantizer").MatMulNBitsQuantizer
        peer = import_module("torchao.quantization")
    except ImportError:
        return

    def in_four_bits(out: Path) -> None:
        quantiser = peer_four(onnx.load(file), block_size=32, is_symmetric=True, accuracy_level=4)
        quantiser.process()
        quantiser.model.save_model_to_file(str(out))

    show("onnxruntime, MatMulNBits, 4 bits", in_four_bits, reference)
    group = peer.PerGroup(32)
    ways = {
        "no change, float32": None,
        "int8 weights": peer.Int8WeightOnlyConfig(),
        "int8 weights and inputs": peer.Int8DynamicActivationInt8WeightConfig(),
        "int4 weights": peer.IntxWeightOnlyConfig(weight_dtype=vars(torch)["int4"], granularity=group),
    }
    for way, config in ways.items():
        small = copy.deepcopy(encoder)

        def make(out: Path, small: nn.Module = small, config: Any = config) -> nn.Module:
            if config is not None:
                peer.quantize_(small, config)
            torch.save(small.state_dict(), out)
            return small

        show(f"torch, torchao, {way}", make, reference)


def texts_of(name: str) -> tuple[list[str], list[str], list[str], list[str]]:
    """Some texts to learn from and their labels, and some to test."""
    table = pq.read_table(data(f"text/{name}.parquet")).to_pylist()
    rows = [table[i] for i in np.random.default_rng(0).permutation(len(table))]
    test = [row for row in rows if row["split"] == "test"] or rows[-_TEST:]
    train = [row for row in rows if row["split"] in ("train", "dev", "all")]
    train, test = train[:_TRAIN], test[:_TEST]
    texts, labels = [[[row[key] for row in part] for part in (train, test)] for key in ("text", "label")]
    return texts[0], labels[0], texts[1], labels[1]


class Encode:
    """Texts to tokens and mask."""

    def __init__(self, model: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self.tokenizer.enable_truncation(_LENGTH)
        self.tokenizer.enable_padding()

    def __call__(self, texts: list[str]) -> Feed:
        found = self.tokenizer.encode_batch(texts)
        return {
            "input_ids": np.array([one.ids for one in found], np.int64),
            "attention_mask": np.array([one.attention_mask for one in found], np.int64),
        }


class Encoder(nn.Module):
    """The mean vector of all tokens, of length 1."""

    def __init__(self, model: Path) -> None:
        super().__init__()
        auto: Any = import_module("transformers").AutoModel
        self.bert = auto.from_pretrained(model, attn_implementation="eager")

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        said = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weight = attention_mask[..., None].to(said.dtype)
        return nn.functional.normalize((said * weight).sum(1) / weight.sum(1), dim=1)


if __name__ == "__main__":
    main()
