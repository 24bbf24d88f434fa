"""Run a model file that attar wrote, with onnxruntime and numpy alone."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from attar._settings import check_count
from attar.data.dataset import Column, Floats, Form
from attar.data.held import plain
from attar.data.tokens import Tokenizer
from attar.deploy.feed import Feed, graph, images, series, table, texts
from attar.deploy.meta import CHECKSUM, COMPRESSED, KEY, ModelMeta, is_whole
from attar.deploy.units import doubts, evenly
from attar.errors import DataError, ModelError, first_line

# Inner layers hold many times the numbers of the input, random convolutions some hundred times, and attention one for
# each pair of tokens. So few stay near the processor: with eight times as many, random convolutions of recordings and
# of images take 1.6 to 1.9 times as long, and networks a tenth less.
_NUMBERS_PER_BATCH = 2**15
_INNER = {"image": 8, "series": 8, "text": 64}
_SAMPLES_PER_BATCH = 1024
# onnxruntime starts as many as it is told. Not by the cores of this machine: a model may have been pickled on another.
_MOST_THREADS = 1024
# The largest value of 8 bits.
_WHITE = 255
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})")


class Model:
    """A model file, ready to predict.

    Arguments:
        data: the bytes of the file.
        meta: the description stored in it.
        session: of onnxruntime, on it.
    """

    def __init__(self, data: bytes, meta: ModelMeta, session: onnxruntime.InferenceSession) -> None:
        self.data = data
        self.meta = meta
        self._session = session

    def __reduce__(self) -> tuple[Callable[..., Model], tuple[bytes]]:
        # Sessions of onnxruntime cannot be copied; the file can.
        threads = self._session.get_session_options().intra_op_num_threads
        return partial(loads, threads=threads), (self.data,)

    def __repr__(self) -> str:
        return f"Model(kind={self.kind!r}, shape={self.shape}, classes={self.classes.tolist()})"

    @property
    def kind(self) -> str:
        """The kind of sample: "image", "series", "table", "text" or "graph"."""
        return self.meta.kind

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one raw sample."""
        return self.meta.shape

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of a table, the one of texts with their tokenizer, or the channels of series, where named."""
        channels = str(self.meta.extra.get("channels", ""))
        return tuple(map(Column, channels.split("\n"))) if channels else self.meta.columns

    @property
    def rate(self) -> float | None:
        """What series were sampled at in training, in Hz, where that is known."""
        return self.meta.rate

    @property
    def stride(self) -> int | None:
        """Steps from one window of a recording to the next, where the model has learnt from windows; they overlap."""
        return int(self.meta.extra.get("stride", 0)) or None

    @property
    def by(self) -> str | None:
        """The column that tells recordings apart in a table, where the windows learnt from were cut from its rows."""
        return str(self.meta.extra.get("by", "")) or None

    @property
    def ignored(self) -> tuple[str, ...]:
        """Columns that a person left out in training; new samples may have them, and need not."""
        return self.meta.ignored

    @property
    def form(self) -> Form:
        """What new samples are brought to as they are read."""
        return Form(self.kind, self.shape, self.columns, self.rate, self.stride, self.by, self.ignored)

    @property
    def classes(self) -> npt.NDArray[Any]:
        """The labels `(n_classes,)`: int64 where all are whole numbers, else strings."""
        if all(_WHOLE_NUMBER.fullmatch(label) for label in self.meta.classes):
            return np.array([int(label) for label in self.meta.classes], dtype=np.int64)
        return np.array(self.meta.classes)

    def predict(self, X: object) -> npt.NDArray[Any]:
        """Return the most probable label of each sample, `(n,)`; for `X` see `predict_proba`."""
        labels: npt.NDArray[Any] = self.classes[self.predict_proba(X).argmax(axis=1)]
        return labels

    def predict_proba(self, X: object, advance: Callable[[int], None] | None = None) -> Floats:
        """Return the probability of each class for each sample.

        Arguments:
            X: raw samples `(n, *shape)`, in the unit of those learnt from, which `doubts` is about. Images of another
                size, or a list of several sizes, are resized. The end of a shorter series is missing, and that of a
                longer one is cut off. Series of different lengths come as a list of arrays `(channels, steps)`. A table
                may be a DataFrame of pandas or polars, a table of Arrow or a list of dicts, as JSON has rows, whose
                columns are known by name; an array of objects or strings; or float32 with the code of the category in
                categorical columns. Texts are a list or array of strings, or a DataFrame that has them. A graph is an
                object with `x` and `edge_index`, or nodes as `attar.data.nodes` has them; it is taken as a whole.
            advance: called with the number of samples done after each batch.

        Returns:
            float32 `(n, n_classes)`, in the order of `classes`.

        Raises:
            ModelError: the samples do not suit the model.
        """
        if self.kind == "graph":
            return self._of_nodes(X, advance)
        self._warn_of_depth(X)
        feed = self.feed(X)
        n = len(next(iter(feed.values())))
        result = np.empty((n, len(self.meta.classes)), dtype=np.float32)
        for batch in self._batches(n):
            result[batch] = self.run({name: array[batch] for name, array in feed.items()})
            if advance is not None:
                advance(batch.stop - batch.start)
        return result

    def feed(self, X: object) -> Feed:
        """Return the inputs of the ONNX graph, by name, for the samples `X` as in `predict_proba`."""
        try:
            return self._fed(plain(X))
        except DataError as error:  # of what Python holds, and of the tokenizer
            raise ModelError(str(error)) from None

    def _fed(self, X: Any) -> Feed:
        if self.kind == "table":
            return table(X, self.columns, self.shape[0])
        if self.kind == "graph":
            return graph(X, self.shape[0], self._hops)[0]
        if self.kind == "text":
            return texts(X, self._tokenizer, self.shape[0], self.meta.columns[0].name)
        if self.kind == "series":
            channels, steps = self.shape
            return {"x": series(X, (channels, steps))}
        return {"x": images(X, self.shape)}

    def doubts(self, X: object) -> list[str]:
        """Sentences on what makes the samples `X`, as in `predict_proba`, look unlike those that were learnt from.

        Their unit, as of images divided by 255, can be another without any error. Nothing is said of texts and graphs.
        """
        if not self._units:
            return []
        # No more than are looked at are brought into the form of the model a second time.
        some = evenly(X) if isinstance(X, np.ndarray) and X.ndim else X
        return doubts(self._units, np.asarray(self.feed(some)["x"], np.float32), self.kind, self.columns)

    def _warn_of_depth(self, X: object) -> None:
        """Warn of images of 16 bits where the model has learnt from 8, to which those of files are brought on reading.

        In an array they are taken as they are, and whatever the model says of them means nothing.
        """
        first = X[0] if isinstance(X, list) and X else X
        if self.kind != "image" or not self._units or getattr(first, "dtype", None) != np.uint16:
            return
        if json.loads(self._units)[0][1] <= _WHITE and self.doubts(X):
            warnings.warn(
                "the images are of 16 bits, and the model has learnt from values of 0 to 255: if they have another "
                "unit, divide them by 257, as `attar fit` does with files",
                stacklevel=3,
            )

    @property
    def _units(self) -> str:
        """What `doubts` knows of the samples that were learnt from, as JSON; empty where nothing is known."""
        return str(self.meta.extra.get("units", ""))

    @property
    def _hops(self) -> int:
        """How far around a node a graph has an influence on it."""
        return int(self.meta.extra.get("hops", 0))

    def _of_nodes(self, X: object, advance: Callable[[int], None] | None) -> Floats:
        feed, place = graph(X, self.shape[0], self._hops)
        result = self.run(feed)[place]
        if advance is not None:
            advance(len(result))
        return result

    def run(self, feed: Feed) -> Floats:
        """Return the output of the ONNX graph for one batch."""
        try:
            # A model that looks at nothing but a node's own features has no input for edges.
            taken = {one.name: feed[one.name] for one in self._session.get_inputs()}
            (said,) = self._session.run(["probabilities"], taken)
            probabilities = np.asarray(said, dtype=np.float32)
        except Exception as error:  # onnxruntime's own exceptions share no public base
            raise ModelError(f"the model does not run: {first_line(error)}; export it again") from error
        expected = len(next(iter(feed.values()))), len(self.meta.classes)
        if probabilities.shape != expected:
            raise ModelError(
                f"the model answers with shape {probabilities.shape} instead of {expected}; export it again"
            )
        return probabilities

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(self.meta.columns[0].tokenizer)

    def _batches(self, n: int) -> Iterator[slice]:
        per_sample = _INNER.get(self.kind, 1) * math.prod(self.shape)
        step = max(1, min(_SAMPLES_PER_BATCH, _NUMBERS_PER_BATCH // per_sample))
        for start in range(0, n, step):
            yield slice(start, min(start + step, n))


def load(path: str | Path, *, threads: int = 0) -> Model:
    """Load a model file.

    Arguments:
        path: an ONNX file that attar wrote.
        threads: for one prediction; 0 means one per core.

    Raises:
        ModelError: there is no such file, or it is not attar's, or a newer attar wrote it, or it is damaged.
        DataError: `threads` is no whole number from 0 to 1,024.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"{path}: no such model file; `attar fit` writes one as model.onnx in its run folder"
        ) from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a folder, not a model file; name the model.onnx in it") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}; check its permissions") from None
    return loads(data, path, threads=threads)


def loads(data: bytes, name: str | Path = "model", *, threads: int = 0) -> Model:
    """A model from the bytes of its file; `name` is what an error calls it, and all else as of `load`."""
    check_count("threads", threads, least=0)
    if threads > _MOST_THREADS:
        raise DataError(f"threads is {threads}: give {_MOST_THREADS} at most, or 0 for one per core")
    if data.startswith(COMPRESSED):
        raise ModelError(
            f"{name}: an .attar file, which onnxruntime does not run; `attar unpack` makes one that it does"
        )
    if not is_whole(data):
        raise ModelError(
            f"{name}: is damaged, or was changed after attar wrote it; copy it anew, or remove its property "
            f"'{CHECKSUM}' where the change was meant"
        )
    try:
        session = session_of(data, int(threads))
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise ModelError(
            f"{name}: not an ONNX model that onnxruntime can run; give a model file that attar wrote"
        ) from error
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    if text is None:
        raise ModelError(f"{name}: an ONNX model, but not one of attar's; give a model file that attar wrote")
    try:
        meta = ModelMeta.from_json(text)
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from None
    return Model(data, meta, session)


def session_of(model: bytes | Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """A session of onnxruntime on the processor, which prints nothing; 0 threads mean one per core.

    Of a model whose weights lie in a file beside it, the path has to be given.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
