import shutil

import numpy as np
import pytest
import torch
from torch import nn

from attar import kinds
from attar.data.arrays import from_arrays
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.deploy.session import load
from attar.errors import DataError
from attar.represent import Masked, Pretrained, SimCLR, TfIdf
from attar.represent.pretrained import refuse_unsuited, translate

transformers = pytest.importorskip("transformers", reason="needs the extra backbone")

WORDS = ["ant", "bee", "cow", "dog", "eel", "fox"]
TEXTS = [" ".join(np.random.default_rng(i).choice(WORDS, 1 + i % 7)) for i in range(40)]
TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def saved(folder, model):
    model.save_pretrained(folder)
    return f"hf:{folder}"


def with_words(folder, pad=0):
    """Save a tokenizer of words in a folder, and return how many tokens it has."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    names = ["[UNK]", *WORDS, "[CLS]", "[SEP]"]
    names.insert(pad, "[PAD]")
    place = {name: i for i, name in enumerate(names)}
    fast = Tokenizer(models.WordLevel(place, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = [(mark, place[mark]) for mark in ("[CLS]", "[SEP]")]
    fast.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=marks)
    fast.save(str(folder / "tokenizer.json"))
    return len(names)


@pytest.fixture(scope="module", params=[0, 1], ids=["pad-0", "pad-1"])
def bert(tmp_path_factory, request):
    """A random encoder of words; as of RoBERTa, padding need not be the first id."""
    pad, folder = request.param, tmp_path_factory.mktemp("bert")
    size = with_words(folder, pad)
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=size, pad_token_id=pad, max_position_embeddings=64, **TINY)
    return saved(folder, transformers.BertModel(config))


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    torch.manual_seed(0)
    config = transformers.ViTConfig(image_size=16, patch_size=8, num_channels=3, **TINY)
    return saved(tmp_path_factory.mktemp("vit"), transformers.ViTModel(config))


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory):
    torch.manual_seed(0)
    shape = {"conv_dim": (8, 8), "conv_kernel": (5, 3), "conv_stride": (3, 2)}
    config = transformers.Wav2Vec2Config(**shape, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, **TINY)
    return saved(tmp_path_factory.mktemp("wav2vec2"), transformers.Wav2Vec2Model(config))


def in_its_terms(backbone, texts):
    dataset = from_arrays(texts)
    kind = kinds.of("text").learn(dataset.x, dataset.columns)
    x, columns = translate(backbone, kind, dataset.x, dataset.columns)
    return x, kinds.of("text").learn(x, columns), columns


def test_texts_are_the_mean_of_the_hidden_states_of_their_tokens(bert):
    x, kind, _ = in_its_terms(bert, TEXTS)
    z = Pretrained(bert, kind=kind).fit_transform(x)
    model = transformers.AutoModel.from_pretrained(bert.removeprefix("hf:")).eval()
    for text, row, found in zip(TEXTS[:9], x, z):
        ids = torch.tensor(row[np.isfinite(row)].astype(int))[None]
        assert ids.shape[1] == len(text.split()) + 2
        with torch.no_grad():
            expected = model(input_ids=ids).last_hidden_state[0].mean(dim=0)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_file_takes_texts_and_brings_the_tokenizer_of_the_backbone(bert, tmp_path):
    x, kind, columns = in_its_terms(bert, TEXTS)
    encoder = Pretrained(bert, kind=kind).fit(x)
    whole = nn.Sequential(encoder.module_, nn.Linear(16, 2), nn.Softmax(dim=1)).eval()
    export(whole, torch.tensor(x[:1]), tmp_path / "m.onnx", ModelMeta("text", kind.shape, ("a", "b"), columns))
    with torch.no_grad():
        expected = whole(torch.tensor(x)).numpy()
    np.testing.assert_allclose(load(tmp_path / "m.onnx").predict_proba(TEXTS), expected, atol=1e-5)


def towers():
    text = TINY | {"vocab_size": 10, "max_position_embeddings": 20}
    seen = TINY | {"image_size": 16, "patch_size": 8}
    return transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=seen))


def narrow(make, config, **settings):
    return lambda: make(config(vocab_size=10, **settings))


@pytest.mark.parametrize(
    ("model", "longest"),
    [
        pytest.param(narrow(transformers.BertModel, transformers.BertConfig, max_position_embeddings=20, **TINY), 19),
        pytest.param(
            narrow(
                transformers.RobertaModel,
                transformers.RobertaConfig,
                max_position_embeddings=22,
                pad_token_id=1,
                **TINY,
            ),
            20,
        ),
        pytest.param(
            narrow(transformers.T5Model, transformers.T5Config, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2),
            256,
        ),
        pytest.param(towers, 18),
    ],
    ids=["bert", "roberta", "t5", "clip"],
)
def test_texts_are_cut_at_the_room_of_the_encoder(model, longest, tmp_path):
    torch.manual_seed(0)
    with_words(tmp_path, 1 if longest == 20 else 0)
    texts = [*TEXTS, "bee " * 300, "cow " * 300]
    x, kind, columns = in_its_terms(saved(tmp_path, model()), texts)
    assert x.shape[1] == longest
    encoder = Pretrained(f"hf:{tmp_path}", kind=kind).fit(x)
    assert encoder.dim_ == 16
    whole = nn.Sequential(encoder.module_, nn.Linear(16, 2), nn.Softmax(dim=1)).eval()
    export(whole, torch.tensor(x[:1]), tmp_path / "m.onnx", ModelMeta("text", kind.shape, ("a", "b"), columns))
    with torch.no_grad():
        expected = whole(torch.tensor(x)).numpy()
    np.testing.assert_allclose(load(tmp_path / "m.onnx").predict_proba(texts), expected, atol=1e-5)


def test_the_width_is_seen_from_a_sample(tmp_path):
    config = transformers.MobileNetV2Config(depth_multiplier=0.1, image_size=32)
    encoder = Pretrained(saved(tmp_path, transformers.MobileNetV2Model(config)), kind="image")
    assert encoder.fit_transform(np.zeros((2, 16, 16), np.float32)).shape == (2, encoder.dim_)


def spoilt(folder, spoil):
    size = with_words(folder)
    saved(folder, transformers.BertModel(transformers.BertConfig(vocab_size=size, **TINY)))
    spoil(folder)
    return f"hf:{folder}"


def otherwise(**settings):
    return lambda folder: transformers.BertConfig(**{"vocab_size": 10, **TINY, **settings}).save_pretrained(folder)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), r"no tokenizer\.json; save"),
        (lambda folder: (folder / "tokenizer.json").write_text("{oops"), "not a tokenizer"),
        (lambda folder: (folder / "config.json").write_text("{oops"), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\x40" * 99), "cannot be loaded"),
        (otherwise(vocab_size=4), "its tokenizer has 10 tokens and its weights are for 4"),
        (otherwise(hidden_size=32), "weights of the encoder are missing, or have another size"),
    ],
)
def test_a_broken_backbone_is_refused_by_name_before_it_is_used(spoil, says, tmp_path):
    backbone, dataset = spoilt(tmp_path, spoil), from_arrays(TEXTS)
    with pytest.raises(DataError, match=rf"^hf:{tmp_path}: .*{says}"):
        refuse_unsuited(backbone, kinds.of("text"), dataset.x, dataset.columns)


def test_a_backbone_of_spectra_is_refused_before_it_is_used(tmp_path):
    shape = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = transformers.WhisperConfig(d_model=16, vocab_size=10, num_mel_bins=8, pad_token_id=0, **shape)
    backbone = saved(tmp_path, transformers.WhisperModel(config))
    with pytest.raises(DataError, match=r"cannot take samples of kind 'series' .*; name another"):
        refuse_unsuited(backbone, kinds.of("series"), np.zeros((4, 1, 99), np.float32), ())


def test_training_on_is_seeded_and_changes_the_encoder(bert):
    x, kind, _ = in_its_terms(bert, TEXTS)

    def fit(epochs):
        encoder = Pretrained(bert, kind=kind, epochs=epochs, batch_size=16, lr=1e-3, random_state=0).fit(x)
        return encoder.transform(x), encoder.loss_curve_

    (still, none), (one, losses), (same, _) = fit(0), fit(2), fit(2)
    assert (len(none), len(losses)) == (0, 2)
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - still).max() > 1e-3


@pytest.mark.parametrize("shape", [(12, 12), (20, 9, 3)])
def test_images_of_any_size_and_colour_go_in(vit, shape, tmp_path):
    x = np.random.default_rng(0).random((9, *shape), dtype=np.float32)
    encoder = Pretrained(vit, kind="image").fit(x)
    z = encoder.transform(x)
    assert z.shape == (9, 16)
    assert encoder.dim_ == 16
    whole = nn.Sequential(encoder.module_, nn.Linear(16, 2), nn.Softmax(dim=1)).eval()
    export(whole, torch.tensor(x[:1]), tmp_path / "m.onnx", ModelMeta("image", shape, ("a", "b")))
    with torch.no_grad():
        expected = whole(torch.tensor(x)).numpy()
    np.testing.assert_allclose(load(tmp_path / "m.onnx").predict_proba(x), expected, atol=1e-5)


def test_weights_saved_in_bfloat16_become_float32(tmp_path):
    config = transformers.ViTConfig(image_size=16, patch_size=8, num_channels=3, **TINY)
    backbone = saved(tmp_path, transformers.ViTModel(config).to(torch.bfloat16))
    x = np.random.default_rng(0).random((4, 16, 16, 3), dtype=np.float32)
    encoder = Pretrained(backbone, kind="image").fit(x)
    assert {p.dtype for p in encoder.encoder_.parameters()} == {torch.float32}
    assert encoder.transform(x).dtype == np.float32


def with_names(backbone, folder, renamed):
    """A copy of a checkpoint, its weights under other names; those of name None are left out."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(backbone.removeprefix("hf:"), folder)
    weights = {renamed(name): value for name, value in load_file(folder / "model.safetensors").items()}
    weights.pop(None, None)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return f"hf:{folder}"


@pytest.mark.parametrize(
    "renamed",
    [
        pytest.param(lambda name: f"module.{name}", id="as of DistributedDataParallel"),
        pytest.param(lambda name: None if "layers.1." in name or "layer.1." in name else name, id="a layer"),
        pytest.param(lambda name: None if "patch_embeddings" in name else name, id="the first weights"),
    ],
)
def test_weights_that_are_missing_are_not_drawn_at_random(vit, renamed, tmp_path):
    with pytest.raises(DataError, match=r"\d weights of the encoder are missing, .* \(.*weight.*\); save"):
        Pretrained(with_names(vit, tmp_path / "odd", renamed), kind="image").fit(np.zeros((4, 8, 8), np.float32))


def test_a_pooler_is_not_missed(vit, tmp_path):
    x = np.random.default_rng(0).random((4, 16, 16, 3), dtype=np.float32)
    headless = with_names(vit, tmp_path / "odd", lambda name: None if "pooler" in name else name)
    z, same = (Pretrained(backbone, kind="image").fit_transform(x) for backbone in (vit, headless))
    np.testing.assert_array_equal(z, same)


def test_an_image_of_the_right_size_goes_in_as_it_is(vit):
    x = np.random.default_rng(0).random((4, 16, 16, 3), dtype=np.float32)
    encoder = Pretrained(vit, kind="image").fit(x)
    pixels = (x - x.mean(axis=(0, 1, 2))) / x.std(axis=(0, 1, 2))
    model = transformers.AutoModel.from_pretrained(vit.removeprefix("hf:")).eval()
    with torch.no_grad():
        expected = model(pixel_values=torch.tensor(pixels).permute(0, 3, 1, 2)).last_hidden_state.mean(dim=1)
    np.testing.assert_allclose(encoder.transform(x), expected, atol=1e-4)


def test_sound_goes_in_as_a_waveform(wav2vec2, tmp_path):
    x = np.random.default_rng(0).standard_normal((6, 2, 120)).astype(np.float32)
    x[1, :, 50:], x[2] = np.nan, np.nan
    encoder = Pretrained(wav2vec2, kind="series").fit(x)
    assert encoder.transform(x).shape == (6, 16)
    whole = nn.Sequential(encoder.module_, nn.Linear(16, 2), nn.Softmax(dim=1)).eval()
    export(whole, torch.tensor(x[:1]), tmp_path / "m.onnx", ModelMeta("series", (2, 120), ("a", "b")))
    with torch.no_grad():
        expected = whole(torch.tensor(x)).numpy()
    np.testing.assert_allclose(load(tmp_path / "m.onnx").predict_proba(x), expected, atol=1e-5)


def test_the_padding_of_short_sounds_is_left_out_of_the_mean(wav2vec2):
    x = np.random.default_rng(0).standard_normal((6, 1, 120)).astype(np.float32)
    x[0, :, 60:], x[1, :, 1:], x[2] = np.nan, np.nan, np.nan
    encoder = Pretrained(wav2vec2, kind="series").fit(x)
    model = transformers.AutoModel.from_pretrained(wav2vec2.removeprefix("hf:")).eval()
    with torch.no_grad():
        hidden = model(input_values=encoder.kind_.preprocess()(torch.tensor(x))[:, 0]).last_hidden_state.numpy()
    frames = hidden.shape[1]
    for row, end, z in zip(hidden, [-(-frames // 2), 1, 1, *[frames] * 3], encoder.transform(x)):
        np.testing.assert_allclose(z, row[:end].mean(axis=0), atol=1e-5)


def test_ids_whose_padding_is_not_the_first_suit_no_network_of_ones_own(bert):
    x, kind, _ = in_its_terms(bert, TEXTS)
    for representation in (Masked(epochs=0, kind=kind), SimCLR(epochs=0, kind=kind), TfIdf(kind=kind)):
        if kind.pad == 0:
            representation.fit(x)
            continue
        with pytest.raises(DataError, match="whose padding is 1: they suit Pretrained alone"):
            representation.fit(x)


def test_sounds_are_brought_to_the_rate_that_the_encoder_was_made_for(wav2vec2, tmp_path):
    shutil.copytree(wav2vec2.removeprefix("hf:"), tmp_path / "heard")
    (tmp_path / "heard" / "preprocessor_config.json").write_text('{"sampling_rate": 800}')
    phase = np.random.default_rng(0).uniform(0, 6, (6, 1, 1))

    def z(rate, said):
        x = np.cos(2 * np.pi * 60 * np.arange(rate // 2) / rate + phase).astype(np.float32)
        encoder = Pretrained(f"hf:{tmp_path / 'heard'}", kind="series", rate=said)
        return encoder.fit_transform(x), encoder, x

    (wanted, *_), (slow, encoder, x), (unsaid, *_) = z(800, 800), z(400, 400), z(400, None)
    np.testing.assert_array_equal(z(400, 0.5)[0], unsaid)
    assert np.abs(slow - wanted).max() < 0.1 * np.abs(unsaid - wanted).max()
    whole = nn.Sequential(encoder.module_, nn.Linear(16, 2), nn.Softmax(dim=1)).eval()
    export(whole, torch.tensor(x[:1]), tmp_path / "m.onnx", ModelMeta("series", (1, 200), ("a", "b")))
    with torch.no_grad():
        expected = whole(torch.tensor(x)).numpy()
    np.testing.assert_allclose(load(tmp_path / "m.onnx").predict_proba(x), expected, atol=1e-5)


@pytest.mark.parametrize("backbone", ["", "bert", "hf:", "hf:./no-such-folder"])
def test_what_is_no_backbone_is_refused(backbone, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"give hf:|cannot be loaded"):
        Pretrained(backbone, kind="image").fit(np.zeros((4, 8, 8), dtype=np.float32))


@pytest.mark.parametrize("backbone", ["bert", nn.Linear(2, 2), None])
def test_what_names_no_backbone_is_said_once(backbone):
    with pytest.raises(DataError, match=r"^backbone .*; give hf:NAME of the Hugging Face hub, or hf:FOLDER$"):
        Pretrained(backbone, kind="image").fit(np.zeros((4, 8, 8), dtype=np.float32))


def test_what_is_compared_with_others_needs_one(vit):
    with pytest.raises(DataError, match="batch_size to be a whole number from 2"):
        Pretrained(vit, kind="image", epochs=1, batch_size=1).fit(np.zeros((4, 16, 16, 3), dtype=np.float32))


def test_what_does_not_suit_is_refused(vit):
    with pytest.raises(DataError, match="no pretrained backbones for kind 'table'"):
        Pretrained(vit, kind="table").fit(np.zeros((4, 8), dtype=np.float32)).transform(np.zeros((4, 8)))
    dataset = from_arrays(TEXTS)
    kind = kinds.of("text").learn(dataset.x, dataset.columns)
    with pytest.raises(DataError, match=r"no tokenizer\.json"):
        translate(vit, kind, dataset.x, dataset.columns)
