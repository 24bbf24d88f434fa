"""Encoders that others have trained, from the Hugging Face hub or a folder, as they are or trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from attar._files import at_home
from attar.errors import AttarError, DataError, MissingExtraError, first_line, listed
from attar.kinds.backbone import Translated
from attar.represent._rates import Resampled
from attar.represent.ntxent import nt_xent
from attar.represent.pretext import Pretext
from attar.training.modes import seeded

if TYPE_CHECKING:
    from attar.data.dataset import Column, Floats
    from attar.kinds.base import Kind

PREFIX = "hf:"
# Of a model of images and texts, by what it takes.
_TOWERS = {"pixel_values": "vision_model", "input_ids": "text_model"}
# How many times as low as that of a model the rate of a sound may be: 4 kHz of 16, and what is lower is none.
_FAR = 4


class Pretrained(Pretext):
    """The mean of the last hidden states of a `transformers` encoder of text, images or sound.

    z = mean of f_θ(x)ᵢ over what is present: all of an image, the tokens of a text, and of a sound what begins before
    its last value. With epochs, θ is first trained on by NT-Xent between two passes of each sample, which differ in
    their dropout alone (SimCSE).

    References:
        Reimers and Gurevych, Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks, 2019,
        https://arxiv.org/abs/1908.10084 (mean pooling)
        Gao, Yao, Chen, SimCSE: Simple Contrastive Learning of Sentence Embeddings, 2021,
        https://arxiv.org/abs/2104.08821

    Arguments:
        backbone: "hf:NAME_OR_PATH" of a model with its configuration, and with its fast tokenizer for texts.
        epochs: passes over all samples; 0: the encoder stays as it is.
        batch_size: samples in a batch, at least 2; all others in it are a sample's negatives.
        temperature: τ of NT-Xent.
        lr: highest learning rate.
        device: that is trained on: "cpu", "cuda" or "cuda:1" (a GPU), or "auto", a GPU where there is one.
        rate: that series are sampled at, in Hz: they are brought to that which the model was made for, where its
            preprocessor_config.json says it. None, or more than four times lower, as of no sound: they go in as they
            are.
        kind: that was learnt from samples which `translate` returned; "image", "series".
        random_state: seed of dropout and the order of samples.

    Attributes:
        kind_: what was learnt about the kind of data.
        encoder_: f_θ on normalised samples.
        loss_curve_: mean loss of each epoch.

    Raises:
        DataError: there is no such model, weights of its encoder are missing, or it does not take such samples.
        MissingExtraError: `transformers` is not installed.
    """

    dim = width = 0  # those of the backbone
    _counts = ()
    _least_batch = 2

    def __init__(
        self,
        backbone: str = "",
        *,
        epochs: int = 0,
        batch_size: int = 64,
        temperature: float = 0.05,
        lr: float = 2e-5,
        device: str = "cpu",
        rate: float | None = None,
        kind: str | Kind | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.backbone = backbone
        self.epochs = epochs
        self.batch_size = batch_size
        self.temperature = temperature
        self.lr = lr
        self.device = device
        self.rate = rate
        self.kind = kind
        self.random_state = random_state

    def _networks(self, kind: Kind) -> nn.ModuleDict:
        return nn.ModuleDict({"encoder": _Backbone(self.backbone, kind, self.rate)})

    def _keep(self, networks: nn.ModuleDict) -> None:
        super()._keep(networks)
        self.dim_ = int(cast("_Backbone", networks["encoder"]).dim)

    def _loss(self, networks: nn.ModuleDict, kind: Kind, x: Tensor, generator: torch.Generator) -> Tensor:
        del kind
        # Dropout draws from the global generator.
        seed = int(torch.randint(2**31 - 1, (), generator=generator, device=generator.device))
        with seeded(seed, x.device):
            z_i, z_j = networks["encoder"](torch.cat([x, x])).chunk(2)
        return nt_xent(z_i, z_j, self.temperature)


def translate(backbone: str, kind: Kind, x: Floats, columns: tuple[Column, ...]) -> tuple[Floats, tuple[Column, ...]]:
    """Raw samples and their columns as a backbone takes them: texts in the ids of its own tokenizer.

    Raises:
        DataError: there is no such model; MissingExtraError: `transformers` is not installed.
    """
    transformers = _package()
    with _quiet(), _readable(backbone):
        config = transformers.AutoConfig.from_pretrained(_name(backbone)).get_text_config()
        file = _file(backbone, "tokenizer.json")
    pad, places = int(getattr(config, "pad_token_id", 0) or 0), getattr(config, "max_position_embeddings", None)
    if places is not None and pad < places:
        places -= pad + 1  # RoBERTa and its like count places from the id of the padding on
    try:
        return kind.translated(x, columns, file, pad, getattr(config, "vocab_size", None), places)
    except DataError as error:
        raise DataError(f"{backbone}: {error}") from None


def refuse_unsuited(
    backbone: str, kind: type[Kind], x: Floats, columns: tuple[Column, ...], rate: float | None = None
) -> None:
    """Find out by one sample, the longest, whether there is such a model that takes samples of the kind.

    Raises:
        DataError: it is not so; MissingExtraError: `transformers` is not installed.
    """
    if kind.backbone_inputs is Translated.backbone_inputs:
        raise DataError(f"there are no pretrained backbones for kind {kind.name!r}; leave the backbone away")
    longest = x[[np.isnan(x).reshape(len(x), -1).sum(axis=1).argmin()]]
    translated, columns = translate(backbone, kind.learn(longest, columns), longest, columns)
    _Backbone(backbone, kind.learn(translated, columns), rate)


class _Backbone(nn.Module):
    """Normalised samples to `(n, dim)`."""

    def __init__(self, backbone: str, kind: Kind, rate: float | None) -> None:
        super().__init__()
        whole, random = _loaded(backbone)
        config = getattr(whole.config, "vision_config", whole.config)
        side = getattr(config, "image_size", 224)
        self.kind = kind
        self.channels = int(getattr(config, "num_channels", 3))
        self.size = (side, side) if isinstance(side, int) else (int(side[0]), int(side[1]))
        own_rate = _rate(backbone)
        self.at_rate: nn.Module = nn.Identity()
        if rate and own_rate and rate != own_rate and own_rate <= _FAR * rate:
            self.at_rate = Resampled(rate, own_rate)
        with torch.enable_grad(), _readable(backbone, f"take samples of kind {kind.name!r}", "name another backbone"):
            x = kind.preprocess()(torch.zeros(1, *kind.shape))
            self.model = _encoder(whole, next(iter(kind.backbone_inputs(x, self.channels, self.size))))
            z = self(x)
        self.dim = z.shape[1]
        # A pooler, a head or the other tower may have random weights: z does not depend on them.
        gradients = torch.autograd.grad(z.sum(), list(random.values()), allow_unused=True) if random else ()
        names = [name for name, gradient in zip(random, gradients) if gradient is not None]
        if names:
            raise DataError(
                f"{backbone}: {len(names)} weights of the encoder are missing, or have another size ({listed(names)}); "
                "save model and configuration together, as transformers does"
            )

    def forward(self, x: Tensor) -> Tensor:
        inputs = self.kind.backbone_inputs(self.at_rate(x), self.channels, self.size)
        hidden: Tensor = self.model(**inputs).last_hidden_state
        present = inputs.get("attention_mask")
        if "input_values" in inputs:
            present = _lasting(x, hidden.shape[1])
        if present is not None:
            share = present.to(hidden.dtype).unsqueeze(2)
            return (hidden * share).sum(dim=1) / share.sum(dim=1).clamp(min=1)
        # Convolutional encoders leave a plane, the others a sequence.
        return hidden.flatten(2).mean(dim=2) if hidden.ndim == 4 else hidden.mean(dim=1)


def _loaded(backbone: str) -> tuple[Any, dict[str, nn.Parameter]]:
    """A model, and those of its weights by name that are random: the file has none, or has them in another size."""
    transformers = _package()
    with _quiet(), _readable(backbone):
        # The other implementations of attention do not trace for ONNX.
        whole, read = transformers.AutoModel.from_pretrained(
            _name(backbone),
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    random = {*read["missing_keys"], *(name for name, *_ in read["mismatched_keys"])}
    return whole, {name: weight for name, weight in whole.named_parameters() if name in random}


def _lasting(x: Tensor, frames: int) -> Tensor:
    """Which of the frames of normalised series `(n, channels, steps)` begin before the zeros that these end with."""
    steps = int(x.shape[2])
    end = torch.where((x != 0).any(dim=1), torch.arange(1, steps + 1, device=x.device), 1).amax(dim=1, keepdim=True)
    return steps * torch.arange(frames, device=x.device) < frames * end


def _encoder(whole: Any, taken: str) -> Any:
    """The part of a model that takes such inputs: one of two towers, or what comes before a decoder."""
    tower = getattr(whole, _TOWERS.get(taken, ""), None)
    return tower or (whole.get_encoder() if whole.config.is_encoder_decoder else whole)


def _rate(backbone: str) -> int | None:
    """The sampling rate in Hz that a backbone was made for; None where it does not say."""
    with _quiet(), _readable(backbone):
        file = _file(backbone, "preprocessor_config.json")
        settings = {} if file is None else json.loads(file.read_text(encoding="utf-8"))
        return int(settings.get("sampling_rate", 0)) or None


def _file(backbone: str, name: str) -> Path | None:
    path = _package().utils.cached_file(_name(backbone), name, _raise_exceptions_for_missing_entries=False)
    return None if path is None else Path(path)


def _name(backbone: object) -> str:
    name = backbone.removeprefix(PREFIX) if isinstance(backbone, str) and backbone.startswith(PREFIX) else ""
    if not name:
        raise DataError(f"backbone {backbone!r:.60}; give hf:NAME of the Hugging Face hub, or hf:FOLDER")
    local = at_home(name)
    return str(local.resolve()) if local.is_dir() else name


def _package() -> Any:
    try:
        import transformers
    except ImportError:
        raise MissingExtraError("a backbone needs the package transformers; pip install 'attar[backbone]'") from None
    return transformers


@contextmanager
def _readable(
    backbone: str, do: str = "be loaded", instead: str = "check the name, or give hf:FOLDER"
) -> Iterator[None]:
    try:
        yield
    except AttarError:
        raise
    except Exception as error:  # whatever a file of others makes transformers, safetensors or torch raise
        raise DataError(f"{backbone}: cannot {do} ({first_line(error)}); {instead}") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from writing over the progress that is shown."""
    logging = _package().utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
